"""Memory or seconds of one diffusion map in its own process: ``python -m benchmarks.peak``."""

from __future__ import annotations

import contextlib
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.diffmaps import SIDES, threads, warm_up

MB = 1e6


def peak_mb(
    side: str, x_nd: np.ndarray, *, n_components: int, seed: int = 0, cores: int = 1
) -> float:
    """Megabytes that a call adds at its peak to what its process held before, JIT warm.

    Parameters
    ----------
    side
        Name in :data:`benchmarks.diffmaps.SIDES`.
    """
    return _alone("memory", side, x_nd, n_components, seed, cores)


def first_call(
    side: str, x_nd: np.ndarray, *, n_components: int, seed: int = 0, cores: int = 1
) -> float:
    """Seconds of the first call in a process, everything imported, nothing compiled."""
    return _alone("seconds", side, x_nd, n_components, seed, cores)


def _alone(
    what: str, side: str, x_nd: np.ndarray, n_components: int, seed: int, cores: int
) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        np.save(path, x_nd)
        words = [what, side, str(path), str(n_components), str(seed), str(cores)]
        found = subprocess.run(  # noqa: S603 - this interpreter, this module
            [sys.executable, "-m", "benchmarks.peak", *words],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if found.returncode:
        raise RuntimeError(f"{what} of {side}: {found.stderr.strip() or found.returncode}")
    return float(found.stdout.split()[-1])


def added_mb(side: str, x_nd: np.ndarray, *, cores: int, n_components: int, seed: int) -> float:
    """The same in this process, which should have done nothing else."""
    warm_up(x_nd, n_components=n_components, sides=(side,))
    with contextlib.suppress(OSError):  # Linux: the peak so far is forgotten
        Path("/proc/self/clear_refs").write_text("5")
    before = peak_bytes()
    with threads(cores):
        SIDES[side](x_nd, n_components=n_components, seed=seed)
    return (peak_bytes() - before) / MB


def seconds_of_first_call(
    side: str, x_nd: np.ndarray, *, cores: int, n_components: int, seed: int
) -> float:
    """The same in this process, which should have done nothing else."""
    with threads(cores):
        started = time.perf_counter()
        SIDES[side](x_nd, n_components=n_components, seed=seed)
        return time.perf_counter() - started


def peak_bytes() -> int:
    """Peak resident bytes.

    Not ``ru_maxrss`` where it can be helped: on Linux a child starts with its parent's.
    """
    with contextlib.suppress(OSError):
        text = Path("/proc/self/status").read_text()
        if found := re.search(r"VmHWM:\s*(\d+) kB", text):
            return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    what, side, path, *numbers = sys.argv[1:]
    n_components, seed, cores = map(int, numbers)
    measure = {"memory": added_mb, "seconds": seconds_of_first_call}[what]
    x_nd = np.load(path, allow_pickle=False)
    print(measure(side, x_nd, cores=cores, n_components=n_components, seed=seed))
