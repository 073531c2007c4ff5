"""Weights of blocks, tuned on validation pairs of cells and marker profiles.

Shapes: ``n`` cells, ``d`` columns of all blocks, ``b`` blocks, ``m`` markers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from representations.errors import InputError

STEPS = (0.0, 0.25, 0.5, 2.0, 4.0)
MOST_PAIRS = 2000


def tune_weights(
    train: Mapping[str, np.ndarray],
    train_profile_nm: np.ndarray,
    valid: Mapping[str, np.ndarray],
    valid_profile_nm: np.ndarray,
    *,
    penalty: float = 0.1,
    rounds: int = 2,
    seed: int = 0,
) -> tuple[dict[str, float], float]:
    """Weights of blocks that tell validation cells' marker profiles best apart.

    For each candidate a ridge regression (Hoerl 1970) from the weighted blocks to the profiles is
    fitted on training cells; the score is ``pair_accuracy`` of its predictions on validation pairs.
    Blocks start equal and are scaled in turn by ``STEPS``; a change must raise the score.

    Parameters
    ----------
    train, valid
        Blocks by name, each ``(n, d)`` with total variance 1 (:meth:`Integrated.blocks`).
    train_profile_nm, valid_profile_nm
        Marker profiles, one row for each cell.
    penalty
        Ridge penalty as a share of the mean eigenvalue of the features' covariance.

    Returns
    -------
    Weights by name, summing to 1, and the score they reach on the validation pairs.

    Raises
    ------
    InputError
        Blocks that differ between the two, rows that do not match, or fewer than 2 pairs.
    """
    names = _check_pairs(train, train_profile_nm, valid, valid_profile_nm)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(valid_profile_nm))[:MOST_PAIRS]
    x_nd = np.concatenate([train[name] for name in names], axis=1).astype(np.float64)
    v_nd = np.concatenate([valid[name][rows] for name in names], axis=1).astype(np.float64)
    block_d = np.repeat(np.arange(len(names)), [train[name].shape[1] for name in names])
    mean_d, mean_m = x_nd.mean(axis=0), train_profile_nm.mean(axis=0)
    std_m = np.where(train_profile_nm.std(axis=0) > 0, train_profile_nm.std(axis=0), 1.0)
    y_nm, target_nm = ((y - mean_m) / std_m for y in (train_profile_nm, valid_profile_nm[rows]))
    gram_dd = (x_nd - mean_d).T @ (x_nd - mean_d) / len(x_nd)
    cross_dm = (x_nd - mean_d).T @ y_nm / len(x_nd)

    def score(weight_b: np.ndarray) -> float:
        root_d = np.sqrt(weight_b / weight_b.sum())[block_d]
        weighted_dd = gram_dd * np.outer(root_d, root_d)
        ridge = penalty * np.trace(weighted_dd) / len(root_d) + np.finfo(float).tiny
        coef_dm = np.linalg.solve(
            weighted_dd + ridge * np.eye(len(root_d)), root_d[:, None] * cross_dm
        )
        return pair_accuracy(((v_nd - mean_d) * root_d) @ coef_dm, target_nm)

    weight_b = np.ones(len(names))
    best = score(weight_b)
    for _ in range(rounds):
        for b in range(len(names)):
            tries = [np.where(np.arange(len(names)) == b, weight_b * s, weight_b) for s in STEPS]
            scores = [score(t) if t.sum() > 0 else -np.inf for t in tries]
            if max(scores) > best:
                best, weight_b = max(scores), tries[int(np.argmax(scores))]
    return dict(zip(names, (weight_b / weight_b.sum()).tolist(), strict=True)), best


def pair_accuracy(a_nm: np.ndarray, b_nm: np.ndarray) -> float:
    """Share of cases where a true partner is nearer (cosine) than another, both ways; 0.5: chance.

    Ties count half. This is 1 - FOSCTTM.
    """
    a_nm, b_nm = (
        x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (a_nm, b_nm)
    )
    sim_nn = a_nm @ b_nm.T
    true_n = np.diag(sim_nn)
    above = [np.sign(true - sim_nn) for true in (true_n[:, None], true_n[None, :])]
    n = len(sim_nn)
    return float(0.5 + 0.5 * np.mean([s.sum() for s in above]) / (n * (n - 1)))


def _check_pairs(
    train: Mapping[str, np.ndarray], train_profile_nm: np.ndarray,
    valid: Mapping[str, np.ndarray], valid_profile_nm: np.ndarray,
) -> list[str]:  # fmt: skip
    if set(train) != set(valid) or not train:
        raise InputError(f"blocks differ: {', '.join(train)} in training, {', '.join(valid)} after")
    for blocks, profile_nm in ((train, train_profile_nm), (valid, valid_profile_nm)):
        wrong = [name for name, x in blocks.items() if len(x) != len(profile_nm)]
        if wrong or len(profile_nm) < 2:
            raise InputError(
                f"{len(profile_nm)} marker profiles: at least 2, and one for each row of "
                f"{', '.join(wrong or blocks)}, are expected"
            )
    return list(train)
