"""One JSON a run: validated, written whole, never overwritten by another run's figures."""

from __future__ import annotations

import json
import re
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from benchmarks.metrics.base import Measured
from representations.errors import InputError
from representations.io import atomic_write

ROOT = Path("results/records")
Name = Annotated[str, Field(min_length=1)]
Revised = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
Setting = str | int | FiniteFloat | bool | None
_CONFIG = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


class MetricValue(BaseModel):
    """A figure and what it must be shown with. ``pool`` counts the candidates of one query."""

    model_config = _CONFIG

    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    chance: FiniteFloat | None
    n: Annotated[int, Field(ge=1)]
    pool: Annotated[int, Field(ge=1)] | None
    ceiling: FiniteFloat | None = None
    support: dict[str, int] | None = None
    replicates: tuple[FiniteFloat, ...] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> MetricValue:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self


class Run(BaseModel):
    """What identifies a run, known before it starts."""

    model_config = _CONFIG

    schema_: Literal[1] = Field(default=1, alias="schema")
    suite: Name
    task: Name
    train: Revised
    test: Revised
    representation: Name
    model: Name
    variant: dict[str, Setting] = Field(default_factory=dict)
    seed: Annotated[int, Field(ge=0)]
    config_hash: Name

    @property
    def file_name(self) -> str:
        """Readable and stable: the same run has the same name, another run another."""
        identity = [self.suite, self.task, self.train, self.test, self.representation, self.model]
        exact = json.dumps([*identity, self.variant, self.seed], sort_keys=True)
        digest = blake2b(exact.encode(), digest_size=4).hexdigest()
        train, test = (side.partition("@")[0] for side in (self.train, self.test))
        words = [self.task, f"{train}-to-{test}", self.representation, self.model]
        words += [f"{key}={value}" for key, value in sorted(self.variant.items())]
        readable = "__".join(re.sub(r"[^A-Za-z0-9.+=_-]+", "-", word) for word in words)
        return f"{readable[:150]}__seed{self.seed}__{digest}.json"


class Record(Run):
    """What one model did on one pair of datasets with one seed."""

    metrics: Annotated[dict[Name, MetricValue], Field(min_length=1)]
    timings: dict[str, FiniteFloat] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    git_commit: str | None = None
    created: datetime


def metric_value(measured: Measured, *, keep_replicates: bool = False) -> MetricValue:
    """Record form of a measurement; replicates are kept to 6 significant digits, if at all."""
    estimate = measured.estimate
    kept = tuple(float(f"{x:.6g}") for x in estimate.replicates) if keep_replicates else None
    return MetricValue(
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        chance=measured.chance,
        n=measured.n,
        pool=measured.pool,
        support=None if measured.support is None else dict(measured.support),
        replicates=kept,
    )


def path_of(run: Run, root: Path = ROOT) -> Path:
    """Where the record of a run lives."""
    return root / run.suite / run.file_name


def save(record: Record, root: Path = ROOT) -> Path:
    """Write a record atomically and return its path."""
    path = path_of(record, root)
    document = record.model_dump(mode="json", by_alias=True)
    atomic_write(path, _dumps(document) + "\n")
    return path


def exists(run: Run, root: Path = ROOT) -> bool:
    """Whether the run is on disk with the same configuration hash."""
    path = path_of(run, root)
    return path.exists() and load(path).config_hash == run.config_hash


def load(path: Path) -> Record:
    """Read one record.

    Raises
    ------
    InputError
        If the file is not JSON, does not fit the schema, or lies under another name or suite.
    """
    try:
        record = Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(
            f"{path}: {where}: {first['msg']}; delete the record and run its suite again"
        ) from error
    if (path.parent.name, path.name) != (record.suite, record.file_name):
        raise InputError(
            f"{path}: holds the record {record.suite}/{record.file_name}; move it or delete it"
        )
    return record


def load_all(suite: str, root: Path = ROOT) -> list[Record]:
    """Every record of a suite, sorted by file name; none is an empty list."""
    return [load(path) for path in paths(root / suite)]


def paths(folder: Path) -> list[Path]:
    """Files of records, without what a process that was killed had begun to write."""
    return sorted(folder.glob("[!.]*.json"))


def _dumps(document: dict[str, object]) -> str:
    """Indented JSON with each list of replicates on one line, so that a diff stays readable."""
    text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return re.sub(r"\[[-+0-9.eE,\s]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
