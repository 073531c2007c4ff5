"""Files made by a script outside Python, from sources that no Python reader opens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.datasets.cache import VARIABLE
from benchmarks.datasets.errors import SourceUnavailable


@dataclass(frozen=True, kw_only=True)
class Form:
    """A file by its name and sha256."""

    filename: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ConvertedFile:
    """A file that is taken from a cache folder and cannot be downloaded.

    Parameters
    ----------
    url
        What it is made from.
    command
        The script that makes it, with its arguments, and where that runs.
    filename, sha256
        The file.
    written
        The same content as the script writes it. ``fetch`` returns the path of the one that a
        cache folder has, so that whoever runs the script is not refused for the bytes of a
        container.
    """

    url: str
    command: str
    filename: str
    sha256: str
    written: Form

    @property
    def origin(self) -> str:
        """The script and what it reads."""
        return f"{self.url} by {self.command}"

    @property
    def other_forms(self) -> tuple[Form, ...]:
        """What ``fetch`` takes as well."""
        return (self.written,)

    def download(self, folder: Path, *, progress: bool) -> Path:  # noqa: ARG002 - it never works
        """Raise ``SourceUnavailable``, which says how the file is made."""
        raise SourceUnavailable(
            f"{self.filename}: not in the cache, and no Python reader opens what it is made from, "
            f"{self.url}; make {self.written.filename} by {self.command} and put it, or the file "
            f"itself, in a folder named in {VARIABLE}"
        )
