"""Other people's training, made repeatable and kept from changing anything around it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from benchmarks.peers.base import quietly
from representations.scvi_model import contained


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Quiet, on one thread, every global generator seeded; generators as before on leaving.

    Import a package before: it sets the levels of its loggers.
    """
    with contained(seed, progress=False), quietly():
        np.random.seed(seed)  # noqa: TID251, NPY002 - theirs, and put back
        random.seed(seed)
        yield
