"""Random similarities: what no knowledge at all scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Self

import numpy as np

from benchmarks.baselines.base import Floats, register


@register("chance")
@dataclass(kw_only=True)
class Chance:
    """Independent uniform similarities.

    Not those of random embeddings, among which some candidates are near to many queries: cells
    would then share their luck, and an interval over cells would be too narrow.

    They are seeded by the generator given to ``fit`` and by the rows asked about: the same question
    has the same answer, while two pools of one size do not share their luck.
    """

    chosen: dict[str, float] = field(default_factory=dict)
    _seed: int = 0

    def fit(
        self,
        train_cell_nd: Floats,  # noqa: ARG002 - the protocol of all baselines
        train_marker_nm: Floats,  # noqa: ARG002
        val_cell_nd: Floats,  # noqa: ARG002
        val_marker_nm: Floats,  # noqa: ARG002
        *,
        rng: np.random.Generator,
    ) -> Self:
        """Draw a seed; the pairs are not looked at."""
        self._seed = int(rng.integers(2**63))
        return self

    def similarity(self, cell_nd: Floats, marker_nm: Floats) -> Floats:
        """Uniform numbers."""
        digest = blake2b(np.ascontiguousarray(cell_nd).tobytes(), digest_size=8).digest()
        rng = np.random.default_rng([self._seed, int.from_bytes(digest, "little")])
        similarity_nn: Floats = rng.random((len(cell_nd), len(marker_nm)))
        return similarity_nn
