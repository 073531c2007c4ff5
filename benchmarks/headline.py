"""The headline table: every row of the base across data sets.

What is shown more than the others stands below them, whatever it reaches.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from benchmarks import records
from benchmarks.grouping import is_ceiling
from benchmarks.markdown import short
from benchmarks.suites import base
from benchmarks.tidy import tidy

SUITE = "cross_dataset"
RUN = ("suite", "model", "representation", "variant")
KNOW_MORE = (
    "Below: what is shown more, genes of the panel, pairs of the query or relatives of the asked"
)
Run = tuple[str, ...]
MATCHED, KEPT, PLAN, ANNEALED_PLAN, MATCHED_PLAN, KEPT_PLAN, TOLD_PLAN, INDUCTIVE = (
    json.dumps(dict(variant), sort_keys=True)
    for variant in (
        base.MATCHED, base.KEPT, base.PLAN, base.ANNEALED_PLAN, base.MATCHED_PLAN, base.KEPT_PLAN,
        base.TOLD_PLAN, base.INDUCTIVE,
    )
)  # fmt: skip
SHUFFLED, MATCHED_SHUFFLED = (
    json.dumps(dict(variant), sort_keys=True) for variant in (base.SHUFFLED, base.MATCHED_SHUFFLED)
)


@dataclass(frozen=True, kw_only=True)
class Look:
    """Two metrics that a block shows, what it says of them, and variants by what they are called.

    ``unit`` is what a query is.
    """

    metrics: tuple[str, str] = ("pair_accuracy", "recall@10")
    words: str = "Pair accuracy (chance 0.5) with its 95 % interval / recall@10"
    unit: str = "cells"
    of: str = "Queries and pool"
    shown: Mapping[str, str] = field(
        default_factory=lambda: {
            "{}": "",
            MATCHED: ", adapted to the unpaired query",
            ANNEALED_PLAN: ", adapted and annealed, answers by a plan",
            MATCHED_PLAN: ", adapted to the unpaired query, answers by a plan",
            PLAN: ", answers by a plan",
            KEPT: ", panel genes kept",
            KEPT_PLAN: ", adapted and annealed, answers by a plan, panel genes kept",
            TOLD_PLAN: ", told the pairs of half of the query (ceiling), answers by a plan",
            '{"basis": "own"}': ", the query's own basis",
        }
    )


CELLS = Look()
ACTIVATIONS = Look(
    unit="activations",
    shown={
        "{}": "", MATCHED: ", adapted to the unpaired query",
        SHUFFLED: ", pairs dealt anew (negative control)",
        MATCHED_SHUFFLED: ", adapted, pairs of the start dealt anew (negative control)",
    },
)  # fmt: skip
TYPES = Look(
    metrics=("accuracy", "balanced_accuracy"),
    words="Accuracy with its 95 % interval / balanced accuracy",
    of="Cells and types to choose from",
    shown={
        "{}": "", MATCHED: ", adapted to the unpaired query", KEPT: ", panel genes kept",
        INDUCTIVE: ", by the scales of its training cells",
        '{"budget": "tuned", "panel_genes": "kept"}': ", tuned, panel genes kept",
        '{"panel_genes": "kept", "query_statistics": "own"}':
            ", panel genes kept, by the query's own scales",
    },
)  # fmt: skip

PANELS = Look(
    shown={
        "{}": "", '{"panel": "own"}': ", of that panel alone",
        '{"asked": "unknown"}': ", by markers it never met",
    }
)  # fmt: skip


def block(suite: str, root: Path, look: Look = CELLS) -> str:
    """The headline of a suite's records, empty where there are none."""
    found = records.load_all(suite, root)
    return headline(tidy(found), look) if found else ""


def headline(table: pd.DataFrame, look: Look = CELLS) -> str:
    """Two figures of every row that is shown, a column a task and data sets."""
    rows = table[table["metric"].isin(look.metrics) & table["variant"].isin(look.shown)]
    sections = list(rows.groupby(["task", "train", "test"], sort=True))
    sections.sort(key=lambda section: section[0][1] == section[0][2])  # within a set: last
    heads = [
        f"{short(train)} → {short(test)}, {str(task).rpartition('_')[2]}"
        for (task, train, test), _ in sections
    ]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    runs = [tuple(key) for key in rows[[*RUN]].drop_duplicates().itertuples(index=False)]
    parts = [part for _, part in sections]
    above = 0
    deciding = sorted(parts, key=len, reverse=True)
    for run in sorted(runs, key=lambda run: (_knows(run), *_places(run, deciding, look))):
        if _knows(run) != above == 0:
            lines.append(f"| *{KNOW_MORE}* |{' |' * len(heads)}")
        above = _knows(run)
        suite, model, representation, variant = run
        features = "" if representation == "none" else f", {representation}"
        cells = [_cell(part, model, representation, variant, look) for part in parts]
        words = f"{features}{look.shown[variant]}{_positive(suite, model)}"
        lines.append(f"| {model}{words} | {' | '.join(cells)} |")
    pools = [
        f"{short(test)} {_span(part['n'])} {look.unit}, {_span(part['pool'])}"
        for (_, _, test), part in sections
    ]
    lines += [
        "",
        f"{look.words}. {look.of}: {'; '.join(pools)}. Seeds: {_span(rows['seeds'])}.",
    ]
    return "\n".join(lines)


def _knows(run: Run) -> int:
    """1 where a run reads genes of the panel on the cell side, 2 where it is told answers."""
    kept = base.KEPT.items() <= json.loads(run[3]).items()
    told = is_ceiling(run[3], base.lead_of(run[0])) or bool(_positive(run[0], run[1]))
    return 2 if told else int(kept)


def _places(run: Run, parts: list[pd.DataFrame], look: Look) -> Iterator[float]:
    """The best of the fullest column first; what is not in it, by the next ones; chance last."""
    yield run[1] == "chance"
    for part in parts:
        here = part[(part[[*RUN]] == list(run)).all(axis=1) & (part["metric"] == look.metrics[0])]
        yield math.inf if here.empty else -float(here["value"].iloc[0])


def _positive(suite: str, model: str) -> str:
    lead = base.lead_of(suite)
    told = lead is not None and model in lead.positive
    return ", told other activations of the gene (positive control)" * told


def _cell(part: pd.DataFrame, model: str, representation: str, variant: str, look: Look) -> str:
    same = part[
        (part["model"] == model)
        & (part["representation"] == representation)
        & (part["variant"] == variant)
    ].set_index("metric")
    if len(same) < len(look.metrics):
        return ""
    lead, recall = (same.loc[name] for name in look.metrics)
    return f"{lead['value']:.3f} [{lead['low']:.3f}, {lead['high']:.3f}] / {recall['value']:.3f}"


def _span(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,}-{high:,}"
