"""Arms of an evaluation, drawn or by hand."""

from __future__ import annotations

import numpy as np

from clip_align.scimilarity.evaluation import Arm

TYPES = ("B", "NK", "T", "rare")
TRUE = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
FOUND = np.array([0, 0, 1, 1, 1, 0, 2, 2, 2, 3])


def one_hot(found_n: np.ndarray, t: int = len(TYPES), *, sure: float = 0.85) -> np.ndarray:
    """Probabilities whose likeliest type is the one found."""
    p_nt = np.full((len(found_n), t), (1 - sure) / (t - 1))
    p_nt[np.arange(len(found_n)), found_n] = sure
    return p_nt


def drawn(seed: int, n: int = 80, t: int = 5, *, name: str = "drawn") -> tuple[Arm, np.ndarray]:
    """An arm that is right more often than not; a type may occur on one side alone."""
    rng = np.random.default_rng(seed)
    type_n = rng.integers(0, t - 1 if seed % 2 else t, n)
    p_nt = rng.dirichlet(np.full(t, 0.5), n)
    p_nt[np.arange(n), type_n] += 0.5
    z_ne = rng.normal(size=(n, 8)).astype(np.float32)
    z_ne /= np.linalg.norm(z_ne, axis=1, keepdims=True)
    return Arm(name=name, p_nt=p_nt / p_nt.sum(axis=1, keepdims=True), z_ne=z_ne), type_n


def names(t: int) -> tuple[str, ...]:
    return tuple(f"type {i}" for i in range(t))
