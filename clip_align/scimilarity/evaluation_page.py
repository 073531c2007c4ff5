"""The page of an evaluation: its summary, the mistakes, the figures of the same folder."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from clip_align.analysis.page import table_lines


def page(
    summary: pd.DataFrame, wrong: pd.DataFrame, figures: Sequence[str], *, title: str,
    about: Sequence[str] = (),
) -> str:  # fmt: skip
    """Markdown; a figure a row, an arm a column. ``about`` are lines said first."""
    told = summary.set_index("arm").astype(object).T
    rows = [{"": name, **row.map(_shown)} for name, row in told.iterrows()]
    mistakes = [
        {name: _shown(value) for name, value in row.items()} for row in wrong.to_dict("records")
    ]
    parts = [
        f"# {title}", "\n".join(f"- {line}" for line in about), table_lines(rows),
        "## Most frequent mistakes", table_lines(mistakes) or "None: every cell is right.",
        "## Figures", *[f"![{name.removesuffix('.png')}]({name})" for name in figures],
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _shown(value: object) -> str:
    """Three digits of a share, nothing of nan."""
    if not isinstance(value, float):
        return str(value)
    return "" if math.isnan(value) else f"{value:.3f}"
