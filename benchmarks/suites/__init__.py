"""Suites as data, one a file: which rows a table has. Running and judging them is elsewhere."""

from benchmarks.suites.base import (
    IMMUNE,
    OURS,
    SEEDS_FULL,
    SEEDS_QUICK,
    SOURCE_KEY,
    Lead,
    Profile,
    Row,
    Suite,
    Versus,
    lead_of,
    suites,
)

__all__ = [
    "IMMUNE",
    "OURS",
    "SEEDS_FULL",
    "SEEDS_QUICK",
    "SOURCE_KEY",
    "Lead",
    "Profile",
    "Row",
    "Suite",
    "Versus",
    "lead_of",
    "suites",
]
