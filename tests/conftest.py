"""Real datasets, loaded once per session and skipped with the reason where unreachable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from anndata import AnnData

from benchmarks.datasets import SourceUnavailable, load
from benchmarks.datasets.cache import VARIABLE, user_folder

# A folder of cached files beside the repository, read after the user's own cache.
BESIDE = Path(__file__).parents[2] / "shared" / "data" / "cache"

if VARIABLE not in os.environ and BESIDE.is_dir():
    os.environ[VARIABLE] = os.pathsep.join([str(user_folder()), str(BESIDE)])


def _real(name: str) -> AnnData:
    try:
        return load(name, progress=False)
    except SourceUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def teaseq() -> AnnData:
    """TEA-seq; shared by the session, so copy before changing it."""
    return _real("teaseq")


@pytest.fixture(scope="session")
def pbmc3k() -> AnnData:
    """10x PBMC 3k; shared by the session, so copy before changing it."""
    return _real("pbmc3k")


@pytest.fixture(scope="session")
def pbmc10k_cite() -> AnnData:
    """10x PBMC 10k CITE-seq; shared by the session, so copy before changing it."""
    return _real("pbmc10k_cite")


@pytest.fixture(scope="session")
def kang() -> AnnData:
    """Kang 2018; shared by the session, so copy before changing it."""
    return _real("kang")


@pytest.fixture(scope="session")
def marrow() -> AnnData:
    """CD34+ marrow, Setty 2019; shared by the session, so copy before changing it."""
    return _real("marrow")
