"""Task ``k562_leaking``: the profile task inside K562, split with no regard to shared genes.

What ``k562_inside`` must not do, and by how much that matters: activations are held out at random,
of one gene or two, and what shares a gene with them is learnt from.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from benchmarks.tasks import tasks
from benchmarks.tasks.k562_inside import HELD, VALIDATION, InsideCells
from benchmarks.tasks.k562_profile import K562Profile


class LeakingCells(InsideCells):
    """Effects on both sides, split by activation."""

    @cached_property
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows to learn from, to choose on, and to ask of."""
        rows = np.random.default_rng(self.seed).permutation(self.query.n_obs)
        asked, free = rows[:HELD], rows[HELD:]
        cut = round(VALIDATION * len(free))
        return np.sort(free[cut:]), np.sort(free[:cut]), np.sort(asked)


@tasks.register("k562_leaking")
class K562Leaking(K562Profile):
    """Effects on other genes against effects on the panel's, relatives of what is asked learnt."""

    Cells = LeakingCells
