"""Random numbers that belong to a name: the same cell draws the same numbers in any run."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


def named_uniforms(
    names: Sequence[str] | NDArray[np.str_], n_draws: int, *, context: str
) -> NDArray[np.float64]:
    """Uniform draws in (0, 1) of shape (len(names), n_draws).

    A row depends on ``context`` and its name alone, not on its neighbours or its place; fewer
    draws are a prefix of more. Philox (Salmon et al. 2011, doi:10.1145/2063384.2063405) keyed by
    a hash of both, read as raw bits so that no release of numpy can change the stream.
    """
    bits = np.empty((len(names), n_draws), np.uint64)
    prefix = blake2b(f"{len(context)}:{context}".encode(), digest_size=16)
    for row, name in enumerate(names):
        digest = prefix.copy()
        digest.update(str(name).encode())
        key = np.frombuffer(digest.digest(), "<u8")
        bits[row] = np.random.Philox(key=key).random_raw(n_draws)
    mantissa = (bits >> np.uint64(11)).astype(np.float64)
    uniforms: NDArray[np.float64] = (mantissa + 0.5) * np.float64(2.0**-53)
    return uniforms
