"""Models of tables that are other people's packages, over all suites."""

from __future__ import annotations

from benchmarks import matchers, peers

ANNOTATORS = ("celltypist", "scanvi")  # the other annotators are made here, or scikit-learn's


def names() -> frozenset[str]:
    """Names that their records have."""
    return frozenset((*matchers.names(), *peers.names(), *ANNOTATORS))
