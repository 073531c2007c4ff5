"""What an annotator says of each cell: its name, or why it has none and what it may be.

Shapes: ``n`` cells, ``t`` types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from clip_align.scimilarity.ontology import Term, nearest_common


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Types that each cell may be, ``set_nt``, and whether it is typical of the known cells.

    ``p_value_n`` says how typical, and is 1 where features are not looked at.
    """

    set_nt: np.ndarray
    typical_n: np.ndarray
    p_value_n: np.ndarray

    def of_seen(self, seen_n: np.ndarray) -> Verdict:
        """The same, where a cell that shows nothing of itself is typical of none."""
        return replace(self, typical_n=self.typical_n & seen_n)

    @cached_property
    def named_n(self) -> np.ndarray:
        """Whether a cell is typical and may be of one type alone, which then is the likeliest."""
        named_n: np.ndarray = self.typical_n & (self.set_nt.sum(axis=1) == 1)
        return named_n

    @property
    def type_n(self) -> np.ndarray:
        """Column of a named cell's type, -1 where it is unknown."""
        return np.where(self.named_n, self.set_nt.argmax(axis=1), -1)

    @property
    def reasons(self) -> np.ndarray:
        """Why a cell is unknown: "atypical", else "empty" or "ambiguous"; "" where it is named."""
        size_n = self.set_nt.sum(axis=1)
        cases = [~self.typical_n, size_n == 0, size_n > 1]
        return np.select(cases, ["atypical", "empty", "ambiguous"], default="")


def ontology_of(set_t: np.ndarray, terms: Sequence[str]) -> Term | None:
    """Nearest common term of the types in a set; found once for all cells that share a set.

    Parameters
    ----------
    set_t, terms
        Whether each type is in the set, and its Cell Ontology id, "" where it is not known.

    Returns
    -------
    None where the set is empty, or has a type whose id the ontology does not have.
    """
    return _nearest(frozenset(term for term, there in zip(terms, set_t, strict=True) if there))


_nearest = lru_cache(maxsize=4096)(nearest_common)
