"""The tree, and two fits of it: root and ends given, and nothing given."""

from __future__ import annotations

from dataclasses import replace

import pytest
from anndata import AnnData

from representations.branching import Branching
from tests.branching.tree import ARMS, SMALL, end_of, start_of, tree


@pytest.fixture(scope="session")
def train() -> AnnData:
    return tree()


@pytest.fixture(scope="session")
def directed(train) -> Branching:
    """Rooted in the fork, three terminal cells in the order of the arms."""
    ends = tuple(end_of(train, arm) for arm in range(ARMS))
    return Branching(replace(SMALL, root=start_of(train), terminals=ends)).fit(train)


@pytest.fixture(scope="session")
def found(train) -> Branching:
    """Nothing given."""
    return Branching(SMALL).fit(train)
