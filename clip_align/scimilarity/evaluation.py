"""What several classifiers, the arms, say of the same cells, in the tables that are asked for.

Shapes: ``n`` cells, ``t`` types, ``e`` embedding dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, recall_score

from clip_align.scimilarity import calibration
from clip_align.scimilarity.cell_losses import are_unit, triplet_losses
from clip_align.scimilarity.probabilities import among_likeliest, as_probabilities, as_types
from representations.errors import InputError

TOP, MISTAKES = 3, 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Arm:
    """Probabilities ``(n, t)`` by one classifier, and what else is known of it.

    ``z_ne`` embeddings, ``error_n`` reconstruction errors, ``ms_at_1`` and ``ms_at_256``
    milliseconds a cell at these sizes of a batch, ``sanity`` the gates that it passed.
    """

    name: str
    p_nt: np.ndarray
    z_ne: np.ndarray | None = None
    ms_at_1: float | None = None
    ms_at_256: float | None = None
    error_n: np.ndarray | None = None
    sanity: Mapping[str, Any] | None = None

    @property
    def found_n(self) -> np.ndarray:
        """The likeliest type of each cell, the first of equals."""
        return np.asarray(self.p_nt.argmax(axis=1))


def summary(arms: Sequence[Arm], type_n: np.ndarray, types: Sequence[str]) -> pd.DataFrame:
    """A row an arm; a figure that an arm has no means for is nan.

    Precision, recall and F1 are means over the types that occur, true or found, 0 of none;
    balanced accuracy is the mean recall of the true ones. ``top1`` is accuracy by another name.
    ``classes_hit`` of ``classes`` true types have one cell at least that is right. ``triplet`` is
    of unit vectors alone.

    Parameters
    ----------
    type_n
        Column of each cell's true type in ``types``.

    Raises
    ------
    InputError
        Two arms have one name, an arm's probabilities are none, or a cell is of no type.
    """
    check_arms(arms, type_n, types)
    return pd.DataFrame([_row(arm, np.asarray(type_n)) for arm in arms])


def _row(arm: Arm, type_n: np.ndarray) -> dict[str, Any]:
    found_n, true = arm.found_n, np.unique(type_n)
    accuracy = float(accuracy_score(type_n, found_n))
    precision, recall, f1, _ = precision_recall_fscore_support(
        type_n, found_n, average="macro", zero_division=0
    )
    return {
        "arm": arm.name, "n": len(type_n),
        "accuracy": accuracy,
        # not sklearn's own, which warns where a type is found that no cell has
        "balanced_accuracy": float(recall_score(type_n, found_n, labels=true, average="macro")),
        "top1": accuracy, f"top{TOP}": float(among_likeliest(arm.p_nt, type_n, TOP).mean()),
        "macro_f1": float(f1), "macro_precision": float(precision), "macro_recall": float(recall),
        "triplet": _triplet(arm.z_ne, type_n),
        "reconstruction_mse": math.nan if arm.error_n is None else float(arm.error_n.mean()),
        "classes_hit": len(np.unique(type_n[found_n == type_n])), "classes": len(true),
        "ece": calibration.expected_calibration_error(arm.p_nt, type_n),
        "ms_per_sample_batch1": _or_nan(arm.ms_at_1),
        "ms_per_sample_batch256": _or_nan(arm.ms_at_256),
    }  # fmt: skip


def per_class(arm: Arm, type_n: np.ndarray, types: Sequence[str]) -> pd.DataFrame:
    """A row for each type that occurs, true or found: the columns' means are the macro figures.

    Columns ``type support precision recall f1 taken_for taken_for_count``: the last two are its
    most frequent wrong answer, "" and 0 where there is none.
    """
    there = np.union1d(type_n, arm.found_n)
    precision, recall, f1, support = precision_recall_fscore_support(
        type_n, arm.found_n, labels=there, zero_division=0
    )
    first = _mistakes(arm, type_n, types).drop_duplicates("true").set_index("true")
    names = [types[t] for t in there]
    return pd.DataFrame(
        {
            "type": names, "support": support, "precision": precision, "recall": recall, "f1": f1,
            "taken_for": first["predicted"].reindex(names).fillna("").to_numpy(),
            "taken_for_count": first["count"].reindex(names, fill_value=0).to_numpy(),
        }
    )  # fmt: skip


def misclassified(
    arm: Arm, type_n: np.ndarray, types: Sequence[str], top: int = MISTAKES
) -> pd.DataFrame:
    """The most frequent mistakes, most first: ``true predicted count share`` (of the true type)."""
    return _mistakes(arm, type_n, types).head(top)


def _mistakes(arm: Arm, type_n: np.ndarray, types: Sequence[str]) -> pd.DataFrame:
    """Every kind of mistake, the most frequent first, equals in the order of types."""
    found_n, names = arm.found_n, np.array(types, dtype=object)
    wrong_n = found_n != type_n
    pairs = pd.DataFrame({"true": type_n[wrong_n], "predicted": found_n[wrong_n]})
    table = pairs.groupby(["true", "predicted"]).size().reset_index(name="count")
    table["share"] = table["count"] / np.bincount(type_n, minlength=len(types))[table["true"]]
    table = table.sort_values("count", ascending=False, kind="stable", ignore_index=True)
    return table.assign(true=names[table["true"]], predicted=names[table["predicted"]])


def check_arms(arms: Sequence[Arm], type_n: np.ndarray, types: Sequence[str]) -> None:
    """Refuse arms that are not told apart, or that do not answer for these cells and types."""
    names = [arm.name for arm in arms]
    if not names or len(set(names)) < len(names):
        raise InputError(f"arms {', '.join(names) or 'none'}: give one or more, each its own name")
    for arm in arms:
        if as_probabilities(arm.p_nt).shape[1] != len(types):
            raise InputError(f"{arm.name}: {arm.p_nt.shape[1]} columns for {len(types)} types")
        as_types(type_n, *arm.p_nt.shape, least=0)


def _triplet(z_ne: np.ndarray | None, type_n: np.ndarray) -> float:
    if z_ne is None or not are_unit(z_ne):
        return math.nan
    loss_n = triplet_losses(z_ne, type_n)
    there_n = ~np.isnan(loss_n)
    return float(loss_n[there_n].mean()) if there_n.any() else math.nan


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
