"""Training on a query whose pairs are not known: partners are drawn, known pairs are kept beside.

In each step a cell's partner is drawn from a plan anew, and the pairs of a batch share in each
other as the plan has it, so that the model learns what the plan is sure of and not its mistakes.
What the plan cannot tell, which profile among like ones a cell has,
is learnt from known pairs of other cells, each set among its own negatives.

Shapes: ``n`` cells and ``m`` profiles of the query, ``d`` features, ``v`` markers, ``b`` of the
cells in a batch, ``e`` embedding dimensions.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from clip_align.config import TrainConfig
from clip_align.losses.shares import Shares
from clip_align.members import mean_loss
from clip_align.models import DiffMapProteinCLIP
from clip_align.pairs import UNLABELLED, PairedCells, epoch_steps
from clip_align.seeding import seeded
from clip_align.trainer import Trainer
from representations.threads import one_thread


class Replay(NamedTuple):
    """Known pairs, and the weight of their loss."""

    pairs: PairedCells
    weight: float


class Student(Trainer):
    """A model on its way, whose query has cells and profiles and no pairs.

    ``plan_nm`` is of :mod:`.matching`. ``query`` has cells with the mean of the profiles that they
    are matched with; a step draws one of the profiles themselves.
    """

    def __init__(
        self, query: PairedCells, profile_mv: np.ndarray, config: TrainConfig, plan_nm: np.ndarray,
        replay: Replay | None,
    ) -> None:  # fmt: skip
        super().__init__(query, config)
        self.model.marker.standardise.fit(profile_mv)
        self.profile_mv = torch.from_numpy(np.ascontiguousarray(profile_mv, np.float32))
        self.plan_nm, self.replay = torch.from_numpy(plan_nm), replay
        self.drawn_b = torch.empty(0, dtype=torch.long)  # partners of the batch at hand
        if replay is not None:
            self.known_nd, self.known_nv = replay.pairs.tensors()

    def _profiles(self, index_b: Tensor) -> Tensor:
        self.drawn_b = torch.multinomial(self.plan_nm[index_b], 1)[:, 0]
        return self.profile_mv[self.drawn_b]

    def loss_of(
        self, index_b: Tensor, cell_be: Tensor, marker_be: Tensor, scale: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """Loss of the query's batch, whose partners share as the plan does, and of known pairs."""
        members = self.config.model.members
        aligned = self.known.aligned(cell_be, marker_be, scale, index_b)
        loss = mean_loss(Shares(self.plan_nm[index_b][:, self.drawn_b]), aligned, members)
        if self.replay is None:
            return loss, {}
        drawn_b = torch.randint(len(self.known_nd), (len(index_b),))
        sides = self.embed(self.known_nd[drawn_b], self.known_nv[drawn_b])
        # Types and profiles are of the query's rows: a loss that reads them is refused before.
        aligned = self.known.aligned(*sides, self.model.temperature(sides[0]), index_b)
        known = mean_loss(self.loss, aligned, members)
        return loss + self.replay.weight * known, {"train/known_loss": known.item()}


def taught(
    features_nd: np.ndarray,
    profile_mv: np.ndarray,
    plan_nm: np.ndarray,
    config: TrainConfig,
    *,
    steps: int,
    known: Replay | None = None,
    progress: bool = True,
) -> DiffMapProteinCLIP:
    """A model of features and profiles whose partners a plan gives.

    Parameters
    ----------
    features_nd, profile_mv
        Cells ``(n, d)`` and profiles ``(m, v)`` of the query.
    plan_nm
        Shares ``(n, m)`` float32 of the profiles in each cell; rows sum to 1.
    config, steps
        The training; steps take the place of its epochs, in whole passes over the query.
    known
        Pairs that are learnt beside, in the same features and markers.

    Raises
    ------
    InputError
        Features or profiles that are not finite.
    NonFiniteError
        Before an update that would spread nan.
    """
    blank = np.full(len(features_nd), UNLABELLED)
    query = PairedCells(
        cell_nd=features_nd, marker_nm=plan_nm @ profile_mv, ids_n=blank, types_n=blank
    )
    epochs = math.ceil(steps / epoch_steps(len(query), config.batch_size))
    # Here, after features were fitted: the first kernel of numba in a process sets more.
    with seeded(config.seed), one_thread():
        trainer = Student(query, profile_mv, replace(config, epochs=epochs), plan_nm, known)
        for _ in tqdm(range(epochs), desc="adapting", unit="epoch", leave=False,
                      disable=None if progress else True):  # fmt: skip
            trainer.epoch()
    trainer.model.eval()
    return trainer.model
