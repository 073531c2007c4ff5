"""The tutorial runs, and a distribution that is installed joins by its entry point alone."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

from representations import cli, registry
from representations.genes import gene_table
from representations.integrate import Integrated
from representations.integrated_config import IntegratedConfig
from representations.pca import PcaConfig
from representations.preprocess import PreprocessConfig

REPO = Path(__file__).parents[1]
SCRIPT = REPO / "scripts" / "own_representation.py"


def run(*args: object, site: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Another Python, which knows the repository and, if given, where the example is installed."""
    paths = os.pathsep.join(map(str, [REPO, *([site] if site else [])]))
    return subprocess.run(
        [sys.executable, *map(str, args)], capture_output=True, text=True, timeout=300, cwd=REPO,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip


def cells(n: int = 300, n_genes: int = 120) -> AnnData:
    """Three programmes of 40 genes each, one after the other; a cell expresses mostly one."""
    rng = np.random.default_rng(0)
    kind_n = rng.integers(3, size=n)
    rate_pg = np.full((3, n_genes), 0.3)
    for i in range(3):
        rate_pg[i, 40 * i : 40 * (i + 1)] = 3
    adata = AnnData(sp.csr_matrix(rng.poisson(rate_pg[kind_n]).astype(np.float32)))
    adata.obs_names = [f"c{i}" for i in range(n)]
    adata.var_names = sorted(gene_table().ensembl)[:n_genes]
    adata.obs["kind"] = kind_n.astype(str)
    return adata


@pytest.fixture(scope="module")
def train(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("own") / "train.h5ad"
    cells().write_h5ad(path)
    return path


@pytest.fixture
def script(monkeypatch):
    """The tutorial as a module; what it registers is forgotten afterwards."""
    registry.names()
    monkeypatch.setattr(registry._FAMILY, "_members", dict(registry._FAMILY._members))
    spec = importlib.util.spec_from_file_location("own_representation", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tutorial_runs_without_any_file():
    done = run(SCRIPT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "FAULT" not in done.stdout
    assert done.stdout.count("   ok     ") == 15
    assert "obsm['X_projection'] is (300, 50)" in done.stdout
    assert "loaded, the coordinates are the same" in done.stdout
    rows = [line.split(" | ")[0] for line in done.stdout.splitlines() if line.startswith("| ")]
    assert {"| pca", "| projection"} <= set(rows)


def test_the_tutorial_takes_a_file_and_the_name_of_another(train, example_site):
    done = run(SCRIPT, train, "--name", "programmes", site=example_site)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "obsm['X_programmes'] is (150, 12)" in done.stdout
    assert "X_programmes_reached, X_programmes_confidence" in done.stdout
    assert "FAULT" not in done.stdout


@pytest.mark.parametrize("args", [["absent.h5ad"], ["--name", "projektion"]])
def test_the_tutorial_refuses_in_one_line(args):
    done = run(SCRIPT, *args)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert args[-1] in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_tutorial_says_where_a_fault_is(script, monkeypatch, capsys):
    assert script.walk(script.synthetic(200, 100))
    honest = script.Projection._place

    def beside_each_other(self, adata, statistics):
        placed = honest(self, adata, statistics)
        placed.x_nd[:] -= placed.x_nd.mean(axis=0) if len(placed.x_nd) else 0
        return placed

    monkeypatch.setattr(script.Projection, "_place", beside_each_other)
    capsys.readouterr()
    assert not script.walk(script.synthetic(200, 100))
    assert "FAULT  cells stand alone" in capsys.readouterr().out


def test_installed_it_is_listed_and_else_it_is_not(example_site):
    without, beside = (run("-m", "representations", "list", site=s) for s in (None, example_site))
    lines, more = without.stdout.splitlines(), beside.stdout.splitlines()
    names = [line.split()[0] for line in lines]
    assert "pca" in names
    assert "programmes" not in names
    added = [line for line in more if line not in lines]
    assert [line.split()[0] for line in added] == ["programmes"]
    assert sorted([*lines, *added]) == sorted(more)


def test_it_is_known_by_its_entry_point_alone(example_site):
    offered = importlib.metadata.entry_points(group=registry.ENTRY_POINTS)
    (entry,) = [e for e in offered if e.name == "programmes"]
    assert entry.dist.name == "gene_programmes"
    kind = registry.get("X_programmes")
    assert kind is entry.load()
    assert Path(sys.modules[kind.__module__].__file__).parent == example_site
    for file in (REPO / "representations").glob("*.py"):
        assert "programmes" not in file.read_text()


def test_programmes_are_those_the_cells_are_made_of():
    adata = cells()
    rep = registry.get("programmes")(registry.get("programmes").Config(n_components=3)).fit(adata)
    share_dp = np.stack(
        [rep.parts_dh[:, np.isin(rep.genes, adata.var_names[40 * i : 40 * (i + 1)])].sum(axis=1)
         for i in range(3)], axis=1,
    )  # fmt: skip
    assert sorted(share_dp.argmax(axis=1)) == [0, 1, 2]
    placed = rep.place(adata)
    assert (placed.x_nd >= 0).all()
    of_kind_n = share_dp.argmax(axis=1)[placed.x_nd.argmax(axis=1)]
    assert (of_kind_n.astype(str) == adata.obs["kind"]).mean() > 0.99
    foreign = adata.copy()
    foreign.X = sp.csr_matrix(np.random.default_rng(1).poisson(0.1, adata.shape), dtype=np.float32)
    assert placed.confidence_n.min() > rep.place(foreign).confidence_n.mean()


def test_the_doctor_and_the_integrated_space_take_it(train, capsys):
    assert cli.main(["doctor", "programmes", str(train)]) == 0
    assert "FAULT" not in capsys.readouterr().out
    genes = PreprocessConfig(n_top_genes=100)
    kind = registry.get("programmes")
    configs = {
        "pca": PcaConfig(n_components=3, preprocess=genes),
        "programmes": kind.Config(n_components=3, preprocess=genes),
    }
    rep = Integrated(IntegratedConfig(blocks=("pca", "programmes"), configs=configs))
    assert rep.fit(cells()).transform(cells()).shape == (300, 6)
    assert rep.record.facts["variance_shares"]["programmes"] == pytest.approx(1 / 9)
