"""A representation: fitted on training cells, it places any cell, and says what it saw.

Shapes: ``n`` cells, ``d`` coordinates.
"""

from __future__ import annotations

import importlib.metadata
import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from anndata import AnnData
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from representations.errors import InputError
from representations.io import atomic_write
from representations.keys import Obsm

Statistics = Literal["train", "own"]
META_FILE = "representation.json"
ARRAY_FILE = "arrays.safetensors"


@dataclass(frozen=True, kw_only=True)
class Coordinates:
    """Cells in a representation.

    ``x_nd`` is float32 and always finite; ``reached_n`` is False for cells the fitted graph cannot
    reach, whose row in ``x_nd`` is zero.
    """

    x_nd: np.ndarray
    reached_n: np.ndarray


@dataclass(frozen=True, kw_only=True)
class FitRecord:
    """What a fit saw: the training cells, its parameters, its backend, and the labels it used."""

    cells: tuple[str, ...]
    params: dict[str, Any]
    labels_used: tuple[str, ...] = ()
    backend: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    version: str = field(default_factory=lambda: importlib.metadata.version("clip_align"))


class Representation(ABC):
    """Base class. A subclass names itself, owns a frozen ``Config`` and says how to fit and place.

    Subclasses implement ``_fit``, ``_place``, ``_state`` and ``_load_state``; everything a user
    calls is here. ``statistics`` says whose gene means and deviations scale a query: ``"train"``
    places each cell on its own; ``"own"`` uses the unlabelled query cells as a group and is
    therefore transductive, to be declared wherever it is used.
    """

    name: ClassVar[str]
    Config: ClassVar[type]

    def __init__(self, config: Any = None) -> None:
        self.config = config if config is not None else self.Config()
        self._record: FitRecord | None = None

    # what a subclass writes

    @abstractmethod
    def _fit(self, adata: AnnData) -> dict[str, Any]:
        """Learn from training cells. Returns facts for the record (``backend`` among them)."""

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
        check_cells(adata, at_least=2)
        facts = self._fit(adata)
        self._record = FitRecord(
            cells=tuple(map(str, adata.obs_names)),
            params=asdict(self.config),
            backend=str(facts.pop("backend", "numpy")),
            labels_used=tuple(facts.pop("labels_used", ())),
            facts=facts,
        )
        return self

    def place(self, adata: AnnData, *, statistics: Statistics = "train") -> Coordinates:
        """Coordinates of any cells, with a flag for those the fit cannot reach."""
        _ = self.record
        check_cells(adata, at_least=0)
        placed = self._place(adata, statistics)
        return Coordinates(
            x_nd=np.ascontiguousarray(placed.x_nd, dtype=np.float32), reached_n=placed.reached_n
        )

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
        """Write ``obsm``, a reached flag in ``obs`` and provenance in ``uns``; touch nothing else.

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
        target.obsm[key] = placed.x_nd
        target.obs[f"{key}_reached"] = placed.reached_n
        target.uns[key] = {
            "params": json.dumps(self.record.params, sort_keys=True),
            "statistics": statistics,
            "backend": self.record.backend,
            "labels_used": list(self.record.labels_used),
            "n_fitted": len(self.record.cells),
            "version": self.record.version,
        }
        return target if copy else None

    def save(self, folder: str | Path) -> None:
        """Write ``representation.json`` and ``arrays.safetensors`` into ``folder``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        meta = {"name": self.name, "config": asdict(self.config), "record": asdict(self.record)}
        state = {key: np.ascontiguousarray(value) for key, value in self._state().items()}
        atomic_write(folder / ARRAY_FILE, save(state))
        atomic_write(folder / META_FILE, json.dumps(meta, indent=1))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what :meth:`save` wrote. Raises ``InputError`` for a missing or damaged folder."""
        meta, state = read_saved(folder)
        if meta["name"] != cls.name:
            raise InputError(f"{folder}: holds a {meta['name']!r} representation, not {cls.name!r}")
        known = {f.name for f in fields(cls.Config)}
        rep = cls(cls.Config(**{k: _tupled(v) for k, v in meta["config"].items() if k in known}))
        rep._record = FitRecord(**{k: _tupled(v) for k, v in meta["record"].items()})
        rep._load_state(state)
        return rep


def read_saved(folder: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The two files of a saved representation, or one clear line."""
    folder = Path(folder)
    try:
        meta = json.loads((folder / META_FILE).read_text())
        return meta, load_file(folder / ARRAY_FILE)
    except FileNotFoundError as error:
        raise InputError(f"{error.filename or folder}: no saved representation there") from error
    except (json.JSONDecodeError, SafetensorError) as error:
        raise InputError(f"{folder}: damaged representation ({error}); save it again") from error


def check_cells(adata: AnnData, *, at_least: int) -> None:
    """Refuse input no representation can use."""
    if adata.n_obs < at_least:
        raise InputError(f"a fit needs at least {at_least} cells, got {adata.n_obs}")
    if not adata.obs_names.is_unique:
        raise InputError("obs_names are not unique: call adata.obs_names_make_unique() first")
    if not adata.var_names.is_unique:
        raise InputError("var_names are not unique: sum or drop duplicate genes first")


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
