"""Settings of ``X_integrated``: which blocks, and what share of the space each has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from representations import registry
from representations.errors import InputError
from representations.rebuilt import rebuilt

Own = Literal["genes", "columns", "both"]
Rule = Literal["leading", "columns", "equal"]
LEAD = 8.0  # the first block to each other one


@dataclass(frozen=True, kw_only=True)
class IntegratedConfig:
    """``blocks`` by name, their ``configs`` by the same names (default where absent).

    ``weights`` are the shares of variance of the blocks: by name and up to a factor, or by a rule:
    the first block ``leading``, eight to one of each other; by the number of ``columns``; ``equal``
    to each other. ``clip`` bounds every value, in robust deviations from the
    training median. ``own`` says what ``statistics="own"`` takes from the query: the moments of
    ``genes``, where a block uses them, median and spread of the ``columns`` of each block, or
    ``both``. Within a block, columns keep the ratio of their deviations, or all count alike
    (``equal_columns``).

    The defaults are what validation says, on cells of TEA-seq that are test cells nowhere and
    queries made of them (suite ``validation`` of the benchmarks). Moments of genes put right a
    technical shift. Matching columns too gains nothing sure there, and where the query has other
    shares of the types, it takes the difference between the mixtures for a shift. Under equal
    shares the finer of many components drown; the other two rules differ little there.
    """

    blocks: tuple[str, ...] = ("pca", "scvi")
    configs: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, float] | Rule = "leading"
    clip: float = 10.0
    equal_columns: bool = False
    own: Own = "genes"

    def __post_init__(self) -> None:
        if not self.blocks or len(set(self.blocks)) < len(self.blocks):
            raise InputError(f"blocks={self.blocks!r}: name at least one block, each once")
        if self.own not in get_args(Own):
            raise InputError(f"own={self.own!r} is unknown; give {', '.join(get_args(Own))}")
        if not self.clip > 0:
            raise InputError(f"clip={self.clip} keeps nothing: give robust deviations, like 10")
        # Those filled in for blocks that are named no longer go with them; set ones are a mistake.
        kept = {name: given for name, given in self.configs.items() if not self._left(name, given)}
        check_names("configs", kept, self.blocks)
        configs = {name: _config(name, kept.get(name)) for name in self.blocks}
        object.__setattr__(self, "configs", configs)
        if isinstance(self.weights, str) and self.weights not in get_args(Rule):
            raise InputError(
                f"weights={self.weights!r}: give {', '.join(get_args(Rule))} or a dict"
            )
        if not isinstance(self.weights, str):
            check_names("weights", self.weights, self.blocks)
        _ = self.shares(dict.fromkeys(self.blocks, 1))

    def _left(self, name: str, given: Any) -> bool:
        """Whether it is a configuration that nobody set, of a block that is none here."""
        gone = name in registry.names() and name not in self.blocks
        return gone and bool(given == registry.get(name).Config())

    def shares(self, widths: Mapping[str, int]) -> dict[str, float]:
        """Weights that sum to 1, of blocks with so many columns."""
        given = self.weights
        if isinstance(given, str):
            weights = dict.fromkeys(self.blocks, 1.0)
            if given == "columns":
                weights = {name: float(widths[name]) for name in self.blocks}
            elif given == "leading":
                weights[self.blocks[0]] = LEAD
        else:
            weights = {name: given.get(name, 0.0) for name in self.blocks}
        total = sum(weights.values())
        if not np.isfinite(total) or total <= 0 or min(weights.values()) < 0:
            raise InputError(f"weights={given!r}: give each block 0 or more, and one of them more")
        return {name: weight / total for name, weight in weights.items()}


def check_names(what: str, given: Mapping[str, Any], blocks: tuple[str, ...]) -> None:
    """Refuse names that are none of the blocks."""
    foreign = sorted(set(given) - set(blocks))
    if foreign:
        raise InputError(f"{what}: {', '.join(foreign)} is none of the blocks {', '.join(blocks)}")


def _config(name: str, given: Any) -> Any:
    """Config of a block, given, absent, or as read back from JSON."""
    wanted = registry.get(name).Config
    if isinstance(given, dict):
        return rebuilt(wanted, given)
    if given is not None and not isinstance(given, wanted):
        raise InputError(f"configs[{name!r}] is a {type(given).__name__}: give {wanted.__name__}")
    return wanted() if given is None else given
