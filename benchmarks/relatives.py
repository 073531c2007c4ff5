"""What activations that share a gene with another say of it: the answer of one who is told them.

Of two genes: what each does by itself, added up. Of one gene: the mean of the pairs that have it.
Nothing is learnt of how the two sides of an effect go together, so this says whether the
questions of the K562 tasks can be answered at all. A positive control, not a bound.

Shapes: ``n`` activations that are asked of, ``s`` activations of the screen, ``g`` genes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from anndata import AnnData

from clip_align.pairs import standardised
from representations.keys import Obs


def targets_of(adata: AnnData) -> tuple[np.ndarray, np.ndarray]:
    """Both genes of every activation ``(s,)``; the second is empty where there is one."""
    first, second = (np.asarray(adata.obs[column].astype(str)) for column in Obs.TARGETS)
    return first, second


def by_relatives(
    adata: AnnData, genes: Sequence[str], asked_n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Effects ``(n, g)`` on genes by the relatives of activations, and which have any ``(n,)``.

    ``asked_n`` are rows of the screen; the effect of none of them is read for its own answer.
    Without a relative an effect is 0; of two genes both must be there alone.
    """
    first, second = targets_of(adata)
    x_sg = np.asarray(adata[:, list(genes)].X.toarray(), np.float32)
    alone = {first[row]: row for row in np.flatnonzero(second == "")}
    said_ng = np.zeros((len(asked_n), len(genes)), np.float32)
    known_n = np.zeros(len(asked_n), bool)
    for i, (one, other) in enumerate(zip(first[asked_n], second[asked_n], strict=True)):
        if not other:
            having = np.flatnonzero((second != "") & ((first == one) | (second == one)))
            known_n[i] = len(having) > 0
            said_ng[i] = x_sg[having].sum(axis=0) / max(len(having), 1)
        elif one in alone and other in alone:
            known_n[i], said_ng[i] = True, x_sg[alone[one]] + x_sg[alone[other]]
    return said_ng, known_n


def in_own_units(said_ng: np.ndarray, known_n: np.ndarray) -> np.ndarray:
    """Each gene by its mean and deviation over what is known; the rest is 0, level with all."""
    unit_ng = np.zeros_like(said_ng)
    unit_ng[known_n] = standardised(said_ng[known_n])
    return unit_ng
