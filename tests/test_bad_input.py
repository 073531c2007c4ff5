"""What cannot be used is refused in one line, through the interface and the command line alike."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

from representations import registry
from representations.branch_config import BranchConfig
from representations.cli import main
from representations.coverage import min_gene_share
from representations.diffusion import DiffusionConfig
from representations.errors import InputError
from representations.genes import gene_table
from representations.integrated_config import IntegratedConfig
from representations.paga import PagaConfig
from representations.pca import PcaConfig
from representations.preprocess import PreprocessConfig
from representations.pseudotime import PseudotimeConfig
from representations.scvi_input import ScviConfig
from representations.settings import configured

N, G = 160, 200
PCA = PcaConfig(n_components=4, preprocess=PreprocessConfig(n_top_genes=150))
SET = ("pca.n_components=4", "pca.preprocess.n_top_genes=150")


def cells() -> AnnData:
    """Two programmes; the last twelve cells express genes of their own, far from the others."""
    rng = np.random.default_rng(0)
    rate_pg = np.random.default_rng(1).lognormal(0.5, 1, size=(2, G))
    rate_pg[:, -40:] = 0
    x_ng = rng.poisson(rng.dirichlet([0.5, 0.5], N) @ rate_pg).astype(np.float32)
    x_ng[-12:] = 0
    x_ng[-12:, -40:] = rng.poisson(20, (12, 40))
    adata = AnnData(sp.csr_matrix(x_ng))
    adata.obs_names = [f"cell_{i}" for i in range(N)]
    adata.var_names = sorted(gene_table().ensembl)[:G]
    adata.obs["kind"] = ["alone"] + [f"kind_{i % 3}" for i in range(N - 1)]
    return adata


def normalised() -> AnnData:
    adata = cells()
    adata.X = adata.X * np.float32(0.5)
    adata.X.data[0] = 33.3  # no logarithm either
    return adata


@dataclass(frozen=True, kw_only=True)
class Bad:
    """A fit that must fail: by configuration and cells, and by what a shell would be given."""

    name: str
    config: Callable[[], object]
    settings: tuple[str, ...] = ()
    cells: Callable[[], AnnData] = field(default=cells)
    says: tuple[str, ...]


BAD = {
    "unknown root of pseudotime": Bad(
        name="dpt", config=lambda: PseudotimeConfig(roots=("cell_X",), pca=PCA),
        settings=("roots=cell_X", *SET), says=("root 'cell_X'", "give names"),
    ),
    "unknown marker of a root": Bad(
        name="dpt", config=lambda: PseudotimeConfig(marker_roots=("NOGENE",), pca=PCA),
        settings=("marker_roots=NOGENE", *SET), says=("marker root 'NOGENE'", "var_names"),
    ),
    "unknown root of branches": Bad(
        name="branch", config=lambda: BranchConfig(root="cell_X", pca=PCA),
        settings=("root=cell_X", *SET), says=("root 'cell_X'", "give one of"),
    ),
    "a root of pseudotime outside the graph": Bad(
        name="dpt", config=lambda: PseudotimeConfig(roots=("cell_155",), n_neighbors=8, pca=PCA),
        settings=("roots=cell_155", "n_neighbors=8", *SET),
        says=("root 'cell_155'", "outside the largest component", "choose a cell inside"),
    ),
    "a root of branches outside the graph": Bad(
        name="branch", config=lambda: BranchConfig(root="cell_155", n_neighbors=8, pca=PCA),
        settings=("root=cell_155", "n_neighbors=8", *SET),
        says=("root 'cell_155'", "outside the graph's largest component", "give a cell inside"),
    ),
    "a group with one cell": Bad(
        name="paga", config=lambda: PagaConfig(groups="kind", pca=PCA),
        settings=("groups=kind", *SET), says=("group 'alone' of obs['kind']", "1 cell", "merge it"),
    ),
    "a terminal group with one cell": Bad(
        name="branch", config=lambda: BranchConfig(groups="kind", terminals=("alone",), pca=PCA),
        settings=("groups=kind", "terminals=alone", *SET),
        says=("'alone' of obs['kind']", "one cell", "name the others"),
    ),
    "no counts for scVI": Bad(
        name="scvi", config=ScviConfig, cells=normalised, says=("X holds fractions", "put them in"),
    ),
    "more components than cells": Bad(
        name="pca", config=lambda: PcaConfig(n_components=N + 1),
        settings=(f"n_components={N + 1}",), says=(f"n_components={N + 1}", "give more"),
    ),
    "more components than cells on the graph": Bad(
        name="diffmap",
        config=lambda: DiffusionConfig(n_components=N - 5, n_neighbors=8, pca=PCA),
        settings=(f"n_components={N - 5}", "n_neighbors=8", *SET),
        says=(f"n_components={N - 5}", "give 1 to"),
    ),
    "more latent axes than cells": Bad(
        name="scvi", config=lambda: ScviConfig(n_components=N + 1),
        settings=(f"n_components={N + 1}",), says=(f"n_components={N + 1}", "give 1 to"),
    ),
    "a directed walk without a root": Bad(
        name="branch", config=lambda: BranchConfig(steepness=5.0, pca=PCA),
        settings=("steepness=5", *SET), says=("steepness=5", "root", "name a training cell"),
    ),
}  # fmt: skip
every = pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())


def line(error: pytest.ExceptionInfo[InputError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


@every
def test_a_fit_that_cannot_be_is_refused(case):
    with pytest.raises(InputError) as error:
        registry.get(case.name)(case.config()).fit(case.cells())
    for part in case.says:
        assert part in line(error)


@every
def test_the_command_refuses_it_too_and_writes_nothing(case, tmp_path):
    case.cells().write_h5ad(tmp_path / "train.h5ad")
    args = ["fit", case.name, str(tmp_path / "train.h5ad"), "-o", str(tmp_path / "out")]
    given = ["--set", *case.settings] if case.settings else []
    with pytest.raises(InputError) as error:
        main([*args, *given])
    for part in case.says:
        assert part in line(error)
    assert [path.name for path in tmp_path.iterdir()] == ["train.h5ad"]


def test_the_same_settings_are_accepted_where_nothing_is_wrong(tmp_path):
    """Control: these cells and settings fit, with a root that is there."""
    cells().write_h5ad(tmp_path / "train.h5ad")
    args = ["fit", "dpt", str(tmp_path / "train.h5ad"), "-o", str(tmp_path / "out")]
    main([*args, "--set", "roots=cell_3,cell_9", "n_neighbors=8", *SET])
    record = registry.load(tmp_path / "out").record
    assert record.facts["anchors"] == ["cell_3", "cell_9"]
    assert record.facts["unreached"] == 12
    assert record.params["pca"]["preprocess"]["n_top_genes"] == 150


def few(n: int) -> AnnData:
    """Cells with the first ``n`` genes of a fit on all."""
    return cells()[:, :n].copy()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fitted") / "pca"
    whole = PreprocessConfig(n_top_genes=G)
    registry.get("pca")(PcaConfig(n_components=4, preprocess=whole)).fit(cells()).save(folder)
    return folder


def test_a_query_with_under_half_of_the_genes_is_refused_unless_allowed(fitted):
    rep = registry.load(fitted)
    half = len(rep.genes) // 2
    names = list(rep.genes)
    enough, short = cells()[:, names[:half]], cells()[:, names[: half - 1]]
    rep.transform(enough)
    with pytest.raises(InputError) as error:
        rep.transform(short)
    assert f"only {half - 1} of the {len(names)} genes" in line(error)
    assert "half of them are needed" in line(error)
    assert "fit on genes" in line(error)
    with min_gene_share(0.4):
        assert np.isfinite(rep.transform(short)).all()
    with pytest.raises(InputError, match="genes of the fit"):  # the rule holds again
        rep.transform(short)
    with pytest.raises(InputError, match="above 0"), min_gene_share(0.0):
        pass


def test_the_command_refuses_such_a_query_unless_told(fitted, tmp_path):
    few(60).write_h5ad(tmp_path / "query.h5ad")
    args = ["transform", str(fitted), str(tmp_path / "query.h5ad"), "-o", str(tmp_path / "o.h5ad")]
    with pytest.raises(InputError, match=r"only 60 of the 200 genes.*--min-gene-share") as error:
        main(args)
    assert "query.h5ad" in line(error)
    assert not (tmp_path / "o.h5ad").exists()
    main([*args, "--min-gene-share", "0.2"])
    assert (tmp_path / "o.h5ad").exists()


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("roots", "write KEY=VALUE"), ("rots=a", "is it 'roots'"), ("n_components=many", "'many'"),
        ("pca.n_component=4", "is it 'n_components'"), ("n_components.deep=4", "nothing is nested"),
        ("n_anchors=0", "n_anchors=0 leaves no pseudotime"),
    ],
)  # fmt: skip
def test_a_setting_that_does_not_fit_is_one_line(setting, says):
    with pytest.raises(InputError, match=says) as error:
        configured(PseudotimeConfig(), [setting])
    assert setting.split("=")[0] in line(error)


def test_settings_take_the_type_of_their_field():
    config = configured(BranchConfig(), ["root=12", "steepness=3", "terminals=a,b", "pca.seed=2"])
    assert (config.root, config.steepness, config.terminals) == ("12", 3.0, ("a", "b"))
    assert config.pca.seed == 2
    kind = registry.get("integrated").Config
    changed = configured(kind(blocks=("pca",)), ["configs.pca.n_components=3", 'weights={"pca":2}'])
    assert changed.configs["pca"].n_components == 3
    assert changed.weights == {"pca": 2}


def test_settings_that_need_one_another_are_taken_together():
    """In either order; and blocks that go take the configurations with them that nobody set."""
    for order in (1, -1):
        settings = ["encode_batch=true", "batch_key=donor"][::order]
        assert configured(ScviConfig(), settings).batch_key == "donor"
        settings = ["blocks=pca,diffmap", "configs.diffmap.n_components=7"][::order]
        config = configured(IntegratedConfig(), settings)
        assert list(config.configs) == ["pca", "diffmap"]
        assert config.configs["diffmap"].n_components == 7
    assert list(replace(IntegratedConfig(), blocks=("pca",)).configs) == ["pca"]
    set_one = IntegratedConfig(configs={"scvi": ScviConfig(n_components=5)})
    with pytest.raises(InputError, match="scvi is none of the blocks"):
        replace(set_one, blocks=("pca",))


def test_a_shell_sees_one_line_and_exit_code_2(tmp_path):
    cells().write_h5ad(tmp_path / "train.h5ad")
    command = [sys.executable, "-m", "representations", "fit", "dpt", str(tmp_path / "train.h5ad")]
    command += ["-o", str(tmp_path / "out"), "--set", "roots=cell_X", *SET]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "root 'cell_X'" in done.stderr
