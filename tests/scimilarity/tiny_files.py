"""A model folder and labelled cells on disk, small enough to train on in a second; the scripts."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

from clip_align.scimilarity.folder import SourceModel, save_source
from clip_align.scimilarity.network import Layers
from clip_align.scimilarity.train_plan import AnnotationTraining
from clip_align.scimilarity.tune import TuneConfig
from representations.genes import gene_table
from tests.scimilarity.small import decoder, encoder

SCRIPTS = Path(__file__).parents[2] / "scripts"
N_GENES, N_CELLS = 60, 150
GENES = tuple(sorted(gene_table().ensembl)[:N_GENES])
TYPES = ("B", "NK", "T")
LAYERS = Layers(n_genes=N_GENES, hidden=(24, 16), latent=8)
ABOUT = {"name": "a tiny one"}
PLAN = AnnotationTraining(
    tune=TuneConfig(epochs=12, batch_size=16, learning_rate=1e-2), min_genes=20, coverage=0.8
)
QUICK = [
    "--tune.epochs", "12", "--tune.batch-size", "16", "--tune.learning-rate", "1e-2",
    "--min-genes", "20", "--coverage", "0.8",
]  # fmt: skip


def cells(n: int = N_CELLS, *, seed: int = 0) -> AnnData:
    """Three types, each with genes of its own; the model does not read the last five genes."""
    rng = np.random.default_rng(seed)
    type_n = rng.permutation(np.arange(n) % len(TYPES))
    rate_tg = np.full((len(TYPES), N_GENES), 0.5)
    for t in range(len(TYPES)):
        rate_tg[t, 20 * t : 20 * (t + 1)] = 5
    adata = AnnData(sp.csr_matrix(rng.poisson(rate_tg[type_n]).astype(np.float32)))
    adata.obs_names = [f"c{seed}_{i}" for i in range(n)]
    adata.var_names = [*GENES[:-5], *(f"unheard_{i}" for i in range(5))]
    adata.obs["cell_type"] = np.array(TYPES)[type_n]
    return adata


def source(folder: Path, *, seed: int = 0, about: Mapping[str, Any] = ABOUT) -> Path:
    """A model folder with weights at random."""
    model = SourceModel(
        encoder=encoder(LAYERS, seed=seed), decoder=decoder(LAYERS), genes=GENES,
        about=about,
    )  # fmt: skip
    save_source(model, folder)
    return folder


def h5ad(path: Path, change: Callable[[AnnData], AnnData | None] = lambda adata: None) -> Path:
    """The cells as a file, changed."""
    adata = cells()
    (change(adata) or adata).write_h5ad(path)
    return path


def run(name: str, *args: object) -> int:
    """Exit code of a script, in this process."""
    path = str(SCRIPTS / f"{name}.py")
    with (
        patch.object(sys, "argv", [path, *map(str, args)]),
        pytest.raises(SystemExit) as done,
    ):
        runpy.run_path(path, run_name="__main__")
    return int(done.value.code or 0)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


def nan(adata: AnnData) -> None:
    adata.X = adata.X.toarray()
    adata.X[3, 4] = np.nan


def negative(adata: AnnData) -> None:
    adata.X = adata.X.toarray() - 1


def mouse(adata: AnnData) -> None:
    names = ["Cd3e", "Cd19", "Ms4a1", "Nkg7", "Gzmb", "Actb", "Gapdh", "Lyz2", "Cd8a", "Cd4"]
    adata.var_names = [names[i] if i < len(names) else f"Gm{i}" for i in range(adata.n_vars)]


def one_class(adata: AnnData) -> None:
    adata.obs["cell_type"] = "T"


def one_cell(adata: AnnData) -> None:
    adata.obs.loc[adata.obs_names[0], "cell_type"] = "rarity"


def called_unknown(adata: AnnData) -> None:
    adata.obs.loc[adata.obs_names[:9], "cell_type"] = "unknown"


def unlabelled(adata: AnnData) -> None:
    del adata.obs["cell_type"]


def stranger(adata: AnnData) -> None:
    adata.var_names = [f"unheard_{i}" for i in range(adata.n_vars)]


UNUSABLE = [
    (nan, "holds nan"),
    (negative, "holds negative values"),
    (mouse, "look like mouse genes"),
    (one_class, "1 cell type; a classifier needs two"),
    (one_cell, "type 'rarity' has 1 cell, "),
    (unlabelled, 'no obs["cell_type"]'),
    (called_unknown, "type 'unknown' is what annotation calls cells"),
]
