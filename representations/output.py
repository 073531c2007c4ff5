"""What every command that writes a file or a folder asks of the place, before any work is done."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from representations.errors import InputError
from representations.io import explained_disk_errors


def check_output(
    path: Path, *, source: str | Path, overwrite: bool = False, suffix: str = ".h5ad"
) -> None:
    """Refuse a file that cannot be written or should not be.

    Parameters
    ----------
    source
        The file that is read: never the output.

    Raises
    ------
    InputError
        A folder or another ending, ``source`` itself, a place that cannot be written, or a file
        that is there already, unless ``overwrite``.
    """
    check_place(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give a file name ending in {suffix}")
    if path.suffix != suffix:
        raise InputError(f"{path}: the output must be a file name ending in {suffix}")
    if _same(path, Path(source)):
        raise InputError(f"{path}: is the query itself; give the output another name")
    if _exists(path) and not overwrite:
        raise InputError(f"{path}: exists already; name another file or add --overwrite")


def check_folder(folder: Path, files: Iterable[str], *, overwrite: bool) -> None:
    """Refuse a folder that cannot be written, or whose ``files`` would be replaced unasked."""
    check_place(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give the path of a folder")
    there = [name for name in files if _exists(folder / name)]
    if there and not overwrite:
        raise InputError(
            f"{folder}: holds a {there[0]} already; name another folder or add --overwrite"
        )


def check_place(path: Path) -> None:
    """Refuse a path under a file, or under a folder that cannot be written."""
    with explained_disk_errors(path):
        path.is_dir()  # a name may be too long to be asked for
    over = next(parent for parent in path.absolute().parents if _exists(parent))
    if not over.is_dir():
        raise InputError(f"{path}: cannot be written, {over} is a file; choose another folder")
    if not os.access(over, os.W_OK | os.X_OK):
        raise InputError(
            f"{path}: cannot be written, no permission in {over}; choose a folder you may write to"
        )


def _exists(path: Path) -> bool:
    """Whether there is anything of that name, a broken link included."""
    return os.path.lexists(path)


def _same(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)  # a hard link, too
    return one.resolve() == other.resolve()
