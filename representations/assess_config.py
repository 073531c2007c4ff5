"""How an assessment is run, and whether the cells allow what is asked."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from anndata import AnnData

from representations.errors import InputError
from representations.held import has_value


@dataclass(frozen=True, kw_only=True)
class AssessConfig:
    """``folds`` to hold out in turn, ``k`` neighbours; at most ``cells``, drawn, judged a fold.

    ``siblings`` are pairs of types to tell apart; they need labels.
    """

    folds: int = 3
    k: int = 15
    cells: int = 1500
    seed: int = 0
    siblings: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("folds", 2), ("k", 1), ("cells", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name}={getattr(self, name)}: give {least} or more")


def check(adata: AnnData, labels: str | None, batch: str | None, config: AssessConfig) -> None:
    """Refuse columns that are absent or empty, siblings that are no types, and too few cells."""
    for key in (labels, batch):
        if key is not None and key not in adata.obs:
            known = ", ".join(map(str, adata.obs)) or "no column"
            raise InputError(f"obs has no column {key!r}: give one of {known}")
        if key is not None and not has_value(adata.obs[key]).any():
            raise InputError(f"obs[{key!r}] is empty: name a column that has values")
    if config.siblings:
        _check_siblings(adata, labels, config.siblings)
    if adata.n_obs // config.folds < 4 * config.k:
        raise InputError(
            f"{adata.n_obs} cells in {config.folds} folds are too few for k={config.k}: give at "
            f"least {4 * config.k * config.folds}"
        )


def _check_siblings(
    adata: AnnData, labels: str | None, siblings: tuple[tuple[str, str], ...]
) -> None:
    if labels is None:
        raise InputError("siblings are types, and no labels are given: name their column of obs")
    types = sorted(set(adata.obs[labels].dropna().astype(str)) - {""})
    for first, second in siblings:
        for name in (first, second):
            if name not in types:
                near = difflib.get_close_matches(name, types, n=1)
                hint = f"is it {near[0]!r}?" if near else f"known: {', '.join(types)}"
                raise InputError(f"siblings: {name!r} is no type of obs[{labels!r}] ({hint})")
        if first == second:
            raise InputError(f"siblings: {first} twice; give two types that differ")
