"""How a cache of hard negatives is configured, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clip_align.hard_search import searches
from representations.errors import InputError

Spared = Literal["duplicates", "alike", "type", "lineage"]
READS_LABELS = frozenset[Spared]({"type", "lineage"})


@dataclass(frozen=True, kw_only=True)
class CacheConfig:
    """A cache of negatives."""

    size: int = 8192
    """Places; never more than there are distinct training pairs."""
    negatives: int = 16
    """Hard negatives of each pair; with 0 there is no cache."""
    renewed: int = 8
    """A pair's list is searched anew once in so many of its batches, on average."""
    spared: Spared = "alike"
    """Who is no negative: equal marker profiles; those alike too; or all of the type or lineage,
    which reads labels."""
    weight: float = 1.0
    """A mined negative counts as so many of the batch; 0: as often as a batch would draw it."""
    likeness: float = 0.5
    """Cosine of standardised profiles from which two are alike."""
    search: str = "torch"
    """Search by name; ``torch`` and ``faiss`` find the same, on a CPU the former quicker."""

    def check(self) -> None:
        """Refuse what makes no cache.

        Raises
        ------
        InputError
            A number out of its range, or a search that is not known.
        """
        for name, least in (("size", 1), ("negatives", 0), ("renewed", 1), ("weight", 0)):
            if not getattr(self, name) >= least:
                raise InputError(f"model.cache.{name}={getattr(self, name)}: {least} at least")
        if not -1 < self.likeness <= 1:
            raise InputError(f"model.cache.likeness={self.likeness}: a cosine above -1, 1 at most")
        searches.get(self.search)
