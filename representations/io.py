"""Writing files so that a reader sees the old one or the new one, never a half."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from representations.errors import InputError

FULL = {errno.ENOSPC, errno.EDQUOT}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; put it in place when the block ends well.

    For libraries that write to a path themselves. The temporary keeps the suffix, is flushed to
    disk before it replaces ``path``, and is removed on any error, a full disk included.
    Missing parent folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{secrets.token_hex(6)}.partial{path.suffix}")
    try:
        yield partial
        _flush(partial)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _flush(path.parent)


def atomic_write(path: str | Path, data: str | bytes) -> None:
    """Write text (UTF-8, newlines as given) or bytes to ``path`` in one step.

    Raises
    ------
    OSError
        As the system reports it; ``path`` is then as it was and no temporary is left.
    """
    with atomic_path(path) as partial, partial.open("xb") as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def explained_disk_errors(target: str | Path) -> Iterator[None]:
    """Turn whatever the disk refuses into an ``InputError`` that names ``target`` and a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL or "No space left on device" in str(error):
            raise InputError(
                f"{target}: the disk is full, nothing was kept; free some space, or choose "
                "another folder"
            ) from error
        reason = " ".join(str(error.strerror or error).split()) or type(error).__name__
        remedy = "choose a folder you may write to"
        if error.errno not in FORBIDDEN:
            remedy = "check the path and its disk, or choose another folder"
        raise InputError(f"{target}: cannot be written ({reason}); {remedy}") from error


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
