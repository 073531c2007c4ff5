"""A package that is not installed, whether or not it is."""

from __future__ import annotations

import importlib.metadata

import pytest

from benchmarks.tasks import NotRun


def assert_says_so(monkeypatch, model, given, said: str) -> None:
    """Fitting without the package is ``NotRun`` with the remedy; settings need none."""

    def version(package):
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert model.settings()  # what names a record needs no package
    with pytest.raises(NotRun, match=said):
        model.fit(given)
