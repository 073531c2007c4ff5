"""Alignment baselines, one a file, found by name and tuned on validation pairs alone."""

from benchmarks.baselines.base import Baseline, Matcher, create, names, register, settings

__all__ = ["Baseline", "Matcher", "create", "names", "register", "settings"]
