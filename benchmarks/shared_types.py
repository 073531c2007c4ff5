"""Types that two data sets share, where one says more than the other: names for both sides.

A label is taken up where it is a shared type or lies wholly inside one; what lies across two
(monocytes of neither kind, T cells that are not told apart) or is not in the other set (regulatory
T cells) is left out of the question. Labels of the training set that are not named stay as they
are: an annotator may answer them, and is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class SharedTypes:
    """Shared name by the published label of either side."""

    train: Mapping[str, str]
    test: Mapping[str, str]


SHARED: Mapping[tuple[str, str], SharedTypes] = {
    ("teaseq", "pbmc10k_cite"): SharedTypes(
        train={
            "B.Naive": "B", "B.Activated": "B", "NK": "NK", "Mono.CD14": "CD14 mono",
            "T.CD4.Naive": "CD4 T naive", "T.CD4.Memory": "CD4 T memory",
            "T.CD8.Naive": "CD8 T naive", "T.CD8.Effector": "CD8 T memory or effector",
        },
        test={
            "B": "B", "NK": "NK", "CD16+ NK": "NK", "CD16- NK": "NK",
            "classical monocyte": "CD14 mono",
            "naive CD4": "CD4 T naive", "memory CD4": "CD4 T memory",
            "naive CD8": "CD8 T naive", "memory CD8": "CD8 T memory or effector",
        },
    ),
}  # fmt: skip
LEFT_OUT = ""


def train_types(train: str, test: str, labels_n: np.ndarray) -> np.ndarray:
    """Names ``(n,)`` to learn."""
    shared = SHARED.get((train, test))
    return _named(labels_n, shared.train, keep=True) if shared else labels_n


def test_types(train: str, test: str, labels_n: np.ndarray) -> np.ndarray:
    """Names ``(n,)`` to find; ``LEFT_OUT`` for a cell that is not asked of."""
    shared = SHARED.get((train, test))
    return _named(labels_n, shared.test, keep=False) if shared else labels_n


def _named(labels_n: np.ndarray, names: Mapping[str, str], *, keep: bool) -> np.ndarray:
    found = [names.get(label, label if keep else LEFT_OUT) for label in labels_n.tolist()]
    return np.array(found, dtype=str)
