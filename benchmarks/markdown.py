"""A tidy table as a readable page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from benchmarks import metrics
from benchmarks.grouping import any_answer_is_right
from benchmarks.haematopoiesis import LINEAGES
from benchmarks.order import in_order
from benchmarks.programmes import CLASSES
from benchmarks.shifts import SHIFTS
from benchmarks.siblings import AXES
from benchmarks.suites import lead_of, suites
from representations.errors import InputError

Section = tuple[str, str, str]  # task, train, test
HEADLINES = (
    *("pair_accuracy", "recall@1", "recall@10", "type_match@1", "type_match@1[coarse]"),
    *("rankme", "centred_cosine[T]", "centred_cosine[B]", "centred_cosine[myeloid]"),
    *("sibling_macro_f1", *(f"pair_accuracy[{shift}]" for shift in SHIFTS)),
    *("accuracy", "balanced_accuracy", "macro_f1", "macro_f1_asked", "auroc", "precision"),
    *(f"{name}[{kind}]" for name in ("auroc", "precision") for kind in CLASSES),
    *("time_ratio", "seconds_ours", "seconds_scanpy", "peak_mb_ours", "peak_mb_scanpy"),
    *("fit_transform_s", "placed_cells_per_s", "transform_cells_per_s"),
    *("fresh_time_ratio", "fresh_seconds_ours", "fresh_seconds_scanpy"),
    *("subspace_cosine", "subspace_cosine_as_timed", "knn_recall", "knn_recall_scanpy"),
    *("seconds", "peak_mb", "finished"),
    *("steps_per_s[plain]", "steps_per_s[ours]", "share_of_plain[ours]"),
    *(f"share_of_plain[{x}]" for x in ("ours_by_faiss", "all_entries", "exact_topk")),
    *("share_of_plain[rebuilt_faiss]", "steps_per_s[cross_batch_memory]"),
    *("cache[false]", "cache[hits]"),
    *("ms[dense, 1]", "ms[sparse, 1]", "times_faster[sparse]", "largest_difference[sparse]"),
    *("ms[frozen, 256]", "ms[merged, 256]", "ms[adapters, 256]"),
    *("time_ratio[merged]", "time_ratio[adapters]", "peak_mb[annotate]", "ms[annotate]"),
    *("spearman_monocle2", "abs_spearman_monocle2"),
    *("pearson_fateid", *(f"pearson_fateid[{lineage}]" for lineage in LINEAGES)),
    "spearman_ours",
    *("pearson_ours", *(f"pearson_ours[{lineage}]" for lineage in LINEAGES)),
    *("branches", "lineages_apart", "tree_precision", "tree_recall"),
    *("edges_kept", "edge_confidence", "classes_present", "pairs_joined", "pairs_known"),
    *("pair_precision", "pair_recall", "stability", "stability_unsigned"),
    *("purity", "probe_macro_f1", *(f"purity[{a.first}|{a.second}]" for a in AXES)),
    *("neighbour_recall", "trustworthiness", "effective_rank"),
    *("neighbour_stability[seed]", "neighbour_stability[subsample]"),
    *("aligned_stability[seed]", "aligned_stability[subsample]"),
    *("ilisi", "bras", "graph_connectivity", "pcr_comparison", "reached"),
)


def markdown(
    table: pd.DataFrame,
    suite: str,
    gaps: pd.DataFrame | None = None,
    more: Mapping[Section, Iterable[str]] = MappingProxyType({}),
) -> str:
    """Readable page: a section for each task and pair of datasets.

    ``gaps`` are differences that the suite asks for, of ``benchmarks.versus``; ``more`` are lines
    below the table of a section.
    """
    lines = head(suite)
    for (task, train, test), section in table.groupby(["task", "train", "test"], sort=True):
        lines += [f"## {short(train)} → {short(test)}: {task}", ""]
        lines += [f"Trained on `{train}`, tested on `{test}`.", ""]
        for part in parts(section, suite):
            lines += [*_main(part, suite), ""]
        if gaps is not None:
            here = (gaps["task"] == task) & (gaps["train"] == train) & (gaps["test"] == test)
            lines += [*_gaps(gaps[here]), ""] if here.any() else []
        below = list(more.get((str(task), str(train), str(test)), ()))
        lines += [*below, ""] if below else []
        siblings = section[section["metric"].str.startswith("sibling_confusion[")]
        if len(siblings):
            lines += ["Sibling confusion (lower is better):", "", *_siblings(siblings), ""]
    return "\n".join(lines).rstrip() + "\n"


def head(suite: str) -> list[str]:
    """Title of a page, what its cells show, and the note of its suite."""
    lines = [
        f"# {suite}",
        "",
        "Generated from records. Cells show a mean over seeds with its 95 % interval; differences "
        "are paired on the same cells, pools and seeds; p values are Holm-corrected in a section.",
        "",
    ]
    note = suites.get(suite).note if suite in suites.names() else ""
    return [*lines, note, ""] if note else lines


def parts(section: pd.DataFrame, suite: str) -> list[pd.DataFrame]:
    """A section as one table, or one a representation where their figures are not the same."""
    if suite in suites.names() and suites.get(suite).apart:
        return [part for _, part in section.groupby("representation", sort=True)]
    return [section]


def _leading(suite: str) -> tuple[str, ...]:
    """Figures that a table is in the order of: that of the suite's lead, else the usual ones."""
    known = lead_of(suite)
    return (*(known.metrics if known else ()), "pair_accuracy", "macro_f1")


def _main(section: pd.DataFrame, suite: str) -> Iterator[str]:
    found = {str(name) for name, rows in section.groupby("metric") if not _vacuous(rows)}
    shown = [name for name in HEADLINES if name in found] or sorted(found)
    lead = next((name for name in _leading(suite) if name in found), shown[0])
    units = (f"Δ {lead}", "p", "n", "pool", "seeds")
    yield table_row("model", "features", "variant", *map(titled, shown), *units)
    yield table_row(*["---"] * 3, *["---:"] * (len(shown) + 5))
    for figures in in_order(section, suite, (lead,)):
        cells = [interval(figures[name]) if name in figures else "" for name in shown]
        row = figures.get(lead, next(iter(figures.values())))
        yield table_row(
            *(row["model"], row["representation"], variant_words(row["variant"]), *cells),
            *(
                _difference(row),
                p_value(row["p_holm"]),
                row["n"],
                _optional(row["pool"]),
                row["seeds"],
            ),
        )
    chance = section.groupby("metric")["chance"].mean()
    if chance[shown].notna().any():
        yield table_row("*chance*", "", "", *(number(chance[name]) for name in shown), *[""] * 5)


def _vacuous(rows: pd.DataFrame) -> bool:
    return any_answer_is_right(zip(rows["value"], rows["chance"], strict=True))


def _gaps(found: pd.DataFrame) -> Iterator[str]:
    """A row a run, a column a metric and reference."""
    heads = list(found[["metric", "against"]].drop_duplicates().itertuples(index=False, name=None))
    yield f"Paired differences of {found['model'].iloc[0]}, the reference in brackets:"
    yield ""
    yield table_row("features", "variant", *(f"Δ {metric} to {name}" for metric, name in heads))
    yield table_row("---", "---", *["---:"] * len(heads))
    for (features, variant), run in found.groupby(["representation", "variant"], sort=True):
        cells = {(row["metric"], row["against"]): row for _, row in run.iterrows()}
        shown = [_gap(cells[head]) if head in cells else "" for head in heads]
        yield table_row(features, variant_words(str(variant)), *shown)


def _gap(row: pd.Series) -> str:
    return f"{gap_words(row)} ({row['reference']}, p {p_value(row['p_holm'])})"


def _siblings(section: pd.DataFrame) -> Iterator[str]:
    yield table_row("pair", "model", "features", "variant", "confusion", "chance", "queries")
    yield table_row(*["---"] * 4, *["---:"] * 3)
    order = ["metric", "value", "model", "representation", "variant"]
    for _, row in section.sort_values(order, kind="stable").iterrows():
        pair = row["metric"].partition("[")[2].rstrip("]").replace("|", " / ")
        yield table_row(
            *(pair, row["model"], row["representation"], variant_words(row["variant"])),
            *(interval(row), number(row["chance"]), row["support"]),
        )


def titled(name: str) -> str:
    """A metric with an arrow to its better side."""
    try:
        higher = metrics.facts(name).higher_is_better
    except InputError:
        higher = None
    return name + {True: " ↑", False: " ↓", None: ""}[higher]


def table_row(*cells: object) -> str:
    """A line of a table."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def number(value: float) -> str:
    """Three decimals, thousands without; nothing for nan."""
    return "" if pd.isna(value) else f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"


def interval(row: pd.Series) -> str:
    """Value and interval; a figure without chance that was measured once has none."""
    value, low, high = (number(row[name]) for name in ("value", "low", "high"))
    once = pd.isna(row["chance"]) and row["low"] == row["high"]
    return value if once else f"{value} [{low}, {high}]"


def gap_words(row: pd.Series) -> str:
    """A paired difference with its interval; nothing where there is none."""
    if pd.isna(row["difference"]):
        return ""
    low, high = row["difference_low"], row["difference_high"]
    return f"{row['difference']:+.3f} [{low:+.3f}, {high:+.3f}]"


def _difference(row: pd.Series) -> str:
    words = gap_words(row)
    return f"{words} vs {row['reference']}" if words else ""


def p_value(value: float) -> str:
    """A p value to three decimals; nothing for nan."""
    return "" if pd.isna(value) else "<0.001" if value < 0.001 else f"{value:.3f}"


def _optional(value: Any) -> object:
    return "" if pd.isna(value) else value


def variant_words(text: str) -> str:
    """A variant as ``key=value`` words."""
    return ", ".join(f"{key}={value}" for key, value in sorted(json.loads(text).items()))


def short(name: object) -> str:
    """A data set without its revision."""
    return str(name).partition("@")[0]


def data_words(row: pd.Series) -> str:
    """Data sets of a row, and the last word of its task: two tasks may be of the same ones."""
    last = str(row["task"]).rpartition("_")[2]
    return f"{short(row['train'])} → {short(row['test'])}, {last}"
