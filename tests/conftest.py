"""Real datasets, loaded once per session and skipped with the reason where unreachable.

The example of another distribution is installed for the session, so that every test of registered
representations is one of it too.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest
from anndata import AnnData
from hypothesis import settings

from benchmarks import datasets
from benchmarks.datasets import SourceUnavailable, load
from benchmarks.datasets.cache import VARIABLE, user_folder
from tests.gated_cells import gated_cells

# Helpers that assert: said before a test module imports them.
pytest.register_assert_rewrite(
    "tests.battery", "tests.embed.commands", "tests.scimilarity.tiny_classifier"
)

# Seconds are no law: a machine that is busy must not fail a property.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

# A folder of cached files beside the repository, read after the user's own cache.
BESIDE = Path(__file__).parents[2] / "shared" / "data" / "cache"

if VARIABLE not in os.environ and BESIDE.is_dir():
    os.environ[VARIABLE] = os.pathsep.join([str(user_folder()), str(BESIDE)])

EXAMPLE = Path(__file__).parents[1] / "scripts" / "example_package"
_SITE = pytest.StashKey[Path]()


def install(source: Path, site: Path) -> None:
    """What pip leaves of a distribution of modules alone, without pip."""
    described = tomllib.loads((source / "pyproject.toml").read_text())
    project = described["project"]
    for module in described["tool"]["setuptools"]["py-modules"]:
        shutil.copy(source / f"{module}.py", site)
    info = site / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir()
    metadata = {"Metadata-Version": "2.1", "Name": project["name"], "Version": project["version"]}
    (info / "METADATA").write_text("".join(f"{k}: {v}\n" for k, v in metadata.items()))
    lines: list[str] = []
    for group, members in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in members.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def pytest_configure(config: pytest.Config) -> None:
    """Install the example before a test module asks the registry for names."""
    site = tempfile.mkdtemp(prefix="site-")
    config.add_cleanup(lambda: shutil.rmtree(site, ignore_errors=True))
    install(EXAMPLE, Path(site))
    sys.path.append(site)
    config.add_cleanup(lambda: sys.path.remove(site))
    config.stash[_SITE] = Path(site)


@pytest.fixture(scope="session")
def example_site(pytestconfig: pytest.Config) -> Path:
    """The folder where the example is installed, for processes of their own."""
    return pytestconfig.stash[_SITE]


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


@pytest.fixture(scope="session")
def pollen() -> AnnData:
    """Pollen 2014, K562 among 11 populations; shared by the session: copy before changing it."""
    return _real("pollen")


@pytest.fixture(scope="session")
def brain_gw10() -> AnnData:
    """Fetal cortex cultures, week 10; shared by the session, so copy before changing it."""
    return _real("brain_gw10")


@pytest.fixture(scope="session")
def norman_cells() -> AnnData:
    """K562 with a gene activated, 23 genes; shared by the session, so copy before changing it."""
    return _real("norman_cells")


@pytest.fixture(scope="session")
def norman_effects() -> AnnData:
    """Effects of activations, no counts; shared by the session, so copy before changing it."""
    return _real("norman_effects")


@pytest.fixture
def gated(monkeypatch: pytest.MonkeyPatch):
    """Gated cells under the name of every data set."""
    # Not at the top: it asks the registry for names, before the example is installed.
    from benchmarks import task_cells

    adata = gated_cells()
    monkeypatch.setattr(datasets, "load", lambda name, progress=True: adata)
    task_cells._load.cache_clear()
    yield adata
    task_cells._load.cache_clear()
