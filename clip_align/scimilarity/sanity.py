"""What gates found: ``sanity.json`` of a run, and the error where one is closed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from representations.errors import InputError


class GateError(InputError):
    """A gate is closed: the run's figures would not be what they are called."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One condition, what was measured for it, and what that must be."""

    name: str
    passed: bool
    value: float | str
    must: str


@dataclass(frozen=True, kw_only=True)
class Sanity:
    """All gates, and how far apart both arms are.

    ``distance`` and ``cosine`` of a cell's two embeddings, mean over training cells;
    ``prediction_parity``: the share of held-out cells that both call the same.
    """

    gates: tuple[Gate, ...]
    distance: float
    cosine: float
    prediction_parity: float
    head_difference: float

    def and_of(self, gate: Gate) -> Sanity:
        """With one gate more."""
        return replace(self, gates=(*self.gates, gate))

    @property
    def passed(self) -> bool:
        """Whether every gate is open."""
        return all(gate.passed for gate in self.gates)

    def require(self) -> None:
        """Raise :class:`GateError` naming every gate that is closed."""
        if closed := [gate for gate in self.gates if not gate.passed]:
            told = "; ".join(f"{gate.name}: {gate.value}, must be {gate.must}" for gate in closed)
            raise GateError(
                f"gate closed: {told}; nothing is written, the figures would mean nothing; where "
                "adapters hardly moved, train longer or at a higher --tune.learning-rate"
            )

    def document(self) -> dict[str, Any]:
        """As it is written."""
        return {**asdict(self), "passed": self.passed}
