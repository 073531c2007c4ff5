"""The folder of a run while it changes: what may be replaced, and when.

A run is trained into a folder of its own inside the output and put in place when it is whole, so
that an interrupt keeps the run that was there, and leaves nothing where there was none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from clip_align import projector
from clip_align.checkpoint import METRICS, MODEL, PANEL, REPRESENTATION
from clip_align.documents import CONFIG
from clip_align.monitor import CONTROL
from representations.errors import InputError
from representations.output import check_place
from representations.saved import ARRAY_FILE, META_FILE
from representations.staging import set_apart

EVENTS = "events.out.tfevents.*"
# What TensorBoard reads: of the run, of its controls, and of the projector.
SHOWN = (EVENTS, f"{CONTROL}/*/{EVENTS}", *projector.FILES)
COLLAPSED = "collapsed"
TOP = (CONFIG, PANEL, MODEL, METRICS, REPRESENTATION, EVENTS, CONTROL, *projector.TOP)
# config.json makes a folder a run: the first to go, the last to come.
FILES = (CONFIG, PANEL, MODEL, METRICS, *(f"{REPRESENTATION}/{f}" for f in (META_FILE, ARRAY_FILE)))


def check_folder(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds a run, or files of somebody else where those of a run would go."""
    check_place(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; name a folder for the run")
    if _is_run(out):
        if not overwrite:
            raise InputError(f"{out}: holds a finished run; name another folder or add --overwrite")
        return
    if mine := sorted(path.name for pattern in TOP for path in out.glob(pattern)):
        raise InputError(
            f"{out}: is not a run, but its {mine[0]} would be replaced; name another folder, or "
            "move what it holds"
        )


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """Yield a folder to train into; its run replaces that of ``out`` when the block ends well.

    Otherwise ``out`` is as it was: not there, if it was not. It lies inside ``out``, where
    TensorBoard finds its events and no second disk has to be written.

    Raises
    ------
    InputError
        The disk is full or ``out`` cannot be written.
    """
    with set_apart(out, "training") as training:
        yield training
        clear_run(out)
        _put(training, out)


def clear_run(folder: str | Path) -> None:
    """Remove what a run has written into ``folder``, ``config.json`` first; nothing else."""
    folder = Path(folder)
    for file in (*FILES, *_shown(folder)):
        (folder / file).unlink(missing_ok=True)
        _remove_empty((folder / file).parent, folder)
    for file in _shown(folder / COLLAPSED):
        (folder / COLLAPSED / file).unlink()
        _remove_empty((folder / COLLAPSED / file).parent, folder)


def keep_collapsed(training: Path, out: Path) -> Path:
    """Put what TensorBoard reads of a training that collapsed into ``collapsed``, below ``out``.

    It shows what went wrong and is no run: a run in ``out`` stays, and the next run removes it.
    """
    for file in _shown(out / COLLAPSED):
        (out / COLLAPSED / file).unlink()
    _move(training, out / COLLAPSED, _shown(training))
    return out / COLLAPSED


def _put(training: Path, out: Path) -> None:
    _move(training, out, [*_shown(training), *reversed(FILES)])


def _move(training: Path, to: Path, files: Sequence[str]) -> None:
    for file in files:
        (to / file).parent.mkdir(parents=True, exist_ok=True)
        (training / file).replace(to / file)


def _shown(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for what in SHOWN for path in folder.glob(what)]


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove a folder and those above it, below ``top``; not those with files of the user's."""
    with suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent


def _is_run(folder: Path) -> bool:
    """Whether ``config.json`` is that of a run, of any version: many other things have one."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and {"train", "cell_dim"} <= set(config)
