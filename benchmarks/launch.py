"""Where jobs run: in this process, in several beside it, or on a cluster, through one interface."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from representations.errors import InputError
from representations.family import Family
from representations.threads import one_blas_thread, one_thread

J = TypeVar("J")
R = TypeVar("R")
FOLDER = Path("runs/submitit")
MINUTES = 24 * 60
LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class Launcher(Protocol):
    """Runs one function over jobs; ``lasting``: a process keeps what it has from job to job."""

    lasting: bool

    def map(self, function: Callable[[J], R], jobs: Iterable[J], processes: int) -> Iterator[R]:
        """Results as they come, in any order; at most ``processes`` jobs run at a time.

        ``function`` is expected to return what goes wrong in a job, not to raise it.

        Raises
        ------
        InputError
            What it needs is not installed, or a process ended before its job did.
        """
        ...


launchers: Family[type[Launcher]] = Family("launcher")


@launchers.register("serial")
class Serial:
    """In this process, one after another."""

    lasting = True

    def map(self, function: Callable[[J], R], jobs: Iterable[J], processes: int) -> Iterator[R]:
        """Results in the order of the jobs."""
        if processes != 1:
            raise InputError(f"--processes {processes}: the serial launcher has one; give another")
        return map(function, jobs)


@launchers.register("local")
class Local:
    """Processes of this machine, by joblib, each on one thread."""

    lasting = True

    def map(self, function: Callable[[J], R], jobs: Iterable[J], processes: int) -> Iterator[R]:
        """Results as they come."""
        from joblib import Parallel, delayed, parallel_config
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        with parallel_config(backend="loky", inner_max_num_threads=1), warnings.catch_warnings():
            # loky says so when it replaces a process that has grown; it does so in the thread
            # that hands out results, and where warnings are errors nothing would come any more.
            warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
            pool = Parallel(
                n_jobs=processes, return_as="generator_unordered", batch_size=1,
                pre_dispatch=processes,
            )  # fmt: skip
            try:
                yield from pool(delayed(_on_one_thread)(function, job) for job in jobs)
            except TerminatedWorkerError as error:
                raise InputError(
                    f"--processes {processes}: one of them was ended from outside, for want of "
                    "memory perhaps; what is done is kept, run again with fewer"
                ) from error


@launchers.register("submitit")
class Submitit:
    """Jobs of a SLURM cluster, or processes of this machine where there is none, by submitit.

    It hands a job over as a pickle in a folder of its own: nothing that others wrote is read.
    Partition and account are those of ``SBATCH_PARTITION`` and ``SBATCH_ACCOUNT``.
    """

    lasting = False

    def __init__(self, cluster: str | None = None, folder: Path = FOLDER) -> None:
        self.cluster, self.folder = cluster, folder

    def map(self, function: Callable[[J], R], jobs: Iterable[J], processes: int) -> Iterator[R]:
        """Results as they come."""
        helpers, executor = self._executor()
        waiting = iter(jobs)
        running: list[Any] = []
        while True:
            for job in islice(waiting, processes - len(running)):
                running.append(executor.submit(_on_one_thread, function, job))
            if not running:
                return
            done = next(iter(helpers.as_completed(running, poll_frequency=0.2)))
            running.remove(done)
            if (error := done.exception()) is not None:
                first = (str(error).strip() or type(error).__name__).splitlines()[-1]
                raise InputError(
                    f"job {done.job_id} did not end: {first}; see {done.paths.stderr}, what is "
                    "done is kept"
                )
            yield done.result()

    def _executor(self) -> tuple[Any, Any]:
        try:
            from submitit import AutoExecutor, helpers
        except ImportError as error:
            raise InputError(
                "--launcher submitit: submitit is not installed; pip install 'clip_align[cluster]'"
            ) from error
        executor = AutoExecutor(folder=self.folder, cluster=self.cluster)
        executor.update_parameters(
            name="clip_align", timeout_min=MINUTES, cpus_per_task=1,
            slurm_setup=[f"export {name}=1" for name in LIMITS],
        )  # fmt: skip
        return helpers, executor


def _on_one_thread(function: Callable[[J], R], job: J) -> R:
    """Beside other processes, threads of one would wait for those of another."""
    os.environ.update(dict.fromkeys(LIMITS, "1"))
    with one_thread(), one_blas_thread():
        return function(job)
