"""From what a source holds to the one AnnData every dataset has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from anndata import AnnData

from benchmarks.datasets.matrix import as_counts, by_symbol
from benchmarks.datasets.vocabulary import look_up
from representations.errors import InputError
from representations.genes import to_symbols
from representations.keys import Obs, Obsm, Uns

if TYPE_CHECKING:
    from benchmarks.datasets.base import Dataset

# n cells or activations, g genes, u genes with distinct symbols
FORMAT_VERSION: Final = 3


@dataclass(frozen=True, kw_only=True)
class Raw:
    """What a dataset file hands over.

    Parameters
    ----------
    counts_ng
        Raw counts, cells x genes, dense or sparse; or what ``Dataset.values`` says.
    genes, cells
        Gene symbols, which may repeat, and cell names, which may not.
    cell_type, batch, donor
        One string a cell; ``donor`` is None where the source does not tell.
    protein
        Raw antibody counts, cells x antibodies as published, isotype controls included.
    obs
        Further columns of strings, one a cell.
    obsm
        Further tables of numbers by key, a row a cell in the order of ``cells``.
    """

    counts_ng: Any
    genes: Sequence[str]
    cells: Sequence[str]
    cell_type: Sequence[str]
    batch: Sequence[str]
    donor: Sequence[str] | None = None
    protein: pd.DataFrame | None = None
    obs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    obsm: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def assemble(dataset: Dataset, raw: Raw) -> AnnData:
    """Canonical AnnData of a dataset.

    Returns
    -------
    Float32 CSR counts (or effects, as ``dataset.values`` says) in ``X``, distinct official gene
    symbols (counts of repeated ones summed), so that datasets of different years share names,
    categorical strings in ``obs``, float32 frames in ``obsm["protein"]`` and
    ``obsm["protein_isotype"]`` where measured and under the keys of ``raw.obsm``, provenance in
    ``uns["dataset"]``.

    Raises
    ------
    InputError
        Labels or proteins do not match the cells, cell names repeat, values are not what the
        dataset says they are, a label is not in the vocabulary, or no cell is a control.
    """
    _check(dataset.name, raw)
    if dataset.control and dataset.control not in raw.obs.get(Obs.PERTURBATION, ()):
        raise InputError(f"{dataset.name}: no cell has the perturbation {dataset.control!r}")
    official = to_symbols(raw.genes).symbols.tolist()
    x_nu, symbols = by_symbol(raw.counts_ng, official, values=dataset.values, name=dataset.name)
    terms = look_up(raw.cell_type, dataset.terms, dataset=dataset.name)
    columns: dict[str, Sequence[str]] = {
        Obs.CELL_TYPE: raw.cell_type,
        Obs.CELL_TYPE_COARSE: [term.coarse for term in terms],
        Obs.CELL_TYPE_ONTOLOGY: [term.ontology_id for term in terms],
        Obs.BATCH: raw.batch,
        **({} if raw.donor is None else {Obs.DONOR: raw.donor}),
        **raw.obs,
    }
    index = pd.Index([str(cell) for cell in raw.cells], dtype=object)
    obs = pd.DataFrame(
        {key: pd.Categorical([str(value) for value in values]) for key, values in columns.items()},
        index=index,
    )
    adata = AnnData(X=x_nu, obs=obs, var=pd.DataFrame(index=symbols))
    if raw.protein is not None:
        _add_protein(adata, raw.protein.set_axis(index, axis=0), dataset)
    for key, table in raw.obsm.items():
        adata.obsm[key] = table.set_axis(index, axis=0).astype(np.float32)
    adata.uns[Uns.DATASET] = provenance(dataset)
    return adata


def provenance(dataset: Dataset) -> dict[str, Any]:
    """Content of ``uns["dataset"]``."""
    return {
        "name": dataset.name,
        "revision": dataset.revision,
        "values": dataset.values,
        **({"control": dataset.control} if dataset.control else {}),
        "citation": dataset.citation,
        "licence": dataset.licence,
        "caveats": np.array(dataset.caveats, dtype=object),
    }


def _check(name: str, raw: Raw) -> None:
    n_cells, n_genes = raw.counts_ng.shape
    columns = {"labels": raw.cell_type, "cell names": raw.cells, "batches": raw.batch, **raw.obs}
    columns |= {f"rows of {key}": table.index for key, table in raw.obsm.items()}
    lengths = {what: len(values) for what, values in columns.items()}
    if raw.donor is not None:
        lengths["donors"] = len(raw.donor)
    if raw.protein is not None:
        lengths["protein rows"] = len(raw.protein)
    for what, length in lengths.items():
        if length != n_cells:
            raise InputError(
                f"{name}: {length} {what} for {n_cells} cells; the files do not belong "
                "together, delete them from the cache and run again"
            )
    if len(raw.genes) != n_genes:
        raise InputError(f"{name}: {len(raw.genes)} gene names for {n_genes} columns of counts")
    repeated = pd.Index(raw.cells).duplicated()
    if repeated.any():
        raise InputError(f"{name}: cell name {raw.cells[int(repeated.argmax())]!r} occurs twice")


def _add_protein(adata: AnnData, protein: pd.DataFrame, dataset: Dataset) -> None:
    absent = [column for column in dataset.isotypes if column not in protein.columns]
    if absent:
        raise InputError(f"{dataset.name}: isotype control {absent[0]!r} is not among the proteins")
    as_counts(protein.to_numpy(), f"{dataset.name}, protein")
    isotypes = list(dataset.isotypes)
    adata.obsm[Obsm.PROTEIN] = protein.drop(columns=isotypes).astype(np.float32)
    if isotypes:
        adata.obsm[Obsm.PROTEIN_ISOTYPE] = protein[isotypes].astype(np.float32)
