"""What annotators that are other people's packages have in common."""

from __future__ import annotations

import importlib.metadata

from benchmarks.tasks import NotRun

MISSING = "missing genes"


def version_of(package: str, remedy: str) -> str:
    """Version of an installed distribution; ``NotRun`` with the remedy where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise NotRun(f"{package} is not installed: {remedy}") from error


def tell_missing(told: dict[str, str], missing: int, genes: int) -> None:
    """Keep the most that any cells lacked: known and held cells, which lack none, are asked too."""
    if missing >= int(told.get(MISSING, "0").split()[0]):
        told[MISSING] = f"{missing} of {genes}"
