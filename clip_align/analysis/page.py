"""The page to paste from: what was found, in short tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from clip_align.analysis.marker_figures import agreement
from clip_align.analysis.marker_space import square
from clip_align.analysis.ontology_distance import ALL, OTHER
from clip_align.analysis.siblings import LEAST_SUPPORT, worst
from clip_align.analysis.whole import Analysis

TOP_PAIRS, TOP_MARKERS, TOP_WRONG = 12, 4, 10
Row = Mapping[str, object]


def page(found: Analysis, *, title: str, about: Sequence[str] = ()) -> str:
    """Markdown with the figures of the same folder; ``about`` are lines said first."""
    n = int(found.summary["n"].iloc[0])
    head = [
        f"One pool of {n:,} cells of {found.n_given:,}, searched in both directions. 95 % "
        "intervals are by bootstrap over cells within type.",
        *[f"- {line}" for line in (*about, *found.remarks)],
    ]
    parts = [
        f"# {title}", "\n".join([head[0], "", *head[1:]]).rstrip(),
        _table(found.summary, {"metric": "", "value": "value [95 %]", "chance": "chance"}),
        *_confusion(found), *_pairs(found), *_telling(found), *_wrong(found), *_space(found),
        *_distance(found),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _confusion(found: Analysis) -> list[str]:
    share = found.confusion
    own = share[share["type"] == share["partner"]].set_index("type")
    other = share[share["type"] != share["partner"]].sort_values("share", ascending=False)
    first = other.drop_duplicates("type").set_index("type")
    rows = [
        {
            "type": name, "n": f"{own.loc[name, 'n']:,}", "own type": _interval(own.loc[name]),
            "random": f"{own.loc[name, 'random']:.3f}",
            "most often taken for": _other(first.loc[name]),
        }
        for name in found.order
    ]  # fmt: skip
    return [
        "## Confusion by type",
        "Type of the nearest partner, both directions averaged; `random` is a partner drawn from "
        "the pool.",
        table_lines(rows), "![confusion](confusion.png)",
    ]  # fmt: skip


def _other(row: pd.Series) -> str:
    return f"{row['partner']} ({row['share']:.3f})" if row["share"] > 0 else "none"


def _pairs(found: Analysis) -> list[str]:
    if found.pairs.empty:
        return ["## Pairs taken for one another", "None: no nearest partner is of another type."]
    rows = [
        {
            "pair": f"{row['first']} / {row['second']}", "asked because": row["why"],
            "confusion": _interval(row, "confusion"),
            "cells": f"{row['n_first']:,} / {row['n_second']:,}",
        }
        for _, row in worst(found.pairs, TOP_PAIRS).iterrows()
    ]  # fmt: skip
    return [
        "## Pairs taken for one another",
        "The pool is cut down to the two, which weigh alike: chance is 0.5. Siblings are children "
        "of one node of the tree of cell types, with the types below each; the others are the "
        f"types of {LEAST_SUPPORT} cells or more that are most often taken for one another.",
        table_lines(rows), _more(len(found.pairs), TOP_PAIRS, "pairs.csv"), "![pairs](pairs.png)",
    ]  # fmt: skip


def _telling(found: Analysis) -> list[str]:
    if found.telling.empty:
        return []
    rows = []
    for names, table in list(found.telling.groupby(["first", "second"], sort=False))[:TOP_PAIRS]:
        best = table.head(TOP_MARKERS)
        shifts = best[["first_shift", "second_shift"]].mean(axis=1)
        rows.append(
            {
                "pair": " / ".join(map(str, names)),
                "best markers: SMD, AUROC": _join(
                    best, lambda r: f"{r['marker']} {r['smd']:+.2f}, {r['auroc']:.2f}"
                ),
                "wrong cells": f"{best['n_first_wrong'].iloc[0]:.0f} / "
                f"{best['n_second_wrong'].iloc[0]:.0f}",
                "shifted towards the other on": _join(
                    best[shifts > 0], lambda r: f"{r['marker']} {_shifts(r)}"
                )
                or "none of these",
            }
        )
    return [
        "## Markers that tell the pairs apart",
        "SMD: mean of the second less that of the first, in pooled standard deviations; AUROC: "
        "chance that a cell of the second has more. The shift of wrong cells from right ones, "
        "towards the other type, is in the same units (first / second).",
        table_lines(rows), "All markers: telling_markers.csv.", "![markers](telling_markers.png)",
    ]  # fmt: skip


def _wrong(found: Analysis) -> list[str]:
    if found.wrong.empty:
        return ["## Nearest wrong partners", "None."]
    rows = [
        {
            "search": str(row["direction"]).replace("_", " "), "cell": row["cell"],
            "type": row["type"], "partner's type": row["partner_type"],
            "edges": "" if np.isnan(row["edges"]) else f"{row['edges']:.0f}",
            "rank of the true one": f"{row['rank']:,.0f}",
            "similarity, partner / true": f"{row['similarity_partner']:.2f} / "
            f"{row['similarity_true']:.2f}",
            "partner's profile less the cell's": row["markers"],
        }
        for _, row in found.wrong.head(TOP_WRONG).iterrows()
    ]  # fmt: skip
    return [
        "## Nearest wrong partners",
        f"{found.n_wrong:,} searches end at another type; {len(found.wrong):,} of them are in "
        "wrong_partners.csv, the furthest in the tree first. Differences of markers are in "
        "standard deviations of the pool.",
        table_lines(rows),
    ]  # fmt: skip


def _space(found: Analysis) -> list[str]:
    rows = [
        {
            "markers": f"{row['first']}-{row['second']}",
            "cosine in the space": _interval(row, "cosine", "cosine_"),
            "correlation across cells": _interval(row, "correlation", "correlation_"),
        }
        for _, row in found.named.iterrows()
    ]
    rank = agreement(found.markers)
    said = "" if np.isnan(rank) else f" Spearman correlation of the two over all pairs: {rank:.2f}."
    return [
        "## Marker space",
        "The direction of a marker is the mean change of real profiles' embeddings when it goes up "
        "by one standard deviation. Two markers are alike where their directions are (cosine), "
        f"beside the correlation of their values across cells.{said}",
        table_lines(rows), "All pairs: marker_space.csv.",
        "![markers](marker_space.png)" if len(square(found.markers, "cosine")) > 1 else "",
    ]  # fmt: skip


def _distance(found: Analysis) -> list[str]:
    head = "## Error against ontology distance"
    if found.distance is None or found.mean_distance is None:
        return [head, "Left out: no two types with a place in the tree of cell types."]
    rows = [
        {
            "partner": row["partner"] + (f", {row['edges']:.0f} edges" * (row["partner"] == OTHER)),
            "share": _interval(row), "random": f"{row['random']:.3f}",
        }
        for _, row in found.distance.iterrows()
    ]  # fmt: skip
    told = found.mean_distance.set_index("type").loc[ALL]
    return [
        head,
        f"Mean distance of the nearest partner's type: {_interval(told, 'distance')} edges, "
        f"{told['random']:.3f} for random partners ({int(told['n']):,} cells of types that the "
        "tree holds). Siblings are 2 edges apart.",
        table_lines(rows), "By type: mean_distance.csv.", "![distance](ontology_distance.png)",
    ]  # fmt: skip


def _table(table: pd.DataFrame, heads: Mapping[str, str]) -> str:
    rows = [
        {
            head: _interval(row) if name == "value" else _plain(row[name])
            for name, head in heads.items()
        }
        for _, row in table.iterrows()
    ]
    return table_lines(rows)


def table_lines(rows: Sequence[Row]) -> str:
    """A table of Markdown, its columns the keys of the first row; nothing of no rows."""
    if not rows:
        return ""
    heads = list(rows[0])
    body = [f"| {' | '.join(_escaped(row[head]) for head in heads)} |" for row in rows]
    return "\n".join([f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *body])


def _escaped(value: object) -> str:
    return str(value).replace("|", "\\|")


def _interval(row: pd.Series, name: str | None = None, prefix: str = "") -> str:
    value = row[name or ("value" if "value" in row else "share")]
    return f"{value:.3f} [{row[f'{prefix}low']:.3f}, {row[f'{prefix}high']:.3f}]"


def _plain(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _join(table: pd.DataFrame, of: Callable[[pd.Series], str]) -> str:
    return "; ".join(of(row) for _, row in table.iterrows())


def _shifts(row: pd.Series) -> str:
    return " / ".join(
        "-" if np.isnan(row[f"{side}_shift"]) else f"{row[f'{side}_shift']:+.2f}"
        for side in ("first", "second")
    )


def _more(total: int, shown: int, file: str) -> str:
    return f"{total - shown} more in {file}." if total > shown else ""
