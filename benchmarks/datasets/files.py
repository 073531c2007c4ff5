"""Files appear whole or not at all, and a full disk is one clear line."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from representations.errors import InputError


def digest(path: Path) -> str:
    """Sha256 of a file in hexadecimal, computed once per process while the file is unchanged."""
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def explained_disk_errors(target: Path) -> Iterator[None]:
    """Turn a full or unwritable disk into an ``InputError`` that names ``target``."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC or "No space left on device" in str(error):
            raise InputError(
                f"{target}: the disk is full, nothing was kept; free some space, or choose "
                "another folder"
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise InputError(
                f"{target}: cannot be written ({error.strerror}); choose a folder you may write to"
            ) from error
        raise


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target``; moved onto it only if the block succeeds.

    Raises
    ------
    InputError
        The disk is full or the folder cannot be written; nothing is left behind.
    """
    partial = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        with explained_disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
