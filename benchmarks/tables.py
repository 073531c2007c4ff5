"""Tables from records alone: a tidy CSV and a Markdown page a suite, the same bytes every time.

A suite that asks for differences of its own (``Suite.versus``), or has a lead, has a second CSV of
them, and one of gaps where it shows those.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmarks import (
    ablation_page,
    ablation_table,
    annotation_page,
    annotation_table,
    gaps,
    lead,
    records,
    unseen,
)
from benchmarks.markdown import Section, markdown
from benchmarks.records import Record
from benchmarks.suites import suites
from benchmarks.tidy import tidy
from benchmarks.versus import versus
from representations.io import atomic_write

ROOT = Path("results/tables")
_DIGITS = "%.6g"
# What a suite may have below the table of a section, by name.
BELOW: Mapping[str, Callable[[pd.DataFrame, Section], Iterator[str]]] = {
    "gaps": gaps.lines, "unseen": unseen.lines,
}  # fmt: skip


def write_tables(records_root: Path = records.ROOT, root: Path = ROOT) -> list[Path]:
    """Write ``<suite>.csv`` and ``<suite>.md`` for every suite with records; return the paths."""
    # every record is read before a table is written, so that a damaged one leaves no half
    found = {name: records.load_all(name, records_root) for name in _suites(records_root)}
    files = {name: text for suite in found for name, text in _files(suite, found[suite]).items()}
    for name, text in files.items():
        atomic_write(root / name, text)
    return [root / name for name in files]


def _files(suite: str, found: Sequence[Record]) -> dict[str, str]:
    table = tidy(found)
    files = {f"{suite}.csv": _csv(table)}
    known = suites.get(suite) if suite in suites.names() else None
    asked = None if known is None or known.versus is None else versus(found, known.versus)
    if suite == annotation_table.SUITE:
        asked = annotation_table.differences(found)
    ahead = lead.against_all(found, known.lead) if known and known.lead else pd.DataFrame()
    if len(ahead) and known and known.lead:
        files[f"{suite}_versus.csv"] = _csv(ahead)
        sections = ahead.groupby(["task", "train", "test"], sort=True)
        below = {(str(a), str(b), str(c)): list(lead.lines(x)) for (a, b, c), x in sections}
        for name in known.below:
            shown = table
            if name == "gaps":
                shown = gaps.gaps(found, table, known.lead)
                files[f"{suite}_gaps.csv"] = _csv(shown)
            below = {key: [*some, "", *BELOW[name](shown, key)] for key, some in below.items()}
        return {**files, f"{suite}.md": markdown(table, suite, more=below)}
    if asked is not None:
        files[f"{suite}_versus.csv"] = _csv(asked)
    return {**files, f"{suite}.md": _page(suite, table, found, asked)}


def _page(
    suite: str, table: pd.DataFrame, found: Sequence[Record], asked: pd.DataFrame | None
) -> str:
    if suite == ablation_table.SUITE:
        return ablation_page.page(table, found)
    if suite == annotation_table.SUITE and asked is not None:
        return annotation_page.page(table, asked)
    return markdown(table, suite, asked)


def _csv(table: pd.DataFrame) -> str:
    return str(table.to_csv(index=False, float_format=_DIGITS, lineterminator="\n"))


def check(records_root: Path = records.ROOT, root: Path = ROOT) -> list[str]:
    """Names of table files that differ from what the records give, are missing, or are left over.

    An empty list means that the tables are up to date.
    """
    with tempfile.TemporaryDirectory() as folder:
        fresh = {path.name: path.read_bytes() for path in write_tables(records_root, Path(folder))}
    on_disk = {
        path.name: path.read_bytes() for path in root.glob("*") if path.suffix in {".csv", ".md"}
    }
    return sorted(
        name for name in fresh.keys() | on_disk.keys() if fresh.get(name) != on_disk.get(name)
    )


def _suites(root: Path) -> list[str]:
    return sorted(folder.name for folder in root.glob("*") if records.paths(folder))
