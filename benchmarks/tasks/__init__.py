"""Tasks by name, one file each: how a row is prepared, fitted and judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.records import MetricValue
from benchmarks.suites import Row
from representations.family import Family


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Figures of one row and seed, and the seconds its steps took.

    ``facts`` are told beside the versions of a record: what else the figures depend on.
    """

    metrics: Mapping[str, MetricValue]
    timings: Mapping[str, float]
    facts: Mapping[str, str] = field(default_factory=dict)


class NotRun(Exception):
    """A row cannot run here, for want of a package for instance; the message is the reason."""


class Task(Protocol):
    """Keeps what rows of one (train, test, seed) share; made anew for each such group."""

    def __init__(self, train: str, test: str, seed: int, *, logs: str | None) -> None: ...

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Everything that decides the outcome, before any data are read: it names the record."""
        ...

    def run(self, row: Row) -> Outcome:
        """Fit and judge one row."""
        ...


tasks: Family[type[Task]] = Family("task", package="benchmarks.tasks")
