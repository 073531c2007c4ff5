"""Named datasets: one file each, found by themselves."""

from __future__ import annotations

from benchmarks.datasets.base import Dataset, get, names, register
from benchmarks.datasets.cards import card
from benchmarks.datasets.errors import SourceUnavailable
from benchmarks.datasets.load import load

available = names

__all__ = ["Dataset", "SourceUnavailable", "available", "card", "get", "load", "names", "register"]
