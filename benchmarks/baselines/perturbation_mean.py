"""One answer to every question: the mean marker profile of what is learnt from.

Of activations it is the mean effect, the baseline that is hard to beat where an effect itself is to
be predicted. Where a partner is to be found it is chance by construction: whoever asks, each
candidate has the same place, and one's gain is another's loss.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from benchmarks.baselines.base import Floats, cosine, register


@register("perturbation_mean")
@dataclass(kw_only=True)
class MeanAnswer:
    """Cosine of the mean training profile with each true one, the same in every row."""

    chosen: dict[str, float] = field(default_factory=dict)

    def fit(
        self,
        train_cell_nd: Floats,  # noqa: ARG002 - the protocol of all baselines
        train_marker_nm: Floats,
        val_cell_nd: Floats,  # noqa: ARG002
        val_marker_nm: Floats,  # noqa: ARG002
        *,
        rng: np.random.Generator,  # noqa: ARG002
    ) -> Self:
        """Take the mean profile; no cell is looked at."""
        self._mean_1m = np.asarray(train_marker_nm, np.float64).mean(axis=0, keepdims=True)
        return self

    def similarity(self, cell_nd: Floats, marker_nm: Floats) -> Floats:
        """One row for all: computed once, since ties that rounding breaks would be luck."""
        one_1n = cosine(self._mean_1m, marker_nm)
        return np.repeat(one_1n, len(cell_nd), axis=0)
