"""Named datasets: one file each, found by themselves."""

from __future__ import annotations

import importlib
import pkgutil

from benchmarks.datasets.base import Dataset, get, names, register
from benchmarks.datasets.cards import card
from benchmarks.datasets.errors import SourceUnavailable
from benchmarks.datasets.load import load

available = names

__all__ = ["Dataset", "SourceUnavailable", "available", "card", "get", "load", "names", "register"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
