"""Whether one classifier is better than another on the same cells, and how sure that is.

Shapes: ``n`` cells, ``d`` of them on which the two differ, ``u`` units, ``s`` swaps, ``t`` types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip_align.resample import bootstrap_weights, interval
from clip_align.scimilarity.weighted_f1 import Ints, confusions, macro_f1_of

SWAPS, AT_ONCE = 999, 111
FEW: Final = 10  # cells on which one is right and the other wrong, below which nothing is said


@dataclass(frozen=True, kw_only=True)
class Gain:
    """Macro-F1 of one less that of another.

    ``low`` and ``high`` are the 95 % bootstrap interval over units, cells or donors; ``p`` is that
    of swapping the two answers of units at random (approximate randomisation, Yeh 2000,
    arXiv:cs/0008005). One is right where the other is wrong in ``better`` cells, and wrong where it
    is right in ``worse``.
    """

    value: float
    low: float
    high: float
    p: float
    better: int
    worse: int
    unit: str
    n_units: int

    def __str__(self) -> str:
        told = f"right where it is wrong in {self.better} cells, wrong where it is right in "
        told += f"{self.worse}"
        if self.better + self.worse < FEW:
            return f"{self.value:+.3f}, of too few cells to tell: {told}"
        return (
            f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}] (95 % interval over "
            f"{self.n_units} {self.unit}s, paired; p {self.p:.3f} by swapping answers); {told}"
        )


def macro_f1_gain(
    true_n: Ints,
    found_n: Ints,
    other_n: Ints,
    n_types: int,
    *,
    names: Sequence[str],
    donors: Sequence[str] | None = None,
) -> Gain:
    """What ``found_n`` has over ``other_n``; units are whole donors where they are given.

    It is what these units show: another training, or other donors, are not in it.
    """
    strata = true_n.astype(str).tolist() if donors is None else None
    weights_bn = bootstrap_weights(names, dataset="evaluation", strata=strata, donors=donors)
    weights_bn = np.vstack([np.ones(len(true_n)), weights_bn])  # the figure itself comes first
    one_b, other_b = (
        macro_f1_of(confusions(true_n, said, weights_bn, n_types)) for said in (found_n, other_n)
    )
    gain_b = one_b - other_b
    low, high = interval(gain_b[1:])
    unit_n = np.arange(len(true_n)) if donors is None else np.unique(donors, return_inverse=True)[1]
    swapped_s = _swapped(true_n, found_n, other_n, n_types, unit_n)
    as_far = np.abs(swapped_s) >= abs(gain_b[0]) - 1e-12
    right_n, other_right_n = found_n == true_n, other_n == true_n
    return Gain(
        value=float(gain_b[0]), low=low, high=high, p=float((1 + as_far.sum()) / (1 + SWAPS)),
        better=int((right_n & ~other_right_n).sum()), worse=int((other_right_n & ~right_n).sum()),
        unit="cell" if donors is None else "donor", n_units=len(np.unique(unit_n)),
    )  # fmt: skip


def _swapped(
    true_n: Ints, found_n: Ints, other_n: Ints, n_types: int, unit_n: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Differences ``(s,)`` after the answers of units changed sides at random."""
    differ_n = found_n != other_n
    alike_1tt = confusions(
        true_n[~differ_n], found_n[~differ_n], np.ones((1, int((~differ_n).sum()))), n_types
    )
    true_d, found_d, other_d = (x[differ_n] for x in (true_n, found_n, other_n))
    rng, n_units = np.random.default_rng(0), int(unit_n.max()) + 1
    parts = []
    for _ in range(SWAPS // AT_ONCE):
        kept_sd = rng.integers(2, size=(AT_ONCE, n_units))[:, unit_n[differ_n]].astype(float)
        as_one_stt, as_other_stt = (
            alike_1tt
            + confusions(true_d, found_d, kept, n_types)
            + confusions(true_d, other_d, 1 - kept, n_types)
            for kept in (kept_sd, 1 - kept_sd)
        )
        parts.append(macro_f1_of(as_one_stt) - macro_f1_of(as_other_stt))
    return np.concatenate(parts)
