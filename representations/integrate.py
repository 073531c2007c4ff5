"""``X_integrated``: several representations in one space, each block with a stated share of it.

Shapes: ``n`` cells, ``d`` columns of a block, ``D`` columns of all blocks, ``m`` markers.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from anndata import AnnData

from representations import registry
from representations.base import Coordinates, FitRecord, Representation, Statistics, current
from representations.coverage import may_miss_blocks
from representations.errors import InputError
from representations.integrated_config import IntegratedConfig, check_names
from representations.rebuilt import rebuilt
from representations.registry import register
from representations.robust import Scale, match_columns
from representations.saved import part, prefixed


@register
class Integrated(Representation):
    """Blocks side by side, each clipped robustly and given a stated share of the variance.

    Each column has the median of the training cells subtracted and is clipped to ``clip`` of their
    robust deviations (interquartile range / 1.349), and each block is divided by the root of its
    total variance: weights are then shares of the variance, and a column has variance 1 on average.
    A weight of 0 leaves zeros.

    A cell that a block cannot reach has zeros there, the training median; it is flagged where no
    block reaches it. So has every cell where a block cannot place a query, and
    :func:`representations.coverage.missing_blocks` allows that; ``notes`` say so, and how many
    values were clipped. With ``statistics="own"`` the query's cells, without labels, set the
    correction named by ``config.own``: that is transductive, to be declared.

    Confidence is the mean over blocks, by their shares, of the block's own confidence (1 where it
    has none, 0 where it does not reach the cell) times the share of its values inside the bounds.
    """

    name = "integrated"
    Config = IntegratedConfig
    config: IntegratedConfig

    def __init__(
        self,
        config: IntegratedConfig | None = None,
        *,
        fitted: Mapping[str, Representation] | None = None,
    ) -> None:
        """``fitted`` blocks, by name, are taken as they are: fit on the cells they have seen."""
        super().__init__(config)
        self.fitted = dict(fitted or {})
        check_names("fitted", self.fitted, self.config.blocks)
        taken = {name: rep.config for name, rep in self.fitted.items()}
        self.config = replace(self.config, configs={**self.config.configs, **taken})
        self._start()

    def _start(self) -> None:
        """Unfitted blocks: those of before may be shared with a reweighted copy."""
        configs = self.config.configs
        self.parts = {name: registry.get(name)(configs[name]) for name in self.config.blocks}
        self.scales: dict[str, Scale] = {}

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes that any block reads."""
        return tuple(sorted({gene for rep in self.parts.values() for gene in rep.genes}))

    @property
    def shares(self) -> dict[str, float]:
        """Weight of each block of the fit; they sum to 1."""
        return self.config.shares({name: scale.width for name, scale in self.scales.items()})

    def blocks(self, adata: AnnData, *, statistics: Statistics = "train") -> dict[str, np.ndarray]:
        """Each block, scaled, before its weight: ``(n, d)`` with total variance 1 in training."""
        found = self._blocks(adata, statistics)
        return {name: self.scales[name].apply(c, self.config.clip)[0] for name, c in found.items()}

    def clipped(self, adata: AnnData, *, statistics: Statistics = "train") -> np.ndarray:
        """How many of each cell's values lie out of bounds and were clipped, ``(n,)``."""
        found, clip_n = self._blocks(adata, statistics), np.zeros(adata.n_obs, dtype=int)
        for name, placed in found.items():
            clip_n += self.scales[name].apply(placed, self.config.clip)[1].sum(axis=1)
        return clip_n

    def reweighted(
        self, weights: Mapping[str, float], *, tuned_on: Sequence[str] = ()
    ) -> Integrated:
        """A copy with other weights; nothing is fitted again.

        ``tuned_on`` names the cells that chose the weights, as ``tune_weights`` does on validation
        pairs; they go into the record.
        """
        record, other = self.record, copy.copy(self)
        other.config = replace(self.config, weights=dict(weights))
        facts = {**record.facts, "weights": other.shares, "variance_shares": other._varying()}
        facts["tuned_on"] = list(tuned_on)
        params = {**record.params, "weights": other.config.weights}
        other._record = replace(record, params=params, facts=facts)
        return other

    def _fit(self, adata: AnnData) -> tuple[Coordinates, dict[str, Any]]:
        self._start()
        placed, clip_share = {}, {}
        for name, rep in self.parts.items():
            placed[name] = self._fitted_part(name, rep, adata).place(adata)
            equal = self.config.equal_columns
            self.scales[name] = Scale.fit(placed[name], self.config.clip, equal=equal)
            outside_nd = self.scales[name].apply(placed[name], self.config.clip)[1]
            clip_share[name] = float(outside_nd.mean())
        records = {name: rep.record for name, rep in self.parts.items()}
        return self._join(placed), {
            "backend": "; ".join(f"{name}: {r.backend}" for name, r in records.items()),
            "columns": [_column(name, c) for name, r in records.items() for c in r.columns],
            "labels_used": sorted({label for r in records.values() for label in r.labels_used}),
            "weights": self.shares,
            "variance_shares": self._varying(),
            "clipped_share": clip_share,
            "unreached": {name: int((~p.reached_n).sum()) for name, p in placed.items()},
            "blocks": {name: _without_cells(r) for name, r in records.items()},
        }

    def _fitted_part(self, name: str, rep: Representation, adata: AnnData) -> Representation:
        if name not in self.fitted:
            rep.progress = self.progress
            return rep.fit(adata)
        self.parts[name] = self.fitted[name]
        if self.parts[name].record.cells != tuple(map(str, adata.obs_names)):
            raise InputError(f"the fitted block {name!r} saw other cells: fit it on these")
        return self.parts[name]

    def _place(self, adata: AnnData, statistics: Statistics) -> Coordinates:
        return self._join(self._blocks(adata, statistics))

    def _blocks(self, adata: AnnData, statistics: Statistics) -> dict[str, Coordinates]:
        """Cells in each block, moved to the training columns where asked."""
        _ = self.record
        own = self.config.own if statistics == "own" else None
        genes: Statistics = "own" if own in ("genes", "both") else "train"
        found, failed = dict[str, Coordinates](), dict[str, InputError]()
        for name, rep in self.parts.items():
            try:
                found[name] = rep.place(adata, statistics=genes)
            except InputError as error:
                failed[name] = error
        if failed and (not found or not may_miss_blocks()):
            name, why = next(iter(failed.items()))
            raise InputError(f"block {name!r}: {why}") from why
        found |= {name: self._missing(name, adata.n_obs, why) for name, why in failed.items()}
        if own in ("columns", "both"):
            found = {name: match_columns(c, self.scales[name]) for name, c in found.items()}
        return found

    def _missing(self, name: str, n: int, why: InputError) -> Coordinates:
        """A block that is at the training median for every cell."""
        return Coordinates(
            x_nd=np.zeros((n, self.scales[name].width)),
            reached_n=np.zeros(n, dtype=bool),
            notes=(f"block {name!r} is missing, its columns at the training median: {why}",),
        )

    def _join(self, found: dict[str, Coordinates]) -> Coordinates:
        shares = self.shares
        width = sum(scale.width for name, scale in self.scales.items() if shares[name] > 0)
        x, reached, sure, notes = [], [], [], list[str]()
        for name in self.parts:
            placed = found[name]
            x_nd, outside_nd = self.scales[name].apply(placed, self.config.clip)
            notes += [*placed.notes, *_clipped(name, outside_nd, self.config.clip)]
            x.append(x_nd * np.float32(np.sqrt(shares[name] * width)))
            reached.append(placed.reached_n)
            own_n = placed.reached_n if placed.confidence_n is None else placed.confidence_n
            inside_n = 1 - outside_nd.mean(axis=1)
            sure.append(shares[name] * own_n * placed.reached_n * inside_n)
        return Coordinates(
            x_nd=np.concatenate(x, axis=1),
            reached_n=np.any(reached, axis=0),
            confidence_n=np.clip(np.sum(sure, axis=0), 0, 1),
            notes=tuple(notes),
        )

    def _varying(self) -> dict[str, float]:
        """Shares of the training variance; those of the weights, but where a block is constant."""
        kept = {n: share * float(self.scales[n].varies[0]) for n, share in self.shares.items()}
        total = sum(kept.values()) or 1.0
        return {name: share / total for name, share in kept.items()}

    def _state(self) -> dict[str, np.ndarray]:
        state: dict[str, np.ndarray] = {}
        for i, (name, rep) in enumerate(self.parts.items()):
            state |= prefixed(f"{i}.block", rep._state())
            state |= prefixed(f"{i}.scale", asdict(self.scales[name]))
        return state

    def _load_state(self, state: dict[str, np.ndarray]) -> None:
        for i, (name, rep) in enumerate(self.parts.items()):
            about = self.record.facts["blocks"][name]
            record = rebuilt(FitRecord, {**about, "cells": self.record.cells})
            rep._record = current(type(rep), record)
            rep._load_state(part(f"{i}.block", state))
            self.scales[name] = Scale(**part(f"{i}.scale", state))


def _clipped(name: str, outside_nd: np.ndarray, clip: float) -> list[str]:
    if not outside_nd.any():
        return []
    cells, values = int(outside_nd.any(axis=1).sum()), int(outside_nd.sum())
    return [
        f"block {name!r}: {values} of {outside_nd.size} values, in {cells} cells, were clipped to "
        f"{clip:g} robust deviations from the training median"
    ]


def _column(block: str, column: str) -> str:
    return column if column.startswith(f"{block}_") else f"{block}_{column}"


def _without_cells(record: FitRecord) -> dict[str, Any]:
    about = asdict(record)
    del about["cells"]  # the same for every block
    return about
