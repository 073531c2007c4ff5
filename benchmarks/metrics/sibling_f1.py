"""Macro-F1 of sibling types: which of two a query's nearest partner says it is.

As in ``sibling_confusion`` the pool is cut down to the two types. F1 also asks how many of those
called by a type are of it, so a rare type that swallows its sibling's cells is no success. The
headline is the mean over pairs, each pair alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.base import Metric, register
from benchmarks.metrics.siblings import Siblings

Floats = NDArray[np.float64]
NAME = "sibling_macro_f1"


@dataclass(frozen=True, kw_only=True)
class SiblingPairs:
    """Pairs of types; ``places`` are the columns of the weights that each pair's queries have."""

    pairs: tuple[Siblings, ...]
    places: tuple[NDArray[np.int64], ...]


def _macro_f1(given: Siblings, share_nt: Floats, weights_bn: Floats) -> Floats:
    """Mean F1 of the two types, from the weight of each (true, called) pair; (B,)."""
    labels, codes_n = given.evidence.labels, given.evidence.codes_n
    sides = [labels.index(given.first), labels.index(given.second)]
    confusion_tbp = np.stack(
        [weights_bn[:, codes_n == t] @ share_nt[codes_n == t][:, sides] for t in sides]
    )
    right_bt = np.stack([confusion_tbp[k, :, k] for k in range(2)], axis=1)
    called_bt, true_bt = confusion_tbp.sum(axis=0), confusion_tbp.sum(axis=2).T
    mean_b: Floats = np.mean(2.0 * right_bt / (called_bt + true_bt), axis=1)
    return mean_b


def _values(given: SiblingPairs, weights_bn: Floats) -> Floats:
    found = [
        _macro_f1(pair, pair.evidence.top_nt, weights_bn[:, place])
        for pair, place in zip(given.pairs, given.places, strict=True)
    ]
    mean_b: Floats = np.mean(found, axis=0)
    return mean_b


def _chance(given: SiblingPairs) -> float:
    """Each answer drawn from the pool of its query."""
    found = []
    for pair in given.pairs:
        mix_nt = np.asarray(pair.evidence.mix_nt)
        found.append(_macro_f1(pair, mix_nt, np.ones((1, len(mix_nt))))[0])
    return float(np.mean(found))


def _population(given: SiblingPairs) -> tuple[int, int]:
    """Queries in any pair, and the largest of the pools."""
    pools = [int(pair.evidence.scores.pool_n.max()) for pair in given.pairs]
    return len(np.unique(np.concatenate(given.places))), max(pools)


def _support(given: SiblingPairs) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for pair in given.pairs:
        labels, codes_n = pair.evidence.labels, pair.evidence.codes_n
        for name in (pair.first, pair.second):
            # a type of two pairs may meet its sibling in fewer pools in one of them
            count = int(np.sum(codes_n == labels.index(name)))
            found[name] = min(count, found.get(name, count))
    return found


def _parts(given: SiblingPairs) -> Sequence[Metric[SiblingPairs]]:
    """The mean, then each pair by itself."""
    pairs = [_pair(k, pair) for k, pair in enumerate(given.pairs)]
    return [dataclasses.replace(METRIC, parts=None), *pairs]


def _pair(k: int, pair: Siblings) -> Metric[SiblingPairs]:
    def only(given: SiblingPairs) -> SiblingPairs:
        return SiblingPairs(pairs=given.pairs[k : k + 1], places=given.places[k : k + 1])

    return dataclasses.replace(
        METRIC,
        name=f"{NAME}[{pair.first}|{pair.second}]",
        values=lambda given, weights_bn: _values(only(given), weights_bn),
        chance=lambda given: _chance(only(given)),
        population=lambda given: _population(only(given)),
        support=lambda given: _support(only(given)),
        parts=None,
    )


METRIC: Metric[SiblingPairs] = Metric(
    name=NAME,
    family="sibling_pairs",
    higher_is_better=True,
    bounds=(0.0, 1.0),
    values=_values,
    chance=_chance,
    population=_population,
    support=_support,
    parts=_parts,
)
register(METRIC)
