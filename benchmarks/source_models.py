"""The small source models: which data they may have seen, where they are kept.

A row is never judged on a data set that its source model has seen: one model for each target left
out. A model is trained once and kept beside the downloads, under a name with a hash of what the
user chooses: data, gene order, settings (``identity``). What the code fixes is not in it: the
constants below, the ontology that says which types are negatives, the training itself. Whoever
changes one of those removes the models kept under the old one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from anndata import AnnData

from benchmarks import datasets
from benchmarks.datasets.cache import Cache
from benchmarks.datasets.console import say
from benchmarks.datasets.scimilarity_genes import GENE_ORDER, gene_order
from benchmarks.guard import LeakError
from clip_align.scimilarity.atlas import Atlas
from clip_align.scimilarity.cells import GeneMatch, expression, match_genes
from clip_align.scimilarity.folder import (
    SOURCE,
    SourceModel,
    check_source_folder,
    load_source,
    save_source,
)
from clip_align.scimilarity.pretrain import PretrainConfig, pretrain
from clip_align.scimilarity.pretrain_config import check
from representations.errors import InputError
from representations.keys import Obs

ATLAS = ("kang", "pbmc3k", "marrow", "pbmc10k_cite")
LEAST_CELLS = 5  # of the atlas, that express a gene: what fewer do is noise, and half of all genes
LEAST_GENES = 1000  # pbmc10k_cite is published with 4,000 genes, brain_gw10 with 2,000
FOLDER = "sources"
UNTYPED = ("CL:2000001", "CL:0000000")  # "mononuclear cell of blood", "cell": no type to be told


def seen_for(*targets: str) -> tuple[str, ...]:
    """Data sets that a source model for rows on these may see."""
    return tuple(name for name in ATLAS if name not in targets)


def identity(seen: Sequence[str], config: PretrainConfig) -> dict[str, Any]:
    """Revisions of the data sets, the gene order and the settings of a source model.

    Not the constants of this module, the ontology or the code, which decide it as well.
    """
    return {
        "data": {name: datasets.get(name).revision[:12] for name in seen},
        "genes": GENE_ORDER.sha256[:12],
        "training": asdict(config),
    }


def provenance(source: SourceModel, *targets: str) -> dict[str, str]:
    """Which source model rows on these data sets read; it may have seen none of them.

    Raises ``LeakError`` where it says that it has.
    """
    seen = tuple(source.about["data"])
    if overlap := set(seen) & set(targets):
        raise LeakError(f"the source model has seen {', '.join(sorted(overlap))}")
    return {
        "source": source.name, "source_digest": source.digest,
        "source_seen": ", ".join(seen), "source_overlap": "none",
    }  # fmt: skip


def source_model(
    seen: Sequence[str], config: PretrainConfig | None = None, *, progress: bool = True
) -> SourceModel:
    """The source model of these data sets, trained now where it is in no cache folder.

    Raises ``SourceUnavailable`` where one of them, or the gene order, cannot be reached.
    """
    return _kept(tuple(seen), config or PretrainConfig(), progress)


@lru_cache(maxsize=2)
def _kept(seen: tuple[str, ...], config: PretrainConfig, progress: bool) -> SourceModel:
    told = identity(seen, config)
    digest = blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=6).hexdigest()
    place = Path(FOLDER) / f"{'+'.join(seen)}-{digest}"
    cache = Cache.from_environment()
    for folder in cache.folders:
        if (folder / place / SOURCE).is_file():
            return load_source(folder / place)
    say(f"training the small source model of {', '.join(seen)} (once)", progress=progress)
    model = trained(seen, config, progress=progress)
    save_source(model, cache.writable() / place)
    return model


def train_source(
    folder: Path, *, leave_out: Sequence[str] = (), config: PretrainConfig, overwrite: bool = False
) -> SourceModel:
    """Train on the atlas without some of its data sets; write the model folder.

    Raises ``InputError`` where one is no part of the atlas, none is left, a setting is
    out of its range, or the folder is taken.
    """
    check_source_folder(folder, overwrite=overwrite)
    check(config)
    if strangers := sorted(set(leave_out) - set(ATLAS)):
        raise InputError(f"--leave-out {strangers[0]}: the atlas is {', '.join(ATLAS)}")
    if not (seen := seen_for(*leave_out)):
        raise InputError(f"--leave-out {' '.join(leave_out)}: leaves nothing to train on")
    model = trained(seen, config)
    save_source(model, folder)
    return model


def trained(seen: Sequence[str], config: PretrainConfig, *, progress: bool = True) -> SourceModel:
    """The source model of these data sets, trained now; it says what it has seen."""
    about = {"name": f"small source model ({', '.join(seen)})", **identity(seen, config)}
    return pretrain(atlas(seen), gene_order(), config, about, progress=progress)


def atlas(names: Sequence[str]) -> Atlas:
    """Cells of several data sets, over the genes of the order that any of them measures.

    A study is a batch of a data set. Cells whose term is no type are left out.
    """
    order = gene_order()
    loaded = [_typed(datasets.load(name)) for name in names]
    matches = [match_genes(a.var_names, order, least=LEAST_GENES, source=n)
               for a, n in zip(loaded, names, strict=True)]  # fmt: skip
    genes_k = _expressed(loaded, matches)
    blocks, types, studies = [], [], []
    measured: dict[str, np.ndarray] = {}
    for name, adata, match in zip(names, loaded, matches, strict=True):
        kept_k = np.isin(match.model_k, genes_k)
        x_nk = expression(adata, match)[:, kept_k].tocoo()
        place_k = np.searchsorted(genes_k, match.model_k[kept_k])
        shape = (adata.n_obs, len(genes_k))
        blocks.append(sp.csr_matrix((x_nk.data, (x_nk.row, place_k[x_nk.col])), shape=shape))
        types += adata.obs[Obs.CELL_TYPE_ONTOLOGY].astype(str).tolist()
        batches = [f"{name}/{batch}" for batch in adata.obs[Obs.BATCH].astype(str)]
        studies += batches
        there_k = np.isin(np.arange(len(genes_k)), place_k)
        measured |= dict.fromkeys(sorted(set(batches)), there_k)
    type_names, type_n = np.unique(types, return_inverse=True)
    number = {study: i for i, study in enumerate(measured)}
    return Atlas(
        x_nk=sp.vstack(blocks, format="csr"),
        genes_k=genes_k,
        types=tuple(type_names.tolist()),
        type_n=torch.from_numpy(type_n),
        study_n=torch.tensor([number[study] for study in studies]),
        measured_sk=torch.from_numpy(np.stack(list(measured.values()))),
    )


def _expressed(loaded: Sequence[AnnData], matches: Sequence[GeneMatch]) -> np.ndarray:
    """Genes of the order that ``LEAST_CELLS`` cells of the atlas express."""
    cells_g = np.zeros(matches[0].n_model)
    for adata, match in zip(loaded, matches, strict=True):
        cells_g[match.model_k] += np.asarray((adata.X > 0).sum(axis=0)).ravel()[match.cells_k]
    return np.flatnonzero(cells_g >= LEAST_CELLS)


def _typed(adata: AnnData) -> AnnData:
    return adata[~adata.obs[Obs.CELL_TYPE_ONTOLOGY].isin(UNTYPED)].copy()
