"""What ridge and other packages reach where the lead of a suite is asked, and its paired lead.

The rival is the best by the very figure and the very cells, which favours it: a difference above
zero is the safer for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import pandas as pd

from benchmarks import others
from benchmarks.grouping import Key, Runs
from benchmarks.markdown import gap_words, interval, variant_words
from benchmarks.suites import base
from benchmarks.tidy import gap_between

RIDGE, BASE = "ridge", "{}"
Rows = Mapping[Key, pd.Series]  # of one metric and section


def paired(key: Key, rows: Rows, runs: Runs, metric: str) -> dict[str, str]:
    """Cells: the lead minus the best ridge, panel genes removed, and minus the best package."""
    ridges = [one for one in rows if one.model == RIDGE and not _kept(one)]
    return {
        "minus ridge, paired": _minus(key, best(rows, ridges), runs, metric),
        "minus best peer, paired": _minus(key, best(rows, peers(rows)), runs, metric),
    }


def levels(key: Key, rows: Rows) -> dict[str, str]:
    """Cells: ridge without adaptation and with the lead's own, and the best package."""
    like = {"ridge, as it is": BASE, "ridge, as the lead": key.variant}
    found = {head: rows.get(key._replace(model=RIDGE, variant=v)) for head, v in like.items()}
    cells = {head: "" if row is None else interval(row) for head, row in found.items()}
    peer = best(rows, peers(rows))
    told = "" if peer is None else _told(rows[peer], rows[key]["seeds"])
    return {**cells, "best peer": told}


def peers(rows: Rows) -> list[Key]:
    """Rows of other people's packages."""
    return [key for key in rows if key.model in others.names()]


def best(rows: Rows, offered: Iterable[Key]) -> Key | None:
    """The one with the highest figure; None of none."""
    return max(offered, key=lambda key: float(rows[key]["value"]), default=None)


def named(key: Key) -> str:
    """Model and variant."""
    return ", ".join(word for word in (key.model, variant_words(key.variant)) if word)


def _kept(key: Key) -> bool:
    return bool(base.KEPT.items() <= json.loads(key.variant).items())


def _minus(key: Key, other: Key | None, runs: Runs, metric: str) -> str:
    gap = gap_between(key, other, runs, metric)
    if gap is None or other is None:
        return ""
    alike = other.model == RIDGE and other.variant == key.variant != BASE
    return f"{gap_words(pd.Series(gap))} ({'as the lead' if alike else named(other)})"


def _told(row: pd.Series, seeds: int) -> str:
    """The figure of a package, and what its row has otherwise: a variant, other seeds."""
    apart = [variant_words(row["variant"]), f"seeds: {row['seeds']}" * (row["seeds"] != seeds)]
    words = ", ".join(word for word in apart if word)
    return f"{row['model']} {interval(row)}" + (f" ({words})" if words else "")
