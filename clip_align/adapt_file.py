"""From a run and cells of another laboratory to a run that has learnt them: the command ``adapt``.

Cells may be in one file and profiles in another (:mod:`clip_align.adapt_run`).
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from clip_align.adapt import AdaptConfig, check_adapt
from clip_align.adapt_run import Say, adapt_run
from clip_align.checkpoint import REPRESENTATION, Run, load_run, save_run
from clip_align.origin import origin
from clip_align.run_folder import check_folder, staged
from representations.query import read_h5ad
from representations.registry import load as load_representation


def adapt_file(
    run_folder: str | Path,
    query: str | Path,
    out: str | Path,
    *,
    profiles: str | Path | None = None,
    known: str | Path | None = None,
    config: AdaptConfig | None = None,
    overwrite: bool = False,
    progress: bool = True,
    say: Say = print,
) -> Run:
    """Write what :func:`adapt_run` makes of h5ad files as the run folder ``out``.

    Raises
    ------
    InputError
        A file, the run or the configuration cannot be used, or ``out`` holds a run and
        ``overwrite`` is not set. ``out`` is then as it was.
    """
    out, started = Path(out), time.perf_counter()
    check_adapt(config or AdaptConfig())
    check_folder(out, overwrite=overwrite)
    run = load_run(run_folder)
    fitted = load_representation(Path(run_folder) / REPRESENTATION)
    paths = {"query": query, "profiles": profiles, "known": known}
    files = {name: path for name, path in paths.items() if path is not None}
    read = {name: read_h5ad(path) for name, path in files.items()}
    came = {name: origin(path, read[name]) for name, path in files.items()}
    came |= {"adapted_from": {"run": Path(run_folder).resolve().name, **run.provenance}}
    with staged(out) as folder:
        adapted, own = adapt_run(
            run, fitted, read["query"], profiles=read.get("profiles"), known=read.get("known"),
            config=config, progress=progress, say=say,
            sources={"run": str(run_folder), **{name: str(path) for name, path in files.items()}},
        )  # fmt: skip
        adapted = replace(adapted, provenance={**came.pop("query"), **came, **adapted.provenance})
        seconds = round(time.perf_counter() - started, 3)
        save_run(folder, adapted, own, {"seconds": seconds})
    return adapted
