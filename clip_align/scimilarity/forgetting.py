"""What an encoder has forgotten of the cells it was pre-trained on.

Shapes: ``n`` source cells that are asked, ``k`` source cells that answer, ``e`` embedding
dimensions, ``t`` types of the cells that are asked.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import recall_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from clip_align.scimilarity.network import Encoder

NEIGHBOURS = 15
Bools = NDArray[np.bool_]


@torch.no_grad()
def between(source: Encoder, tuned: Encoder, strength: float) -> Encoder:
    """An encoder so far from the source's weights to the tuned ones.

    Of merged adapters that is the adapters at this strength, of a fine-tuned encoder the
    interpolation of Wortsman et al. 2022, arXiv:2109.01903.
    """
    part, goal = copy.deepcopy(source), tuned.state_dict()
    for name, tensor in part.state_dict().items():
        if tensor.is_floating_point():
            tensor.lerp_(goal[name], strength)
    return part


def neighbours_agree(
    held_ne: np.ndarray, known_ke: np.ndarray, held_n: np.ndarray, known_k: np.ndarray
) -> Bools:
    """Whether the commonest type among the nearest known cells is a held-out one's own ``(n,)``.

    Of the ``NEIGHBOURS`` nearest, by cosine; a plurality is enough, and of types that are equally
    common the one with the lowest number counts.
    """
    knn = KNeighborsClassifier(NEIGHBOURS, metric="cosine").fit(known_ke, known_k)
    return np.asarray(knn.predict(held_ne) == held_n)


def recalls(agree_n: Bools, held_n: np.ndarray) -> np.ndarray:
    """Share of each type's cells whose neighbours agree ``(t,)``, types in order."""
    said_n = np.where(agree_n, held_n, -1)
    found: np.ndarray = recall_score(
        held_n, said_n, labels=np.unique(held_n), average=None, zero_division=0
    )
    return found


def linear_cka(x_ne: np.ndarray, y_nf: np.ndarray) -> float:
    """Centred kernel alignment with linear kernels (Kornblith et al. 2019, arXiv:1905.00414).

    1 for the same configuration of cells up to rotation and scale; ``nan`` where one is a point.
    """
    x_ne, y_nf = (a - a.mean(axis=0) for a in (np.float64(x_ne), np.float64(y_nf)))
    pairs = (x_ne, y_nf), (x_ne, x_ne), (y_nf, y_nf)
    both, own_x, own_y = (float(np.linalg.norm(a.T @ b)) for a, b in pairs)
    return both**2 / (own_x * own_y) if own_x * own_y > 0 else float("nan")


def neighbour_overlap(x_ne: np.ndarray, y_nf: np.ndarray, k: int = NEIGHBOURS) -> float:
    """Mean share of a cell's ``k`` nearest, itself not counted, that are among them in both."""
    k = min(k, len(x_ne) - 1)
    found = [
        NearestNeighbors(n_neighbors=k, metric="cosine").fit(a).kneighbors(return_distance=False)
        for a in (x_ne, y_nf)
    ]
    shared = [len(set(a) & set(b)) for a, b in zip(*(f.tolist() for f in found), strict=True)]
    return float(np.mean(shared)) / k
