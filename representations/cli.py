"""What ``python -m representations`` does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from anndata import AnnData

from representations.base import Representation, Statistics, drop_placed
from representations.console import say_remarks
from representations.coverage import MIN_GENE_SHARE, min_gene_share, missing_blocks
from representations.errors import InputError, naming
from representations.genes import to_symbols
from representations.h5ad import write_h5ad
from representations.keys import Obs, Obsm
from representations.output import check_output
from representations.preprocess import PreprocessConfig
from representations.quality_cli import doctor, report
from representations.query import prepare, read_h5ad
from representations.registry import get, load, names, unusable
from representations.saved import check_saved
from representations.settings import configured

Overwrite = Annotated[bool, tyro.conf.FlagCreatePairsOff]


def main(args: list[str] | None = None) -> int | None:
    """Parse ``args``, else the command line, and run; returns an exit code."""
    commands: dict[str, Callable[..., int | None]] = {
        "list": list_representations, "fit": fit, "transform": transform,
        "report": report, "doctor": doctor,
    }  # fmt: skip
    code: int | None = tyro.extras.subcommand_cli_from_dict(
        commands,
        prog="python -m representations",
        description="Cell representations: fit on training cells, transform anything.",
        args=args,
    )
    return code


def list_representations() -> None:
    """Print every representation: its name and what it is."""
    for name in names():
        print(f"{name:<12} {(get(name).__doc__ or '').strip().splitlines()[0]}")
    say_remarks(list(unusable().values()))


def fit(
    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")],
    train: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="TRAIN.h5ad")],
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")],
    settings: Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="KEY=VALUE ...")] = (),
    exclude_genes: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None,
    progress: bool = True,
    overwrite: Overwrite = False,
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
    settings
        Fields of the configuration, for instance roots=CELL or pca.n_components=20.
    exclude_genes
        Text file with one gene a line, for instance the marker panel; these never enter.
    progress
        Show how a fit of epochs goes on, where standard error is a terminal.
    overwrite
        Replace a representation that was saved there.
    """
    check_saved(out, overwrite=overwrite)
    kind = get(name)
    config = configured(kind.Config(), settings)
    clean, remarks = prepare(read_h5ad(train), source=str(train))
    if exclude_genes is not None:
        excluded = read_genes(exclude_genes)
        config = excluding(config, excluded)
        found = int(np.isin(excluded, clean.var_names).sum())
        remarks.append(f"{found} of the {len(excluded)} genes to exclude are in {train}")
    say_remarks(remarks)
    with naming(train):
        representation = kind(config)
        representation.progress = progress and sys.stderr.isatty()
        representation.fit(clean)
    representation.save(out)
    print(f"{out}: {name} fitted on {clean.n_obs} cells, {len(representation.genes)} genes")


def transform(
    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")],
    query: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="QUERY.h5ad")],
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="OUT.h5ad")],
    statistics: Statistics = "train",
    key_added: Annotated[str | None, tyro.conf.arg(metavar="KEY")] = None,
    least_genes: Annotated[float, tyro.conf.arg(name="min-gene-share")] = MIN_GENE_SHARE,
    partly: Annotated[bool, tyro.conf.arg(name="missing-blocks")] = False,
    overwrite: Overwrite = False,
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
    least_genes
        Share of the genes of the fit that the query must have; a missing gene is taken at its mean.
    partly
        Of X_integrated, take the blocks that can place the query where others cannot.
    overwrite
        Replace a file that is there.
    """
    check_output(out, source=query, overwrite=overwrite)
    representation = load(folder)
    adata = read_h5ad(query)
    key = key_added or Obsm.representation(representation.name)
    clean, remarks = prepare(adata, source=str(query))
    with min_gene_share(least_genes), missing_blocks(partly), naming(query):
        representation.annotate(clean, statistics=statistics, key_added=key)
    if key in adata.obsm:
        remarks.append(f"obsm[{key!r}] of the query is replaced")
    drop_placed(adata, key)
    for made in {key, Obsm.spread(key)} & set(clean.obsm):
        adata.obsm[made] = clean.obsm[made]
    for column in {Obs.reached(key), Obs.confidence(key)} & set(clean.obs):
        adata.obs[column] = clean.obs[column]
    adata.uns[key] = clean.uns[key]
    say_remarks([*remarks, *clean.uns[key]["notes"], *_losses(clean, representation, key)])
    write_h5ad(adata, out)
    print(f"{out}: {adata.n_obs} cells in obsm[{key!r}]")


def excluding(config: Any, genes: tuple[str, ...]) -> Any:
    """``config`` with ``genes`` left out of its preprocessing, however deep that is nested."""
    changed = _excluding(config, genes)
    if changed is None:
        raise InputError(f"{type(config).__name__} has no genes to exclude: drop --exclude-genes")
    return changed


def _excluding(config: Any, genes: tuple[str, ...]) -> Any | None:
    if isinstance(config, PreprocessConfig):
        return replace(config, exclude=genes)
    if isinstance(config, dict):  # configurations of blocks by their names
        parts = {name: _excluding(part, genes) for name, part in config.items()}
        known = {name: part for name, part in parts.items() if part is not None}
        return {**config, **known} if known else None
    if not is_dataclass(config) or isinstance(config, type):
        return None
    parts = {f.name: _excluding(getattr(config, f.name), genes) for f in fields(config)}
    changed = {name: part for name, part in parts.items() if part is not None}
    return replace(config, **changed) if changed else None


def read_genes(path: Path) -> tuple[str, ...]:
    """Official symbols of the genes in a text file, one a line; `#` starts a comment."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no readable list of genes ({error}); one a line") from error
    genes = [gene for line in lines if (gene := line.partition("#")[0].strip())]
    if not genes:
        raise InputError(f"{path}: holds no genes; write one a line")
    return tuple(sorted(set(to_symbols(genes).symbols.tolist())))


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
