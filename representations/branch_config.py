"""Settings of ``X_branch``."""

from __future__ import annotations

from dataclasses import dataclass

from representations.errors import InputError
from representations.manifold import GraphConfig


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
        Share of the bootstrap replicates that must find such a state again for it to be used.
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
        least = {"max_branches": 2, "terminal_size": 1, "n_bootstraps": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise InputError(f"{name}={getattr(self, name)}: give {bound} or more")
        if self.n_bootstraps == 1:
            raise InputError("n_bootstraps=1 has no deviation: give 0 or at least 2")
        if not 0 <= self.persistence < 1:
            raise InputError(f"persistence={self.persistence}: give a share from 0 to below 1")
        if not 0 <= self.min_support <= 1:
            raise InputError(f"min_support={self.min_support}: give a share from 0 to 1")
        if not 0 <= self.steepness <= 1000:
            raise InputError(f"steepness={self.steepness}: give a number from 0 to 1000")
        if self.root is None and self.steepness != type(self).steepness:
            raise InputError(
                f"steepness={self.steepness} directs the walk, which needs a root: name a training "
                "cell in root, or leave steepness as it is"
            )
        if len(set(self.terminals)) < len(self.terminals):
            raise InputError("terminals names a state twice: give each once")
        object.__setattr__(self, "terminals", tuple(self.terminals))
