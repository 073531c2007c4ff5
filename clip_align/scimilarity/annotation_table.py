"""What a classifier says of cells as columns of ``obs``.

Shapes: ``n`` cells, ``t`` types, ``s`` distinct sets of types.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from clip_align.scimilarity.verdict import Verdict, ontology_of
from representations.keys import Obs

UNKNOWN: Final = "unknown"
NO_COUNTS: Final = "no counts"
BETWEEN: Final = "|"  # types that a cell may be
REASONS: Final = ("", "atypical", "empty", "ambiguous", NO_COUNTS)
COLUMNS: Final = (
    Obs.SCIMILARITY_CELL_TYPE, Obs.SCIMILARITY_SCORE, Obs.SCIMILARITY_BEST, Obs.SCIMILARITY_REASON,
    Obs.SCIMILARITY_TYPES, Obs.SCIMILARITY_ONTOLOGY, Obs.SCIMILARITY_ONTOLOGY_LABEL,
)  # fmt: skip


def columns(
    p_nt: np.ndarray,
    verdict: Verdict,
    seen_n: np.ndarray,
    *,
    types: Sequence[str],
    terms: Sequence[str],
) -> pd.DataFrame:
    """``COLUMNS``, with text as it is.

    Parameters
    ----------
    p_nt
        Calibrated probabilities.
    seen_n
        Whether a cell shows anything of itself; one that does not has no score and no type.
    types, terms
        Names of the types and their Cell Ontology ids, "" where none is known.
    """
    types_t = np.array([*types, UNKNOWN], dtype=object)
    names_n, terms_n, labels_n = _of_sets(verdict.set_nt, types, terms)
    # The set of a cell that is unlike all known ones says nothing of it.
    told_n = seen_n & verdict.typical_n
    return pd.DataFrame(
        {
            Obs.SCIMILARITY_CELL_TYPE: np.where(seen_n, types_t[verdict.type_n], UNKNOWN),
            Obs.SCIMILARITY_SCORE: np.where(seen_n, p_nt.max(axis=1), np.nan).astype(np.float32),
            Obs.SCIMILARITY_BEST: np.where(seen_n, types_t[p_nt.argmax(axis=1)], None),
            Obs.SCIMILARITY_REASON: np.where(seen_n, verdict.reasons.astype(object), NO_COUNTS),
            Obs.SCIMILARITY_TYPES: np.where(told_n, names_n, ""),
            Obs.SCIMILARITY_ONTOLOGY: np.where(told_n, terms_n, ""),
            Obs.SCIMILARITY_ONTOLOGY_LABEL: np.where(told_n, labels_n, ""),
        }
    )


def _of_sets(
    set_nt: np.ndarray, types: Sequence[str], terms: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Names of the types of each cell's set, and id and label of their nearest common term.

    All ``(n,)``, "" for none. A named cell's set is its type alone.
    """
    sets, set_n = np.unique(set_nt, axis=0, return_inverse=True)
    found = [ontology_of(set_t, terms) for set_t in sets]
    ids = np.array(["" if term is None else term.id for term in found], dtype=object)
    labels = np.array(["" if term is None else term.label for term in found], dtype=object)
    names = np.array(
        [BETWEEN.join(np.array(types, dtype=object)[set_t]) for set_t in sets], dtype=object
    )
    return names[set_n], ids[set_n], labels[set_n]


def categories(table: pd.DataFrame, types: Sequence[str]) -> pd.DataFrame:
    """Text as categories, which a file of many cells keeps in a byte or two each."""
    known: dict[str, Sequence[str]] = {
        Obs.SCIMILARITY_CELL_TYPE: list(dict.fromkeys([*types, UNKNOWN])),
        Obs.SCIMILARITY_BEST: types,
        Obs.SCIMILARITY_REASON: REASONS,
    }
    for name in table.columns.drop(Obs.SCIMILARITY_SCORE):
        table[name] = pd.Categorical(table[name], categories=known.get(name))
    return table
