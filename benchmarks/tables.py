"""Tables from records alone: a tidy CSV and a Markdown page a suite, the same bytes every time."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks import records
from benchmarks.markdown import markdown
from benchmarks.tidy import tidy
from representations.io import atomic_write

ROOT = Path("results/tables")
_DIGITS = "%.6g"


def write_tables(records_root: Path = records.ROOT, root: Path = ROOT) -> list[Path]:
    """Write ``<suite>.csv`` and ``<suite>.md`` for every suite with records; return the paths."""
    written = []
    # every record is read before a table is written, so that a damaged one leaves no half
    suites = {name: tidy(records.load_all(name, records_root)) for name in _suites(records_root)}
    for suite, table in suites.items():
        text = table.to_csv(index=False, float_format=_DIGITS, lineterminator="\n")
        for path, content in (
            (root / f"{suite}.csv", text),
            (root / f"{suite}.md", markdown(table, suite)),
        ):
            atomic_write(path, content)
            written.append(path)
    return written


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
    return sorted(folder.name for folder in root.glob("*") if any(folder.glob("*.json")))
