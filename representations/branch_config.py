"""Settings of ``X_branch``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from representations.errors import InputError
from representations.manifold import GraphConfig

BOUNDS = {
    "max_branches": (2, np.inf), "terminal_size": (1, np.inf), "n_bootstraps": (0, np.inf),
    "persistence": (0, 0.999), "min_support": (0, 1), "steepness": (0, 1000),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BranchConfig(GraphConfig):
    """Where walks start, where they end, and how often the answer is asked again.

    Parameters
    ----------
    n_components
        Diffusion components in which time and distance are measured.
    n_neighbors
        Of the graph, the cell itself included.
    root
        Name of a training cell: the walk leans forward in time from there. None: no direction.
    terminals
        Names of training cells; or, with ``groups``, labels in that column. Empty: found without
        labels, or every label of ``groups``.
    groups
        Column of ``obs`` whose groups are terminal states; it is then in ``labels_used``.
    max_branches, persistence
        Of the states found: how many at most, and how far one must stand out (``tips``).
    min_support
        Share of the bootstrap replicates that must find such a state again for it to be used; with
        ``n_bootstraps=0`` all found are.
    terminal_size
        Cells of a terminal state that is given by one cell or found; fewer where all states
        together would be more than a quarter of the cells.
    steepness
        How much less a step back counts, per unit of the longest pseudotime (``forward``); given
        without a root it is refused, for there is no direction then.
    n_bootstraps
        Replicates behind the confidence; 0 for none. Each costs an eigendecomposition and a solve.
    """

    n_components: int = 10
    n_neighbors: int = 30
    root: str | None = None
    terminals: tuple[str, ...] = ()
    groups: str | None = None
    max_branches: int = 8
    persistence: float = 0.005
    min_support: float = 0.5
    terminal_size: int = 30
    steepness: float = 20.0
    n_bootstraps: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, (least, most) in BOUNDS.items():
            if not least <= getattr(self, name) <= most:
                over = f" to {most:g}" if most < np.inf else " or more"
                raise InputError(f"{name}={getattr(self, name)}: give {least:g}{over}")
        given: object = self.terminals
        if isinstance(given, str):
            raise InputError("terminals is a tuple of names: give ('name',)")
        if len(set(self.terminals)) < len(self.terminals):
            raise InputError("terminals names a state twice: give each once")
        object.__setattr__(self, "terminals", tuple(self.terminals))
        self._check_bootstraps()
        if self.root is None and self.steepness != type(self).steepness:
            raise InputError(
                f"steepness={self.steepness} directs the walk, which needs a root: name a training "
                "cell in root, or leave steepness as it is"
            )

    def _check_bootstraps(self) -> None:
        if self.n_bootstraps == 1:
            raise InputError("n_bootstraps=1 has no deviation: give 0 or at least 2")
        if self.n_bootstraps == 0 and self.min_support != type(self).min_support:
            raise InputError(
                f"min_support={self.min_support} is over bootstrap replicates, of which "
                "n_bootstraps=0 makes none: leave one of them as it is"
            )
