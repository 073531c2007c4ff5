"""Cells ranked by gates: area under the curve, and precision among as many cells as are wanted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from benchmarks.metrics.base import Metric, register

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RankedCells:
    """Scores ``(g, n)`` of cells, one row a gate; wanted is 1, 0, or -1 for not judged."""

    gates: tuple[str, ...]
    score_gn: Floats
    wanted_gn: NDArray[np.int8]

    def only(self, gate: int) -> RankedCells:
        """One gate."""
        rows = slice(gate, gate + 1)
        return RankedCells(
            gates=self.gates[rows], score_gn=self.score_gn[rows], wanted_gn=self.wanted_gn[rows]
        )


def _by_score(score_n: Floats, wanted_n: NDArray[np.int8], weights_bn: Floats) -> list[Floats]:
    """Weight of wanted cells and of the others at each score, (B, S), the best score first."""
    judged_n = wanted_n >= 0
    kinds, place_n = np.unique(-score_n[judged_n], return_inverse=True)
    found = []
    for kind in (1, 0):
        rows = np.flatnonzero(wanted_n[judged_n] == kind)
        member = csr_matrix(
            (np.ones(len(rows)), (rows, place_n[rows])), shape=(judged_n.sum(), len(kinds))
        )
        found.append(np.asarray(weights_bn[:, judged_n] @ member))
    return found


def _auroc(right_bs: Floats, wrong_bs: Floats) -> Floats:
    """A wanted cell before another one, ties one half."""
    below_bs = wrong_bs.sum(axis=1, keepdims=True) - wrong_bs.cumsum(axis=1) + wrong_bs / 2
    pairs_b = right_bs.sum(axis=1) * wrong_bs.sum(axis=1)
    area_b: Floats = (right_bs * below_bs).sum(axis=1) / pairs_b
    return area_b


def _precision(right_bs: Floats, wrong_bs: Floats) -> Floats:
    """Share of wanted cells among the best, as many as are wanted; a tie is taken in shares."""
    both_bs, wanted_b1 = right_bs + wrong_bs, right_bs.sum(axis=1, keepdims=True)
    room_bs = np.clip(wanted_b1 - (both_bs.cumsum(axis=1) - both_bs), 0.0, both_bs)
    taken_bs = np.divide(room_bs, both_bs, out=np.zeros_like(both_bs), where=both_bs > 0)
    found_b: Floats = (right_bs * taken_bs).sum(axis=1) / wanted_b1[:, 0]
    return found_b


def _wanted_share(given: RankedCells) -> float:
    shares = [np.mean(wanted_n[wanted_n >= 0] == 1) for wanted_n in given.wanted_gn]
    return float(np.mean(shares))


def _population(given: RankedCells) -> tuple[int, None]:
    return int((given.wanted_gn >= 0).any(axis=0).sum()), None


def _support(given: RankedCells) -> Mapping[str, int]:
    counts = (given.wanted_gn == 1).sum(axis=1).tolist()
    return dict(zip(given.gates, counts, strict=True))


def _metric(
    name: str,
    figure: Callable[[Floats, Floats], Floats],
    chance: Callable[[RankedCells], float],
) -> Metric[RankedCells]:
    """The mean over gates, each alike; its parts are that and each gate by itself."""

    def values(given: RankedCells, weights_bn: Floats) -> Floats:
        found = [
            figure(*_by_score(score_n, wanted_n, weights_bn))
            for score_n, wanted_n in zip(given.score_gn, given.wanted_gn, strict=True)
        ]
        mean_b: Floats = np.mean(found, axis=0)
        return mean_b

    def part(k: int, gate: str) -> Metric[RankedCells]:
        return dataclasses.replace(
            mean,
            name=f"{name}[{gate}]",
            values=lambda given, weights_bn: values(given.only(k), weights_bn),
            chance=lambda given: chance(given.only(k)),
            population=lambda given: _population(given.only(k)),
            support=lambda given: _support(given.only(k)),
            parts=None,
        )

    def parts(given: RankedCells) -> Sequence[Metric[RankedCells]]:
        each = [part(k, gate) for k, gate in enumerate(given.gates)]
        return [dataclasses.replace(mean, parts=None), *each]

    mean: Metric[RankedCells] = Metric(
        name=name, family="gates", higher_is_better=True, bounds=(0.0, 1.0), values=values,
        population=_population, chance=chance, support=_support, parts=parts,
    )  # fmt: skip
    return mean


register(_metric("auroc", _auroc, lambda _: 0.5), _metric("precision", _precision, _wanted_share))
