"""The README's tables, written between two markers each from records alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks import annotation_table, headline, records
from benchmarks.annotation_goal import goal
from benchmarks.records import Record
from benchmarks.tidy import tidy
from representations.io import atomic_write

END = "<!-- end table -->"
BLOCKS: Mapping[str, Callable[[Sequence[Record]], str]] = {
    headline.SUITE: lambda found: headline.block(tidy(found)),
    "k562": lambda found: headline.block(tidy(found), "activations"),
    annotation_table.SUITE: lambda found: "\n".join(
        goal(tidy(found), annotation_table.differences(found))
    ),
}


def begin(suite: str) -> str:
    """The line before a suite's table."""
    return f"<!-- begin table: {suite} -->"


def written(text: str, root: Path) -> str:
    """``text`` with what is between markers made anew; unchanged where there are none."""
    for suite, block in BLOCKS.items():
        first = begin(suite)
        if first not in text or not (found := records.load_all(suite, root)):
            continue
        before, _, rest = text.partition(f"{first}\n")
        text = f"{before}{first}\n{block(found)}\n{END}{rest.partition(END)[2]}"
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
