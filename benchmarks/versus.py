"""Paired differences that a suite asks for: every row of a model against named rows and the best.

The best of several is taken by its figure on these very cells, which favours it: a difference
above zero is the safer for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from benchmarks import stats
from benchmarks.grouping import Key, Runs, grouped
from benchmarks.records import Record
from benchmarks.suites import Versus
from benchmarks.tidy import gap_between

COLUMNS = (
    *Key._fields,
    *("metric", "against", "reference", "difference", "difference_low", "difference_high"),
    *("p_normal", "p_holm", "seeds"),
)
BEST = "best block"


def versus(records: Iterable[Record], asked: Versus) -> pd.DataFrame:
    """One row for each run of ``asked.model``, metric and reference; columns are ``COLUMNS``.

    ``p_holm`` corrects over the rows of a section, metric and reference.
    """
    runs = {key: group for key, group in grouped(records).items() if key.model == asked.model}
    rows = [
        row
        for metric in asked.metrics
        for name in (asked.reference, BEST)
        for key in sorted(runs)
        if (row := _row(key, runs, metric, name, asked))
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for _, family in table.groupby([*Key._fields[:4], "metric", "against"]):
        table.loc[family.index, "p_holm"] = stats.holm(family["p_normal"].tolist())
    return table


def _row(key: Key, runs: Runs, metric: str, name: str, asked: Versus) -> dict[str, object] | None:
    """None where there is nothing to compare: no such row, itself, or no replicates."""
    offered = asked.blocks if name == BEST else (name,)
    other = _best(key, runs, metric, offered)
    gap = gap_between(key, other, runs, metric)
    if gap is None or other is None:
        return None
    return {**gap, "against": name, "reference": other.representation}


def _best(key: Key, runs: Runs, metric: str, offered: Iterable[str]) -> Key | None:
    found = {
        _mean(runs[other], metric, key, runs): other
        for other in _peers(key, runs, offered)
        if all(metric in record.metrics for record in runs[other])
    }
    return found[max(found)] if found else None


def _peers(key: Key, runs: Runs, offered: Iterable[str]) -> Iterator[Key]:
    """Rows of the base with one of these representations, in the section of ``key``."""
    wanted = [key._replace(representation=name, variant="{}") for name in offered]
    return (other for other in wanted if other in runs)


def _mean(group: Iterable[Record], metric: str, key: Key, runs: Runs) -> float:
    """Over the seeds that ``key`` has too, so that blocks are ranked on what is compared."""
    seeds = {record.seed for record in runs[key]}
    values = [r.metrics[metric].value for r in group if r.seed in seeds]
    return sum(values) / len(values) if values else float("-inf")
