"""The annotation suite as a page: the goal, arms by data set, abstention, forgetting, K562."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pandas as pd

from benchmarks.annotation_goal import gap_of, goal, told
from benchmarks.annotation_table import (
    ASKED,
    BASELINES,
    HAVE_SETTINGS,
    LEAD,
    SUITE,
    arms,
    name_of,
    pair_of,
)
from benchmarks.markdown import head, interval, p_value, table_row, titled
from clip_align.scimilarity.ontology import label

TYPING = (LEAD, ASKED, "accuracy", "balanced_accuracy")
MORE = (
    *("validation_macro_f1", "top3_accuracy", "macro_precision", "macro_recall", "classes_hit"),
    *("ece", "coverage", "named", "wrong_name", "atypical", "triplet", "reconstruction"),
)
KEPT = (
    *("forgotten[1]", "forgotten[0.5]", "source_cka[1]", "source_cosine[1]"),
    *("source_overlap[1]", "source_reconstruction[0]", "source_reconstruction[1]"),
)
LEAST_CELLS = 20  # of a source type, below which one cell is five points
BLOCKS = (
    "Tuned on validation cells, or with nothing to tune",
    "Settings of the earlier work, or of the package",
    "One setting apart",
)
LINE = "K562"


def page(table: pd.DataFrame, gaps: pd.DataFrame) -> str:
    """Markdown of the suite."""
    lines = head(SUITE)
    if verdict := goal(table, gaps):
        lines += ["## Adapters against what they must beat", "", *verdict, ""]
    for pair, section in table.groupby(["train", "test"], sort=True):
        lines += [f"## {pair_of(*pair)}", "", f"Trained on `{pair[0]}`, asked of `{pair[1]}`.", ""]
        block_of = section.apply(_block, axis=1)
        for title in BLOCKS:
            if (block := section[block_of == title]).empty:
                continue
            lines += [f"{title}:", "", *_typing(block, gaps, pair), "", *_plain(block, MORE), ""]
        if section["metric"].str.startswith("forgotten").any():
            lines += ["What the source model lost, by neighbour retention on its own held-out "
                      "cells:", "", *_plain(section, KEPT, only="forgotten[1]"), "",
                      *_by_type(section)]  # fmt: skip
    return "\n".join([*lines, *_k562(table)]).rstrip() + "\n"


def _block(row: pd.Series) -> str:
    variant = json.loads(str(row["variant"]))
    if not variant:
        return BLOCKS[row["model"] in HAVE_SETTINGS]
    return BLOCKS[0] if set(variant) <= {"budget", "tuning", "query_statistics"} else BLOCKS[2]


def _typing(section: pd.DataFrame, gaps: pd.DataFrame, pair: tuple[str, str]) -> Iterator[str]:
    here = gaps[(gaps["train"] == pair[0]) & (gaps["test"] == pair[1])]
    baselines = [name for name in BASELINES if (here["reference"] == name).any()]
    heads = [f"Δ {LEAD} to {name}" for name in baselines]
    yield table_row("arm", *map(titled, TYPING), *heads, "n", "seeds")
    yield table_row("---", *["---:"] * (len(TYPING) + len(heads) + 2))
    for name, figures in arms(section):
        gap = [_with_p(gap_of(here, pair, name, LEAD, baseline)) for baseline in baselines]
        row = figures.loc[LEAD]
        yield table_row(
            name, *(interval(figures.loc[m]) for m in TYPING), *gap, row["n"], row["seeds"]
        )
    chance = section.groupby("metric")["chance"].mean()
    yield table_row("*chance*", *(f"{chance[m]:.3f}" for m in TYPING), *[""] * (len(heads) + 2))


def _with_p(row: pd.Series | None) -> str:
    """Without p where nothing varied: one cell more or less would."""
    if row is None or row["difference_low"] == row["difference_high"]:
        return told(row)
    return f"{told(row)}, p {p_value(row['p_holm'])}"


def _plain(section: pd.DataFrame, metrics: Sequence[str], only: str = "") -> Iterator[str]:
    there = set(section["metric"])
    shown = [name for name in metrics if name in there]
    yield table_row("arm", *map(titled, shown))
    yield table_row("---", *["---:"] * len(shown))
    for name, figures in arms(section):
        if not only or only in figures.index:
            cells = [interval(figures.loc[m]) if m in figures.index else "" for m in shown]
            yield table_row(name, *cells)


def _by_type(section: pd.DataFrame) -> Iterator[str]:
    """The source types that each arm lost anything of, the three it lost most of."""
    lost = section[section["metric"].str.startswith("lost[") & (section["n"] >= LEAST_CELLS)]
    for name, rows in [(n, f) for n, f in arms(section) if f.index.str.startswith("lost[").any()]:
        worst = lost[lost["metric"].isin(rows.index) & (lost["model"] == rows["model"].iloc[0])]
        worst = worst[worst["value"] > 0].sort_values("value", ascending=False).head(3)
        words = [
            f"{label(row['metric'][5:-1])} {interval(row)} of {row['n']}"
            for _, row in worst.iterrows()
        ]
        yield f"- {name} lost most of: {', '.join(words) or 'no type'}."
    if len(lost):
        yield ""


def _k562(table: pd.DataFrame) -> Iterator[str]:
    """Where it is taught, whether it is found; where it is not, whether it is called unknown."""
    found, unknown = f"recall[{LINE}]", f"unknown[{LINE}]"
    part = table[table["metric"].str.startswith(("unknown[", found)) | (table["metric"] == "named")]
    part = part[(part["metric"] != "named") | part["test"].str.startswith("teaseq@")]
    if part.empty or found not in set(part["metric"]):
        return
    yield from (
        f"## {LINE}", "",
        "Shares of cells, of so many a seed: an interval without width is of few that all went one "
        "way. Abstention at a stated coverage of 0.9. An arm that names hardly any "
        "cell calls everything unknown, whatever it is. The model of blood has seen reads of "
        "droplets; `pollen` has whole transcripts, which may be what is strange to it.", "",
    )  # fmt: skip
    heads = (
        "likeliest type where taught (pollen)", "cells", "unknown to a model of blood (teaseq)",
        "cells", "the other populations of pollen, mean", "test cells of blood that it names",
    )  # fmt: skip
    yield table_row("arm", *heads)
    yield table_row("---", *["---:"] * len(heads))
    for name, figures in _by_name(part):
        others = figures[figures.index.str.startswith("unknown[") & (figures.index != unknown)]
        cells = [text for m in (found, unknown) for text in _with_n(figures, m)]
        mean = f"{others['value'].mean():.3f}" if len(others) else ""
        named = interval(figures.loc["named"]) if "named" in figures.index else ""
        yield table_row(name, *cells, mean, named)


def _with_n(figures: pd.DataFrame, metric: str) -> tuple[object, object]:
    if metric not in figures.index:
        return "", ""
    return interval(figures.loc[metric]), figures.loc[metric, "n"]


def _by_name(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Figures of each arm by metric, whatever the data set."""
    named = table.assign(arm=table.apply(name_of, axis=1))
    for name, rows in named.groupby("arm", sort=True):
        yield str(name), rows.set_index("metric")
