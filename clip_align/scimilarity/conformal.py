"""When an annotator says "unknown": conformal tests whose errors are bounded at a stated rate.

Shapes: ``n`` cells, ``t`` types, ``h`` held-out calibration cells, ``k`` known cells, ``d``
features.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clip_align.scimilarity.probabilities import as_probabilities, as_types
from clip_align.scimilarity.typicality import NEIGHBOURS, Typicality
from clip_align.scimilarity.verdict import Verdict, ontology_of
from representations.errors import InputError

ALPHA = 0.1  # one cell in ten is not covered

__all__ = ["Conformal", "Verdict", "ontology_of"]


@dataclass(frozen=True, kw_only=True)
class Conformal:
    """Split conformal abstention at coverage 1 - ``alpha``, which two tests share evenly.

    A cell's set is every type with 1 - p at most a quantile of the calibration cells' scores, 1 - p
    of the true type (Sadinle et al. 2019, JASA 114:223). It is atypical where :class:`Typicality`
    has a p-value below its share. Without features every cell is typical, and ``alpha`` goes to the
    sets alone.

    For a new cell that is exchangeable with those of calibration: it is typical and its type in its
    set at a rate of 1 - ``alpha`` or more; it gets a wrong name at ``alpha`` / 2 or less (``alpha``
    without features). Nothing is promised of cells that are not, as of another laboratory, or where
    calibration cells chose the epoch or fitted the temperature, as those of a run did: its coverage
    is nominal, and held to about. With a share a, fewer than 1 / a - 1 calibration cells can
    promise no less than the set of every type, and 1 / a - 1 or fewer find no cell atypical.

    ``score_h`` is ascending. ``dataclasses.replace`` gives another ``alpha`` from the same cells.
    """

    alpha: float
    n_types: int
    score_h: np.ndarray
    typicality: Typicality | None = None

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha={self.alpha}: choose a value between 0 and 1, such as 0.1")

    @classmethod
    def fit(
        cls, p_ht: np.ndarray, type_h: np.ndarray, z_hd: np.ndarray | None = None,
        z_kd: np.ndarray | None = None, *, alpha: float = 0.1, k: int = NEIGHBOURS,
        rng: np.random.Generator | None = None,
    ) -> Conformal:  # fmt: skip
        """Calibrate on held-out cells, each of a type that the classifier has.

        Parameters
        ----------
        p_ht, type_h
            Probabilities of the calibration cells, and the columns of their true types.
        z_hd, z_kd
            Features of these and of the cells that the classifier learnt from; or neither.
        k, rng
            As :meth:`Typicality.fit` takes them.

        Raises
        ------
        InputError
            ``alpha`` or ``k`` is out of range, there are no calibration cells, or a value is nan.
        """
        p_ht = as_probabilities(p_ht)
        type_h = as_types(type_h, *p_ht.shape, least=0)
        _same(z_hd is None, z_kd is None, "of calibration cells and of known cells")
        typicality = None
        if z_hd is not None and z_kd is not None:
            _same(len(z_hd), len(p_ht), "of as many cells as there are probabilities")
            typicality = Typicality.fit(z_hd, z_kd, k=k, rng=rng)
        score_h = np.sort(1 - p_ht[np.arange(len(type_h)), type_h])
        return cls(alpha=alpha, n_types=p_ht.shape[1], score_h=score_h, typicality=typicality)

    def apply(self, p_nt: np.ndarray, z_nd: np.ndarray | None = None) -> Verdict:
        """Judge cells by their probabilities and, where the fit had them, their features.

        Raises
        ------
        InputError
            Types or features are not those of the fit, or a value is nan.
        """
        p_nt = as_probabilities(p_nt)
        if p_nt.shape[1] != self.n_types:
            raise InputError(f"{p_nt.shape[1]} types: give the {self.n_types} of the calibration")
        _same(z_nd is None, self.typicality is None, "both to calibrate and to judge")
        p_value_n = np.ones(len(p_nt))
        if z_nd is not None and self.typicality is not None:
            _same(len(z_nd), len(p_nt), "of as many cells as there are probabilities")
            p_value_n = self.typicality.p_value(z_nd)
        return Verdict(
            set_nt=1 - p_nt <= self.threshold,
            typical_n=p_value_n >= self.share,
            p_value_n=p_value_n,
        )

    @property
    def share(self) -> float:
        """What each test has of ``alpha``."""
        return self.alpha if self.typicality is None else self.alpha / 2

    @property
    def threshold(self) -> float:
        """Highest score in a set: the calibration cells' quantile at ceil((h + 1) (1 - a)) / h.

        Infinite where that is above 1: then every set holds every type.
        """
        n = len(self.score_h)
        rank = math.ceil(round((n + 1) * (1 - self.share), 9))  # 10 * (1 - .7) is above 3
        return float(self.score_h[rank - 1]) if rank <= n else math.inf

    def state(self) -> dict[str, np.ndarray]:
        """Named arrays, all of what :meth:`from_state` needs."""
        parts = {**vars(self), **({} if self.typicality is None else vars(self.typicality))}
        return {name: np.asarray(x) for name, x in parts.items() if name != "typicality"}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> Conformal:
        """As it was saved; ``InputError`` where an array is missing."""
        needed = {"alpha", "n_types", "score_h"}
        needed |= {"k", "known_kd", "distance_h"} if "known_kd" in state else set()
        if missing := sorted(needed - state.keys()):
            raise InputError(f"abstention without {', '.join(missing)}: calibrate it again")
        near = None
        if "known_kd" in state:
            near = Typicality(
                k=int(state["k"]), known_kd=state["known_kd"], distance_h=state["distance_h"]
            )
        return cls(
            alpha=float(state["alpha"]), n_types=int(state["n_types"]),
            score_h=state["score_h"], typicality=near,
        )  # fmt: skip


def alpha_of(coverage: float) -> float:
    """1 - coverage; ``InputError`` where that is no share."""
    if not 0 < coverage < 1:
        raise InputError(f"coverage={coverage}: choose a share above 0 and below 1, such as 0.9")
    return 1 - coverage


def least_cells(share: float) -> int:
    """Calibration cells with which a test of that share can leave out a type: 1 / share - 1."""
    return math.ceil(round(1 / share - 1, 9))


def _same(one: int, other: int, whose: str) -> None:
    if one != other:
        raise InputError(f"features do not match: give them {whose}, or none at all")
