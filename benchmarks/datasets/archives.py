"""Named members of an archive, read into memory: nothing is ever extracted to disk."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from representations.errors import InputError


def read_members(archive: Path, members: Sequence[str]) -> dict[str, bytes]:
    """Contents of some regular files of a ``.tar.gz`` or ``.whl`` archive.

    Parameters
    ----------
    archive
        The archive.
    members
        Exact member names. Others are never read.

    Returns
    -------
    Contents by member name.

    Raises
    ------
    InputError
        The archive is damaged, or lacks a member as a regular file.
    """
    read = _read_zip if archive.suffix in {".whl", ".zip"} else _read_tar
    try:
        contents = read(archive, frozenset(members))
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise _damaged(archive, error) from error
    except OSError as error:
        # gzip reports bad data as an OSError without an errno.
        if error.errno is not None:
            raise
        raise _damaged(archive, error) from error
    missing = [member for member in members if member not in contents]
    if missing:
        raise InputError(
            f"{archive}: has no regular file {missing[0]!r}; it is not the archive this dataset "
            "reads, delete it and run again"
        )
    return contents


def _damaged(archive: Path, error: Exception) -> InputError:
    return InputError(
        f"{archive}: truncated or damaged ({type(error).__name__}); delete it and run again"
    )


def _read_tar(archive: Path, members: frozenset[str]) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    with tarfile.open(archive, "r|gz") as tar:
        for info in tar:
            if info.name not in members or not info.isreg():
                continue
            file = tar.extractfile(info)
            if file is not None:
                contents[info.name] = file.read()
            if len(contents) == len(members):
                break
    return contents


def _read_zip(archive: Path, members: frozenset[str]) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        return {name: file.read(name) for name in sorted(members & set(file.namelist()))}
