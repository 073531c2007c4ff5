"""What ``python -m representations`` does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from anndata import AnnData

from representations.base import Representation, Statistics
from representations.console import say_remarks
from representations.errors import InputError
from representations.genes import to_symbols
from representations.h5ad import write_h5ad
from representations.keys import Obs, Obsm
from representations.query import prepare, read_h5ad
from representations.registry import get, load, names

Positional = tyro.conf.Positional


def main(args: list[str] | None = None) -> None:
    """Parse ``args``, else the command line, and run."""
    tyro.extras.subcommand_cli_from_dict(
        {"list": list_representations, "fit": fit, "transform": transform},
        prog="python -m representations",
        description="Cell representations: fit on training cells, transform anything.",
        args=args,
    )


def list_representations() -> None:
    """Print every representation: its name and what it is."""
    for name in names():
        print(f"{name:<12} {(get(name).__doc__ or '').strip().splitlines()[0]}")


def fit(
    name: Positional[str],
    train: Positional[Path],
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    exclude_genes: Path | None = None,
) -> None:
    """Fit a representation on training cells.

    Parameters
    ----------
    name
        Which one, as printed by `list`.
    train
        File (.h5ad) of training cells with raw counts.
    out
        Folder for the fitted representation.
    exclude_genes
        Text file with one gene a line, for instance the marker panel; these never enter.
    """
    representation = get(name)()
    clean, remarks = prepare(read_h5ad(train), source=str(train))
    if exclude_genes is not None:
        excluded = read_genes(exclude_genes)
        found = int(np.isin(excluded, clean.var_names).sum())
        remarks.append(f"{found} of the {len(excluded)} genes to exclude are in {train}")
        clean = clean[:, ~clean.var_names.isin(excluded)].copy()
    say_remarks(remarks)
    representation.fit(clean).save(out)
    print(f"{out}: {representation.name} fitted on {clean.n_obs} cells, "
          f"{len(representation.genes)} genes")  # fmt: skip


def transform(
    folder: Positional[Path],
    query: Positional[Path],
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    statistics: Statistics = "train",
    key_added: str | None = None,
) -> None:
    """Place the cells of a file in a fitted representation.

    Parameters
    ----------
    folder
        What `fit` wrote.
    query
        File (.h5ad) of any cells, with raw counts or log-normalised values.
    out
        File to write: the query with the coordinates in obsm, all else as it was.
    statistics
        Scale genes by the training cells, each query cell on its own; or by the query's own cells
        as a group (transductive).
    key_added
        Key in obsm; by default X_ and the name of the representation.
    """
    if out.suffix != ".h5ad":
        raise InputError(f"{out}: the output must end in .h5ad")
    representation = load(folder)
    adata = read_h5ad(query)
    key = key_added or Obsm.representation(representation.name)
    clean, remarks = prepare(adata, source=str(query))
    representation.annotate(clean, statistics=statistics, key_added=key)
    adata.obsm[key] = clean.obsm[key]
    adata.obs[Obs.reached(key)] = clean.obs[Obs.reached(key)]
    adata.uns[key] = clean.uns[key]
    say_remarks([*remarks, *_losses(clean, representation, key)])
    write_h5ad(adata, out)
    print(f"{out}: {adata.n_obs} cells in obsm[{key!r}]")


def read_genes(path: Path) -> np.ndarray:
    """Official symbols of the genes in a text file, one a line; `#` starts a comment."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no readable list of genes ({error}); one a line") from error
    genes = [gene for line in lines if (gene := line.partition("#")[0].strip())]
    if not genes:
        raise InputError(f"{path}: holds no genes; write one a line")
    return np.unique(to_symbols(genes).symbols.astype(str))


def _losses(clean: AnnData, representation: Representation, key: str) -> list[str]:
    """What the query could not give, as remarks."""
    remarks = []
    missing = int((~np.isin(representation.genes, clean.var_names)).sum())
    if missing:
        share = f"{missing} of the {len(representation.genes)} genes of the fit"
        remarks.append(f"{share} are missing: each is taken at its training mean")
    unreached = int((~clean.obs[Obs.reached(key)]).sum())
    if unreached:
        remarks.append(f"{unreached} cells are out of reach of the fit: zero, and flagged in obs")
    return remarks
