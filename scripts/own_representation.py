"""Your own representation in one file: written, fitted, saved, examined, compared.

python scripts/own_representation.py [TRAIN.h5ad]

TRAIN.h5ad holds cells with raw counts; without it, synthetic cells serve. The class ``Projection``
is all there is to write. Then choose where it lives:

1. in a file of ``representations/``: ``@register`` makes it known, nothing else is edited;
2. in a distribution of your own: no decorator, one entry point instead. ``example_package`` beside
   this script is one, whole: ``pip install scripts/example_package``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from anndata import AnnData

from representations import registry
from representations.assess import AssessConfig, assess
from representations.base import Coordinates, Representation, Statistics
from representations.console import run_cli, say_remarks
from representations.doctor import examine, lines
from representations.errors import naming
from representations.pca import PcaConfig
from representations.preprocess import Preprocessor
from representations.query import prepare, read_h5ad
from representations.registry import register
from representations.report import markdown
from representations.saved import part, prefixed


@register
class Projection(Representation):
    """Genes in random directions (Johnson and Lindenstrauss 1984): what learning has to beat."""

    name = "projection"
    Config = PcaConfig  # n_components, seed, preprocess; any frozen dataclass would do

    def _fit(self, adata: AnnData) -> tuple[Coordinates, dict[str, Any]]:
        """Learn from training cells; where they are, and facts for the record."""
        self.preprocessor = Preprocessor(self.config.preprocess)
        x_nh = self.preprocessor.fit_transform(adata)
        rng = np.random.default_rng(self.config.seed)
        shape = (x_nh.shape[1], self.config.n_components)
        self.directions_hd = rng.normal(size=shape).astype(np.float32)
        return self._project(x_nh), {"backend": "numpy"}

    def _place(self, adata: AnnData, statistics: Statistics) -> Coordinates:
        """Any cells, in the space of the training cells."""
        return self._project(self.preprocessor.transform(adata, statistics))

    def _project(self, x_nh: np.ndarray) -> Coordinates:
        x_nd = x_nh @ self.directions_hd
        return Coordinates(x_nd=x_nd, reached_n=np.ones(len(x_nd), dtype=bool))

    def _state(self) -> dict[str, np.ndarray]:
        """Everything learned, as arrays: what `save` writes."""
        state = prefixed("preprocess", self.preprocessor.state())
        return {**state, "directions": self.directions_hd}

    def _load_state(self, state: dict[str, np.ndarray]) -> None:
        """The way back."""
        self.preprocessor = Preprocessor(self.config.preprocess)
        self.preprocessor.load_state(part("preprocess", state))
        self.directions_hd = state["directions"]

    @property
    def genes(self) -> tuple[str, ...]:
        """What it reads; a query that lacks some is told so."""
        return tuple(self.preprocessor.genes_h.tolist())


def synthetic(n: int = 600, n_genes: int = 500) -> AnnData:
    """Counts of cells between five programmes."""
    rng = np.random.default_rng(0)
    rate_pg = rng.lognormal(-1, 1, n_genes) * rng.lognormal(0, 1, (5, n_genes))
    adata = AnnData(rng.poisson(rng.dirichlet(np.full(5, 0.3), n) @ rate_pg).astype(np.float32))
    adata.obs_names = [f"cell_{i}" for i in range(n)]
    adata.var_names = [f"gene_{i}" for i in range(n_genes)]
    return adata


def walk(adata: AnnData, name: str = "projection") -> bool:
    """From cells to a verdict, printed; True where the doctor finds no fault."""
    train, query = adata[::2].copy(), adata[1::2].copy()
    rep = registry.get(name)().fit(train)
    print(f"1. fitted on {train.n_obs} cells: {len(rep.genes)} genes, config {rep.config}")

    rep.annotate(query)
    key = f"X_{name}"
    print(f"2. {query.n_obs} other cells placed: obsm[{key!r}] is {query.obsm[key].shape}")
    print(f"   obs has {', '.join(c for c in query.obs if c.startswith(key))}; uns says what it is")

    with TemporaryDirectory() as folder:
        rep.save(folder)
        files = ", ".join(sorted(path.name for path in Path(folder).iterdir()))
        same = np.array_equal(registry.load(folder).transform(query), query.obsm[key])
    print(f"3. saved as {files}; loaded, the coordinates are {'the same' if same else 'OTHERS'}")

    print(f"4. python -m representations doctor {name} TRAIN.h5ad")
    checks = examine(name, adata)
    for line in lines(checks):
        print(f"   {line}")

    print(f"5. python -m representations report TRAIN.h5ad -o FOLDER --only pca {name}")
    print(markdown(assess(adata, ["pca", name], config=AssessConfig(folds=2))))
    return same and all(check.ok for check in checks)


def main() -> int:
    parser = argparse.ArgumentParser(description="Your own representation in one file.")
    parser.add_argument("train", type=Path, nargs="?", metavar="TRAIN.h5ad")
    parser.add_argument("--name", default="projection", help="walk through another, as installed")
    args = parser.parse_args()
    registry.get(args.name)
    if args.train is None:
        return 0 if walk(synthetic(), args.name) else 1
    adata, remarks = prepare(read_h5ad(args.train), source=str(args.train))
    say_remarks(remarks)
    with naming(args.train):
        return 0 if walk(adata, args.name) else 1


if __name__ == "__main__":
    sys.exit(run_cli(main))
