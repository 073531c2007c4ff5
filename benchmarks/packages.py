"""Other people's packages: which version is here, and what to do where none is."""

from __future__ import annotations

import importlib.metadata

from benchmarks.tasks import NotRun


def version_of(package: str, remedy: str) -> str:
    """Version of an installed distribution; ``NotRun`` with the remedy where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        raise NotRun(f"{package} is not installed: {remedy}") from error
