"""Memory and seconds of a long file's annotation: ``python -m benchmarks.annotate_memory``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from anndata import AnnData

from benchmarks import datasets
from benchmarks.datasets.scimilarity_genes import gene_order
from benchmarks.peak import MB, peak_bytes
from clip_align.scimilarity.annotate import annotate_file
from clip_align.scimilarity.classifier import Classifier
from clip_align.scimilarity.conformal import Conformal
from clip_align.scimilarity.heads import heads
from clip_align.scimilarity.network import Encoder
from clip_align.scimilarity.run import save_classifier
from clip_align.seeding import seeded

TYPES = tuple(f"type {i}" for i in range(11))


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """Peak of the whole process, libraries included, and the seconds of the call."""

    peak_mb: float
    seconds: float


def annotated(name: str, encoder: Encoder, *, n_cells: int, seed: int) -> Annotated:
    """Annotate so many real cells, drawn with repetition, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        run, query = Path(folder) / "run", Path(folder) / "query.h5ad"
        _write_run(run, encoder)
        _write_query(query, name, n_cells, seed)
        words = [str(run), str(query), str(Path(folder) / "out.h5ad")]
        found = subprocess.run(  # noqa: S603 - this interpreter, this module
            [sys.executable, "-m", "benchmarks.annotate_memory", *words],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if found.returncode:
        raise RuntimeError(f"annotate: {found.stderr.strip() or found.returncode}")
    peak_mb, seconds = map(float, found.stdout.split()[-2:])
    return Annotated(peak_mb=peak_mb, seconds=seconds)


def _write_run(run: Path, encoder: Encoder) -> None:
    """A classifier with a random head: what it says does not matter here."""
    rng = np.random.default_rng(0)
    with seeded(0):
        head = heads.get("linear")(encoder.layers.latent, len(TYPES))
        z_ne = torch.nn.functional.normalize(torch.randn(5000, encoder.layers.latent)).numpy()
    p_nt, type_n = rng.dirichlet(np.ones(len(TYPES)), 500), rng.integers(len(TYPES), size=500)
    classifier = Classifier(
        encoder=encoder, head=head.eval(), genes=gene_order(), types=TYPES,
        terms=("",) * len(TYPES), temperature=1.0, about={"source": "random", "least_genes": 5000},
        abstention=Conformal.fit(p_nt, type_n, z_ne[:500], z_ne, rng=rng),
    )  # fmt: skip
    save_classifier(run, classifier, head="linear", sanity={}, metrics={})


def _write_query(path: Path, name: str, n_cells: int, seed: int) -> None:
    adata = datasets.load(name)
    rows = np.random.default_rng(seed).integers(adata.n_obs, size=n_cells)
    cells = AnnData(sp.csr_matrix(adata.X[rows]), var=adata.var[[]])
    cells.obs_names = [f"cell {i}" for i in range(n_cells)]
    cells.write_h5ad(path)


if __name__ == "__main__":
    run_, query_, out_ = sys.argv[1:]
    started = time.perf_counter()
    annotate_file(run_, query_, out_)
    print(peak_bytes() / MB, time.perf_counter() - started)
