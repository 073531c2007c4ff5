"""Which cells a run has seen, so that it is not evaluated on them: their names, as hashes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from representations.errors import InputError

SEEN = "seen_cells.tsv"
HEADER = "part\tname_blake2b"


@dataclass(frozen=True, kw_only=True)
class SeenCells:
    """Hashes of the names of cells that were learnt from, and of those that it was checked by.

    A run is checked by held-out cells at every epoch and calibrated on them: it has seen both.
    """

    known: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()

    @classmethod
    def of(cls, known: Iterable[str], held: Iterable[str]) -> SeenCells:
        """From the names of the cells."""
        return cls(known=frozenset(map(_hash, known)), held=frozenset(map(_hash, held)))

    def among(self, names: Iterable[str]) -> list[str]:
        """Those of the names that it has seen."""
        seen = self.known | self.held
        return [name for name in names if _hash(name) in seen]

    def text(self) -> str:
        """A line a cell; the same for the same cells in any order."""
        parts = (("known", self.known), ("held", self.held))
        lines = [f"{part}\t{found}" for part, cells in parts for found in sorted(cells)]
        return "\n".join([HEADER, *lines]) + "\n"


def read_seen(path: Path) -> SeenCells:
    """What :meth:`SeenCells.text` wrote; ``InputError`` where it is missing or damaged."""
    try:
        header, *lines = path.read_text(encoding="utf-8").splitlines()
        if header != HEADER:
            raise ValueError(f"starts with {header!r}")
        parts: dict[str, set[str]] = {"known": set(), "held": set()}
        for line in lines:
            part, found = line.split("\t")
            parts[part].add(found)
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: missing; it says which cells the run has seen, train the run again"
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: damaged; train the run again") from error
    return SeenCells(known=frozenset(parts["known"]), held=frozenset(parts["held"]))


def _hash(name: str) -> str:
    """64 bits: of a million names and a million others, two agree once in 18 million times."""
    return blake2b(str(name).encode(), digest_size=8).hexdigest()
