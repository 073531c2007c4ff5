"""Metrics of the protocol, one family a file, found by name."""

from benchmarks.metrics.base import Measured, Metric, evaluate, facts, names, register

__all__ = ["Measured", "Metric", "evaluate", "facts", "names", "register"]
