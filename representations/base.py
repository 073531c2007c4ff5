"""A representation: fitted on training cells, it places any cell, and says what it saw.

Shapes: ``n`` cells, ``d`` coordinates.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from anndata import AnnData

from representations.coverage import genes_here
from representations.errors import InputError, OutdatedError
from representations.keys import Obs, Obsm
from representations.provenance import distribution_of
from representations.rebuilt import rebuilt
from representations.saved import damaged, read_saved, write_saved

Statistics = Literal["train", "own"]


@dataclass(frozen=True, kw_only=True)
class Coordinates:
    """Cells in a representation.

    ``x_nd`` is float32 and always finite; ``reached_n`` is False for cells the fitted graph cannot
    reach, whose row in ``x_nd`` is zero; ``confidence_n`` is from 0 to 1 where the method has one.
    ``spread_ns`` are standard deviations of the first ``s`` columns, where the method has them;
    ``notes`` say what was done to a query to place it, a line each.
    """

    x_nd: np.ndarray
    reached_n: np.ndarray
    confidence_n: np.ndarray | None = None
    spread_ns: np.ndarray | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FitRecord:
    """What a fit saw: the training cells, its parameters, its backend, and the labels it used.

    ``columns`` names the coordinates; ``package`` and ``version`` are of the distribution whose
    representation it is, ours or another.
    """

    cells: tuple[str, ...]
    params: dict[str, Any]
    columns: tuple[str, ...] = ()
    labels_used: tuple[str, ...] = ()
    backend: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    package: str = ""
    version: str = ""
    revision: int = 1


class Representation(ABC):
    """Base class. A subclass names itself, owns a frozen ``Config`` and says how to fit and place.

    Subclasses implement ``_fit``, ``_place``, ``_state`` and ``_load_state``; everything a user
    calls is here. Facts that ``_fit`` returns under ``backend``, ``labels_used`` and ``columns``
    become fields of the record. ``statistics`` says whose gene means and deviations scale a query:
    ``"train"`` places each cell on its own; ``"own"`` uses the unlabelled query cells as a group
    and is therefore transductive, to be declared wherever it is used. ``progress`` asks a fit that
    takes long to show how it goes on. ``exact`` says that ``transform`` of the training cells is
    the fit, but for the rounding of float32: the doctor holds it to that. ``revision`` goes up when
    the same settings place cells elsewhere than before: a benchmark then runs again what rests on
    it, by ``made_of`` too, and a fit that an earlier one saved is refused.
    """

    name: ClassVar[str]
    Config: ClassVar[type]
    revision: ClassVar[int] = 1
    made_of: ClassVar[tuple[str, ...]] = ()
    exact: ClassVar[bool] = False
    progress: bool = False

    def __init__(self, config: Any = None) -> None:
        self.config = config if config is not None else self.Config()
        self._record: FitRecord | None = None

    # what a subclass writes

    @abstractmethod
    def _fit(self, adata: AnnData) -> tuple[Coordinates, dict[str, Any]]:
        """Learn from training cells.

        Returns where the fit itself has them, and facts for the record (``backend`` among them).
        """

    @abstractmethod
    def _place(self, adata: AnnData, statistics: Statistics) -> Coordinates:
        """Place cells in the fitted space."""

    @abstractmethod
    def _state(self) -> dict[str, np.ndarray]:
        """Everything learned, as named arrays."""

    @abstractmethod
    def _load_state(self, state: dict[str, np.ndarray]) -> None:
        """Inverse of :meth:`_state`."""

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes that the fitted representation reads; empty where it reads none."""
        return ()

    # what a user calls

    @property
    def record(self) -> FitRecord:
        """What the fit saw. Raises ``InputError`` before :meth:`fit`."""
        if self._record is None:
            raise InputError(f"{self.name} is not fitted: call fit(adata) first")
        return self._record

    def fit(self, adata: AnnData) -> Self:
        """Learn from training cells (raw counts in ``adata.X``); ``adata`` is left unchanged."""
        self.fit_transform(adata)
        return self

    def fit_transform(self, adata: AnnData) -> np.ndarray:
        """Learn from training cells; the coordinates the fit gave them, float32 ``(n, d)``.

        ``transform`` of the same cells agrees with it, up to rounding, and costs a second pass.
        """
        check_cells(adata, at_least=2)
        self._record = None  # a fit that fails halfway leaves nothing that could be used
        fitted, facts = self._fit(adata)
        numbered = (f"{self.name}_{i}" for i in range(fitted.x_nd.shape[1]))
        package, version = distribution_of(type(self).__module__, type(self).__qualname__)
        self._record = FitRecord(
            package=package,
            version=version,
            revision=self.revision,
            cells=tuple(map(str, adata.obs_names)),
            params=_as_json(asdict(self.config)),
            columns=tuple(facts.pop("columns", numbered)),
            backend=str(facts.pop("backend", "numpy")),
            labels_used=tuple(facts.pop("labels_used", ())),
            facts=_as_json(facts),
        )
        return _tidy(fitted).x_nd

    def place(self, adata: AnnData, *, statistics: Statistics = "train") -> Coordinates:
        """Coordinates of any cells, with a flag for those the fit cannot reach.

        Raises
        ------
        InputError
            Not fitted, repeated names, unusable counts, under half of the genes of the fit (see
            :func:`representations.coverage.min_gene_share`), or ``statistics="own"`` for a single
            cell.
        """
        _ = self.record
        check_cells(adata, at_least=0)
        if statistics not in get_args(Statistics):
            raise InputError(f"statistics={statistics!r} is unknown; give 'train' or 'own'")
        if statistics == "own" and adata.n_obs == 1:
            raise InputError("statistics='own' needs at least 2 cells, got 1; use 'train'")
        genes_here(self.genes, adata.var_names)
        return _tidy(self._place(adata, statistics))

    def transform(self, adata: AnnData, *, statistics: Statistics = "train") -> np.ndarray:
        """Coordinates of any cells, float32 of shape ``(n, d)``."""
        return self.place(adata, statistics=statistics).x_nd

    def annotate(
        self,
        adata: AnnData,
        *,
        statistics: Statistics = "train",
        key_added: str | None = None,
        copy: bool = False,
    ) -> AnnData | None:
        """Write ``obsm``, what is known of each cell in ``obs``, provenance in ``uns``; no more.

        ``obs`` receives a reached flag, and a confidence where the representation has one; where it
        has deviations of its columns, they are in ``obsm`` under the same key and ``_spread``.

        Parameters
        ----------
        key_added
            Key in ``obsm``; by default ``X_<name>``.
        copy
            Return an annotated copy and leave ``adata`` as it is.
        """
        target = adata.copy() if copy else adata
        key = key_added or Obsm.representation(self.name)
        placed = self.place(target, statistics=statistics)
        drop_placed(target, key)
        target.obsm[key] = placed.x_nd
        target.obs[Obs.reached(key)] = placed.reached_n
        if placed.confidence_n is not None:
            target.obs[Obs.confidence(key)] = placed.confidence_n
        if placed.spread_ns is not None:
            target.obsm[Obsm.spread(key)] = placed.spread_ns
        target.uns[key] = {
            "notes": np.array(placed.notes, dtype=str),  # an empty list would become numbers
            "params": json.dumps(self.record.params, sort_keys=True),
            "columns": list(self.record.columns),
            "statistics": statistics,
            "backend": self.record.backend,
            "labels_used": list(self.record.labels_used),
            "n_fitted": len(self.record.cells),
            "package": self.record.package,
            "version": self.record.version,
        }
        return target if copy else None

    def save(self, folder: str | Path) -> None:
        """Write ``representation.json`` and ``arrays.safetensors`` into ``folder``."""
        meta = {"name": self.name, "config": asdict(self.config), "record": asdict(self.record)}
        write_saved(folder, meta, self._state())

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what :meth:`save` wrote. Raises ``InputError`` for a missing or damaged folder."""
        meta, state = read_saved(folder)
        if meta["name"] != cls.name:
            raise InputError(f"{folder}: holds a {meta['name']!r} representation, not {cls.name!r}")
        try:
            rep = cls(rebuilt(cls.Config, meta["config"]))
            rep._record = current(cls, rebuilt(FitRecord, meta["record"]))
            rep._load_state(state)
        except OutdatedError as error:
            raise InputError(f"{folder}: {error}") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise damaged(folder, f"{type(error).__name__}: {error}") from error
        return rep


def current(kind: type[Representation], record: FitRecord) -> FitRecord:
    """The record; ``OutdatedError`` where it is of another revision, placing cells elsewhere."""
    if record.revision != kind.revision:
        raise OutdatedError(
            f"saved by revision {record.revision} of {kind.name!r}, which is at {kind.revision} "
            "and places cells elsewhere: fit it again"
        )
    return record


def drop_placed(adata: AnnData, key: str) -> None:
    """Take off what an earlier placement wrote beside ``obsm[key]``: none of it is of this one."""
    for part, own in (
        (adata.obsm, (key, Obsm.spread(key))),
        (adata.obs, (Obs.reached(key), Obs.confidence(key))),
    ):
        for name in own:
            if name in part:
                del part[name]


def check_cells(adata: AnnData, *, at_least: int) -> None:
    """Refuse input no representation can use."""
    if adata.n_obs < at_least:
        raise InputError(f"a fit needs at least {at_least} cells, got {adata.n_obs}")
    if not adata.obs_names.is_unique:
        raise InputError("obs_names are not unique: call adata.obs_names_make_unique() first")
    if not adata.var_names.is_unique:
        raise InputError("var_names are not unique: sum or drop duplicate genes first")


def _tidy(found: Coordinates) -> Coordinates:
    return Coordinates(
        x_nd=np.ascontiguousarray(found.x_nd, dtype=np.float32),
        reached_n=np.asarray(found.reached_n, dtype=bool),
        confidence_n=_single(found.confidence_n),
        spread_ns=_single(found.spread_ns),
        notes=found.notes,
    )


def _single(values: np.ndarray | None) -> np.ndarray | None:
    return None if values is None else np.asarray(values, dtype=np.float32)


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    """As they read back from a file, so that a loaded record equals the one that was saved."""
    read: dict[str, Any] = json.loads(json.dumps(values))
    return read
