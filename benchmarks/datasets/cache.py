"""Layered download cache: read every folder, write the first that allows it."""

from __future__ import annotations

import logging
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from benchmarks.datasets.files import digest
from representations.errors import InputError

VARIABLE: Final = "CLIP_ALIGN_CACHE"
_ANY_WRITE: Final = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_log = logging.getLogger(__name__)


def user_folder() -> Path:
    """The cache folder of this user, where ``CLIP_ALIGN_CACHE`` names no writable one."""
    return platformdirs.user_cache_path("clip_align")


def is_writable(folder: Path) -> bool:
    """Whether files may be put in ``folder``, which need not exist yet.

    The mode bits count as well as the access check: root may write anywhere, yet a folder
    marked read-only is meant to stay as it is.
    """
    if not folder.exists():
        return folder.parent != folder and is_writable(folder.parent)
    marked = bool(folder.stat().st_mode & _ANY_WRITE)
    return folder.is_dir() and marked and os.access(folder, os.W_OK | os.X_OK)


@dataclass(frozen=True, kw_only=True)
class Cache:
    """Folders searched in order for files with the right sha256."""

    folders: tuple[Path, ...]

    @classmethod
    def from_environment(cls) -> Cache:
        """Folders of ``CLIP_ALIGN_CACHE``, and the user's own where none of them is writable.

        Raises
        ------
        InputError
            The variable names something that is not a folder.
        """
        entries = [entry for entry in os.environ.get(VARIABLE, "").split(os.pathsep) if entry]
        folders = [Path(entry).expanduser().absolute() for entry in entries]
        for folder in folders:
            if folder.exists() and not folder.is_dir():
                raise InputError(f"{VARIABLE}: {folder} is a file; name folders there")
        if not any(is_writable(folder) for folder in folders):
            folders.append(user_folder())
        return cls(folders=tuple(folders))

    def writable(self) -> Path:
        """First writable folder, created if absent.

        Raises
        ------
        InputError
            No folder can be written.
        """
        for folder in self.folders:
            if is_writable(folder):
                folder.mkdir(parents=True, exist_ok=True)
                return folder
        listed = ", ".join(map(str, self.folders))
        raise InputError(
            f"no cache folder can be written (tried {listed}); name one that can in {VARIABLE}"
        )

    def find(self, filename: str, sha256: str) -> Path | None:
        """Path of the file with this name and hash, or None.

        A file of that name with another hash is set aside where the folder is writable,
        and passed over with a warning where it is not.
        """
        for folder in self.folders:
            path = folder / filename
            if not path.is_file():
                continue
            if digest(path) == sha256:
                return path
            if is_writable(folder):
                aside = set_aside(path)
                _log.warning("%s: its sha256 is not the pinned one; moved to %s", path, aside.name)
            else:
                _log.warning("%s: its sha256 is not the pinned one; passed over", path)
        return None

    def adopt(self, path: Path, filename: str, sha256: str, *, origin: str) -> Path:
        """Move a downloaded file into the writable folder if its hash is right.

        Raises
        ------
        InputError
            The hash differs; the file is set aside in the writable folder.
        """
        target = self.writable() / filename
        found = digest(path)
        if found != sha256:
            aside = target.with_name(f"{filename}.bad-{found[:8]}")
            path.replace(aside)
            raise InputError(
                f"{filename}: {origin} gave a file with sha256 {found[:8]}... where "
                f"{sha256[:8]}... is pinned (kept as {aside}); try again, or put the right file "
                f"in a folder of {VARIABLE}"
            )
        path.replace(target)
        return target


def set_aside(path: Path) -> Path:
    """Rename ``path`` to ``NAME.bad-<first 8 digits of its sha256>`` and return the new path."""
    return path.replace(path.with_name(f"{path.name}.bad-{digest(path)[:8]}"))
