"""MatchCLOT (Gossi 2023, doi:10.1093/bib/bbad130): contrastive learning, then optimal transport.

Shapes: ``n`` cells, ``g`` genes, ``m`` markers, ``d`` axes, ``k`` of a pool.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from benchmarks.baselines.base import Floats, cosine, pair_accuracy
from benchmarks.matchers._links import REMEDY
from benchmarks.matchers._seeded import seeded
from benchmarks.matchers.base import PROFILE, InOneSpace, Lesson, matchers
from benchmarks.packages import version_of
from benchmarks.peers.base import quietly
from representations.errors import InputError
from representations.threads import one_thread

PACKAGE = "matchclot"
MODULES = ("embedding.models", "matching.matching", "preprocessing.preprocess",
           "utils.hyperparameters")  # fmt: skip
TRAIN, HELD, QUERY = "train", "validation", "query"
Sides = dict[str, np.ndarray]  # values of training, validation and query rows


@matchers.register("matchclot")
@dataclass(kw_only=True)
class MatchClot(InOneSpace):
    """Its preprocessing, towers, loss, settings for antibodies and transport, in a loop of ours.

    Its own loop is a script for the files of a competition. As there, genes go through LSI of
    training and query cells, and both sides through Harmony between them (transductive). The best
    of all epochs is kept, which pair accuracy on validation pairs decides, where the script counts
    hits within batches. Its batches of 16,384, of which the competition had four, are four here
    too, smaller ones. A pool's similarity is its transport plan.
    """

    max_epochs: int = 7000
    patience: int = 150
    batches: int = 4
    transport: Any = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        if min(self.max_epochs, self.patience, self.batches) < 1:
            raise InputError("matchclot: give one epoch or more")

    def settings(self) -> dict[str, Any]:
        """Epochs at most, epochs to wait for a better one, batches an epoch."""
        return {
            "max_epochs": self.max_epochs, "patience": self.patience, "batches": self.batches,
            "hyperparameters": "defaults_GEX2ADT",
        }  # fmt: skip

    def fit(self, lesson: Lesson) -> Self:
        """Learn from training pairs; validation pairs say when to stop."""
        self.told = {PACKAGE: version_of(PACKAGE, REMEDY)}
        models, matching, preprocess, hyper = (
            importlib.import_module(f"{PACKAGE}.{name}") for name in MODULES
        )
        self.transport, how = matching.OT_matching, hyper.defaults_GEX2ADT
        with seeded(lesson.seed):
            cells, profiles = _prepared(preprocess, lesson, how)
            with one_thread():  # Harmony takes all of them
                model = _model(models, how, *(side[TRAIN].shape[1] for side in (profiles, cells)))
                self._train(models, model, how, cells, profiles)
                self.profile_nd, self.cell_nd = _placed(model, profiles[QUERY], cells[QUERY])
        return self

    def similarity(self, cells_k: np.ndarray, profiles_k: np.ndarray) -> Floats:
        """Mass that the plan moves from each cell to each profile."""
        with quietly():
            plan_kk: Floats = self.transport(super().similarity(cells_k, profiles_k))
        return plan_kk

    def _train(
        self, models: Any, model: Any, how: Mapping[str, Any], cells: Sides, profiles: Sides
    ) -> None:
        import torch

        known = [torch.from_numpy(side[TRAIN]) for side in (profiles, cells)]
        steps = torch.optim.Adam(model.parameters(), how["LR"], weight_decay=how["WEIGHT_DECAY"])
        best, best_epoch, weights = -np.inf, 0, None
        for epoch in range(self.max_epochs):
            model.train()
            for rows in torch.randperm(len(known[0])).chunk(self.batches):
                logits = model(*(side[rows] for side in known))[0]
                steps.zero_grad()
                models.symmetric_npair_loss(logits, torch.arange(len(rows))).backward()
                steps.step()
            score = pair_accuracy(cosine(*_placed(model, profiles[HELD], cells[HELD])))
            if score > best:
                best, best_epoch, weights = score, epoch, copy.deepcopy(model.state_dict())
            if epoch - best_epoch >= self.patience:
                break
        model.load_state_dict(weights)
        self.told["epochs"] = f"{best_epoch + 1} of {epoch + 1}"


def _prepared(preprocess: Any, lesson: Lesson, how: Mapping[str, Any]) -> tuple[Sides, Sides]:
    """Both sides as its towers take them, training and query cells brought together."""
    parts = {TRAIN: lesson.train, HELD: lesson.validation, QUERY: lesson.query}
    axes = min(how["N_LSI_COMPONENTS_GEX"], lesson.train.n_vars - 2)
    lsi = preprocess.lsiTransformer(n_components=axes, drop_first=True)
    used = np.asarray(sum(x.X.sum(axis=0) for x in (lesson.train, lesson.query))).ravel() > 0
    lsi.fit(AnnData(sp.vstack([lesson.train.X, lesson.query.X], format="csr")[:, used]))
    cells = {name: lsi.transform(part[:, used]) for name, part in parts.items()}
    profiles = {x: pd.DataFrame(parts[x].obsm[PROFILE]) for x in (TRAIN, HELD)}
    profiles[QUERY] = pd.DataFrame(lesson.profiles.layers[PROFILE])
    return _together(preprocess, cells), _together(preprocess, profiles)


def _together(preprocess: Any, sides: Mapping[str, pd.DataFrame]) -> Sides:
    batched = [side.assign(batch=QUERY if x == QUERY else TRAIN) for x, side in sides.items()]
    moved = preprocess.harmony(batched, use_gpu=False)
    return {x: np.asarray(side, np.float32) for x, side in zip(sides, moved, strict=True)}


def _model(models: Any, how: Mapping[str, Any], n_markers: int, n_axes: int) -> Any:
    sides = ("ADT", "GEX")
    return models.Modality_CLIP(
        Encoder=models.Encoder,
        layers_dims=tuple([how[f"LAYERS_DIM_{side}{i}"] for i in range(2)] for side in sides),
        dropout_rates=tuple([how[f"DROPOUT_RATES_{side}{i}"] for i in range(2)] for side in sides),
        dim_mod1=n_markers, dim_mod2=n_axes, output_dim=how["EMBEDDING_DIM"], T=how["LOG_T"],
        noise_amount=how["SFA_NOISE"],
    )  # fmt: skip


def _placed(model: Any, profile_nm: np.ndarray, cell_nd: np.ndarray) -> tuple[np.ndarray, ...]:
    import torch

    with torch.inference_mode():
        given = (torch.from_numpy(x) for x in (profile_nm, cell_nd))
        return tuple(x.numpy() for x in model.eval()(*given)[1:])
