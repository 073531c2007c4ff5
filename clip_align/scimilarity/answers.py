"""What a classifier says of cells: embeddings, and a table with a row a cell.

Shapes: ``n`` cells, ``u`` their genes, ``k`` of them that the model has, ``e`` dimensions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from tqdm.auto import tqdm

from clip_align.scimilarity.annotation_table import (
    COLUMNS,
    NO_COUNTS,
    UNKNOWN,
    categories,
    columns,
)
from clip_align.scimilarity.cells import LEAST_GENES, GeneMatch, match_genes, tensor
from clip_align.scimilarity.classifier import Classifier
from clip_align.scimilarity.conformal import alpha_of
from clip_align.scimilarity.held_cells import Cells
from clip_align.scimilarity.network import Encoder, embed
from clip_align.scimilarity.stream import CHUNK, find_counts
from representations.errors import naming
from representations.keys import Obs, Obsm
from representations.preprocess import log_normalise


@dataclass(frozen=True, kw_only=True)
class Answers:
    """``table`` has ``COLUMNS`` for ``obs``, ``z_ne`` is for ``obsm`` and ``about`` for ``uns``."""

    table: pd.DataFrame
    z_ne: np.ndarray
    about: dict[str, Any]
    remarks: tuple[str, ...]


def answer(
    cells: Cells,
    classifier: Classifier,
    *,
    coverage: float | None = None,
    min_genes: int | None = None,
    chunk: int = CHUNK,
) -> Answers:
    """Embed and judge cells, ``chunk`` of them at a time.

    Raises
    ------
    InputError
        The cells cannot be used, they lack genes, or ``coverage`` is no share.
    """
    classifier = _at(classifier, coverage)
    counts = find_counts(cells)
    least = classifier.about.get("least_genes", LEAST_GENES) if min_genes is None else min_genes
    match = match_genes(
        counts.symbols.tolist(), classifier.genes, least=max(1, least), source=cells.source
    )
    encoder = classifier.encoder.on_genes(match.columns)
    parts, n = [], len(cells.obs_names)
    with tqdm(total=n, desc="annotate", unit="cell", leave=False, disable=None) as bar:
        for x_nu in counts.chunks(chunk):
            with naming(cells.source):
                parts.append(_judge(x_nu, match, encoder, classifier))
            bar.update(x_nu.shape[0])
    table = categories(pd.concat([part for part, _ in parts]), classifier.types)
    table.index = cells.obs_names.rename("cell")
    remarks = (*counts.remarks, *_remarks(cells, classifier, match, table))
    return Answers(
        table=table, z_ne=np.concatenate([z_ne for _, z_ne in parts]), remarks=remarks,
        about=_about(classifier, match, remarks),
    )  # fmt: skip


def _at(classifier: Classifier, coverage: float | None) -> Classifier:
    """The classifier at another coverage."""
    if coverage is None:
        return classifier
    alpha = alpha_of(coverage)
    return replace(classifier, abstention=replace(classifier.abstention, alpha=alpha))


def _judge(
    x_nu: sp.csr_matrix, match: GeneMatch, encoder: Encoder, classifier: Classifier
) -> tuple[pd.DataFrame, np.ndarray]:
    """Columns and embeddings of a few cells."""
    x_nk = log_normalise(sp.csr_matrix(x_nu[:, match.cells_k]))
    z_ne = embed(encoder, tensor(x_nk)).numpy()
    p_nt, verdict = classifier.judge(z_ne)
    seen_n = np.asarray(x_nk.sum(axis=1)).ravel() > 0
    table = columns(p_nt, verdict, seen_n, types=classifier.types, terms=classifier.terms)
    return table, z_ne


def _remarks(
    cells: Cells, classifier: Classifier, match: GeneMatch, table: pd.DataFrame
) -> list[str]:
    remarks = list(filter(None, [classifier.lacks(len(match.model_k))]))
    if empty := int((table[Obs.SCIMILARITY_REASON] == NO_COUNTS).sum()):
        remarks.append(f"{empty} cells have no counts of the model's genes: {UNKNOWN}")
    abstention = classifier.abstention
    if math.isinf(abstention.threshold):
        remarks.append(
            f"a coverage of {1 - abstention.alpha:g} needs more calibration cells than the "
            f"{len(abstention.score_h)} of the run: every cell is {UNKNOWN}; ask for a lower one"
        )
    earlier = [f'obs["{key}"]' for key in COLUMNS if key in cells.obs]
    earlier += [f'obsm["{Obsm.SCIMILARITY}"]'] if Obsm.SCIMILARITY in cells.obsm else []
    if earlier:
        remarks.append(f"{', '.join(earlier)} of an earlier annotation: replaced")
    return remarks


def _about(classifier: Classifier, match: GeneMatch, remarks: Sequence[str]) -> dict[str, Any]:
    """What a file says of the annotation."""
    return {
        "source": str(classifier.about.get("source", "")),
        "source_digest": str(classifier.about.get("source_digest", "")),
        "coverage": round(1 - classifier.abstention.alpha, 9),
        "n_genes": len(match.model_k),
        "remarks": np.array(remarks, dtype=str),  # an empty list would become numbers
        "provenance": json.dumps(dict(classifier.about)),
    }
