"""What the annotation suite was to show, a row a data set: adapters against what they must beat.

The arm is the one with the best macro-F1 on validation cells, mean over seeds: no test cell has
a part in the choice.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from benchmarks.annotation_table import ASKED, BASELINES, LEAD, arms, name_of, pair_of
from benchmarks.markdown import interval, table_row

CHOSEN_BY = "validation_macro_f1"
MUST_BEAT = "frozen+logreg"
LOST = "forgotten[1]"
ALLOWED = 0.01  # of the source's neighbour retention; and of the parameters, the share that learns
SURE = 0.05  # p, corrected over the arms of a data set
# The same head without adapters is told from logistic regression by the tables of a data set.
AGAINST = tuple(name for name in BASELINES if name != "frozen+linear")


def goal(table: pd.DataFrame, gaps: pd.DataFrame) -> list[str]:
    """Markdown: the table, and in a sentence or two what it says."""
    chosen = list(_chosen(table))
    if not chosen:
        return []
    heads = ("data", "arm, by validation cells", LEAD, *(f"Δ to {name}" for name in AGAINST))
    lines = [
        table_row(
            *heads,
            f"forgotten, at most {ALLOWED:g}",
            f"learnt, at most {ALLOWED:.0%}",
            "n",
            "seeds",
        ),
        table_row("---", "---", *["---:"] * (len(heads) + 2)),
    ]
    for name, pair, figures in chosen:
        lead = figures.loc[LEAD]
        deltas = [gap_of(gaps, pair, name, LEAD, baseline) for baseline in AGAINST]
        lines.append(
            table_row(
                pair_of(*pair), name, interval(lead), *(told(gap) for gap in deltas),
                interval(figures.loc[LOST]) if LOST in figures.index else "",
                f"{figures.loc['share_learnt', 'value']:.2%}", lead["n"], lead["seeds"],
            )
        )  # fmt: skip
    return [*lines, "", *_sentences(gaps, chosen)]


def _chosen(table: pd.DataFrame) -> Iterator[tuple[str, tuple[str, str], pd.DataFrame]]:
    """Name, data sets and figures of the arm that validation cells prefer, by data set."""
    adapted = table[table["model"].str.startswith("lora")]
    for (train, test), section in adapted.groupby(["train", "test"], sort=True):
        there = [arm for arm in arms(section) if CHOSEN_BY in arm[1].index]
        if there:
            name, figures = max(there, key=lambda arm: float(arm[1].loc[CHOSEN_BY, "value"]))
            yield name, (str(train), str(test)), figures


def _sentences(
    gaps: pd.DataFrame, chosen: list[tuple[str, tuple[str, str], pd.DataFrame]]
) -> Iterator[str]:
    parts = []
    for metric, words in ((LEAD, "all types that occur"), (ASKED, "the types asked of")):
        rows = [gap_of(gaps, pair, name, metric, MUST_BEAT) for name, pair, _ in chosen]
        known = [row for row in rows if row is not None]
        above = sum(row["difference"] > 0 for row in known)
        wide = sum(row["difference_low"] > 0 for row in known)
        worse = sum(row["difference_high"] < 0 for row in known)
        sure = sum(row["difference"] > 0 and row["p_holm"] < SURE for row in known)
        parts.append(
            f"by macro-F1 over {words} above {MUST_BEAT} on {above} of {len(known)} data sets "
            f"(interval above 0: {wide}, below 0: {worse}; p, corrected over all arms of a data "
            f"set, below {SURE:g}: {sure})"
        )
    lost = [float(f.loc[LOST, "value"]) for _, _, f in chosen if LOST in f.index]
    shares = [float(f.loc["share_learnt", "value"]) for _, _, f in chosen]
    yield f"Chosen so, adapters are {'; '.join(parts)}."
    if lost:
        few = sum(share <= ALLOWED for share in shares)
        yield (
            f"They cost the source model at most {100 * max(lost):.2f} points of neighbour "
            f"retention. Of the encoder's part that reads the data set's genes, "
            f"{min(shares):.2%} to {max(shares):.2%} of the parameters learn: at most "
            f"{ALLOWED:.0%} on {few} of {len(shares)}; of the encoder over all genes it is less on "
            "each."
        )


def gap_of(
    gaps: pd.DataFrame, pair: tuple[str, str], name: str, metric: str, baseline: str
) -> pd.Series | None:
    """The paired difference of an arm to a baseline, None where there is none."""
    found = gaps[
        (gaps["train"] == pair[0]) & (gaps["test"] == pair[1]) & (gaps["metric"] == metric)
        & (gaps["reference"] == baseline)
    ]  # fmt: skip
    found = found[found.apply(name_of, axis=1) == name] if len(found) else found
    return None if found.empty else found.iloc[0]


def told(row: pd.Series | None) -> str:
    """A difference with its interval; nothing where there is none."""
    if row is None:
        return ""
    low, high = row["difference_low"], row["difference_high"]
    return f"{row['difference']:+.3f} [{low:+.3f}, {high:+.3f}]"
