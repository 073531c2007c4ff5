"""The tables of README and of the card, written between two markers each from records alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import (
    annotation_table,
    card,
    gaps,
    goals,
    headline,
    losses,
    program_table,
    records,
    whole_runs,
)
from benchmarks.annotation_goal import goal
from benchmarks.tidy import tidy
from representations.io import atomic_write

END = "<!-- end table -->"


def _annotation(root: Path) -> str:
    found = records.load_all(annotation_table.SUITE, root)
    return "\n".join(goal(tidy(found), annotation_table.differences(found))) if found else ""


BLOCKS: Mapping[str, Callable[[Path], str]] = {
    "goals": goals.block,
    headline.SUITE: lambda root: headline.block(headline.SUITE, root),
    "k562": lambda root: headline.block("k562", root, headline.ACTIVATIONS),
    program_table.TASK: program_table.block,
    "typing": lambda root: headline.block("typing", root, headline.TYPES),
    "one_model": lambda root: headline.block("one_model", root, headline.PANELS),
    annotation_table.SUITE: _annotation,
    "gaps": lambda root: gaps.block(headline.SUITE, root),
    "losses": losses.block,
    "compute": card.compute,
    "whole": whole_runs.block,
}


def begin(name: str) -> str:
    """The line before a table."""
    return f"<!-- begin table: {name} -->"


def written(text: str, root: Path) -> str:
    """``text`` with what is between markers made anew; unchanged where there are none."""
    for name, block in BLOCKS.items():
        first = begin(name)
        if first not in text or not (table := block(root)):
            continue
        before, _, rest = text.partition(f"{first}\n")
        text = f"{before}{first}\n{table}\n{END}{rest.partition(END)[2]}"
    return text


def update(readme: Path, root: Path) -> list[Path]:
    """Rewrite the tables of a README; returns the paths written, none where there is no README."""
    if not readme.is_file():
        return []
    text = readme.read_text(encoding="utf-8")
    if (fresh := written(text, root)) != text:
        atomic_write(readme, fresh)
    return [readme]


def is_current(readme: Path, root: Path) -> bool:
    """Whether the README's tables are what the records give."""
    if not readme.is_file():
        return True
    text = readme.read_text(encoding="utf-8")
    return written(text, root) == text
