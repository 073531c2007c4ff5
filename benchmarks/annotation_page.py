"""The annotation suite as a page: arms by data set, abstention, forgetting, K562."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from benchmarks.annotation_table import BASELINES, LEAD, SUITE, name_of
from benchmarks.markdown import head, interval, p_value, table_row, titled

TYPING = (LEAD, "accuracy", "balanced_accuracy")
MORE = (
    *("top3_accuracy", "macro_precision", "macro_recall", "classes_hit", "ece"),
    *("coverage", "named", "wrong_name", "triplet", "reconstruction"),
)
KEPT = (
    *("forgotten[1]", "forgotten[0.5]", "worst_loss[1]", "source_cka[1]", "source_cosine[1]"),
    *("source_overlap[1]", "source_reconstruction[0]", "source_reconstruction[1]"),
)
LINE = "K562"


def page(table: pd.DataFrame, gaps: pd.DataFrame) -> str:
    """Markdown of the suite."""
    lines = head(SUITE)
    for (train, test), section in table.groupby(["train", "test"], sort=True):
        here = gaps[(gaps["train"] == train) & (gaps["test"] == test)]
        lines += [f"## {_short(train)} → {_short(test)}", ""]
        lines += [f"Trained on `{train}`, asked of `{test}`.", "", *_typing(section, here), ""]
        lines += [*_plain(section, MORE), ""]
        if section["metric"].str.startswith("forgotten").any():
            told = "What the source model lost, by neighbour retention on its own held-out cells:"
            lines += [told, "", *_plain(section, KEPT, only="forgotten[1]"), ""]
    return "\n".join([*lines, *_k562(table)]).rstrip() + "\n"


def _typing(section: pd.DataFrame, gaps: pd.DataFrame) -> Iterator[str]:
    heads = [f"Δ {LEAD} to {name}" for name in BASELINES]
    yield table_row("arm", *map(titled, TYPING), *heads, "n", "seeds")
    yield table_row("---", *["---:"] * (len(TYPING) + len(heads) + 2))
    for name, figures in _arms(section):
        mine = gaps[(gaps.apply(name_of, axis=1) == name) & (gaps["metric"] == LEAD)]
        told = [_gap(mine[mine["reference"] == baseline]) for baseline in BASELINES]
        row = figures.loc[LEAD]
        yield table_row(
            name, *(interval(figures.loc[m]) for m in TYPING), *told, row["n"], row["seeds"]
        )
    chance = section.groupby("metric")["chance"].mean()
    yield table_row("*chance*", *(f"{chance[m]:.3f}" for m in TYPING), *[""] * 4)


def _plain(section: pd.DataFrame, metrics: Sequence[str], only: str = "") -> Iterator[str]:
    there = set(section["metric"])
    shown = [name for name in metrics if name in there]
    yield table_row("arm", *map(titled, shown))
    yield table_row("---", *["---:"] * len(shown))
    for name, figures in _arms(section):
        if not only or only in figures.index:
            cells = [interval(figures.loc[m]) if m in figures.index else "" for m in shown]
            yield table_row(name, *cells)


def _arms(section: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Figures of each arm by metric, the best first."""
    named = section.assign(arm=section.apply(name_of, axis=1))
    arms = [(str(name), rows.set_index("metric")) for name, rows in named.groupby("arm")]
    return sorted(arms, key=lambda arm: -float(arm[1].loc[LEAD, "value"]))


def _gap(found: pd.DataFrame) -> str:
    if found.empty:
        return ""
    row = found.iloc[0]
    low, high = row["difference_low"], row["difference_high"]
    return f"{row['difference']:+.3f} [{low:+.3f}, {high:+.3f}], p {p_value(row['p_holm'])}"


def _k562(table: pd.DataFrame) -> Iterator[str]:
    """Where it is taught, whether it is found; where it is not, whether it is called unknown."""
    wanted = {
        f"recall[{LINE}]": "found where taught (pollen)",
        f"unknown[{LINE}]": "unknown to a model of blood (teaseq)",
        "unknown[HL60]": "HL60 unknown to it",
        "named": "test cells of blood that it names",
    }
    part = table[table["metric"].isin(wanted)]
    part = part[(part["metric"] != "named") | (part["test"].str.startswith("teaseq"))]
    if part.empty:
        return
    yield from ("## K562", "", "Shares of cells; abstention at a stated coverage of 0.9.", "")
    yield table_row("arm", *wanted.values())
    yield table_row("---", *["---:"] * len(wanted))
    named = part.assign(arm=part.apply(name_of, axis=1))
    for name, rows in named.groupby("arm", sort=True):
        figures = rows.set_index("metric")
        yield table_row(
            name, *(interval(figures.loc[m]) if m in figures.index else "" for m in wanted)
        )


def _short(name: object) -> str:
    return str(name).partition("@")[0]
