"""Several files of a folder: all of them, or what was there before."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from representations.errors import InputError, OutdatedError
from representations.staging import staged

FILES = ("last.json", "part/a.txt", "b.txt")


def names(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def write(folder: Path, text: str, files: tuple[str, ...] = FILES) -> None:
    with staged(folder, FILES) as staging:
        for name in files:
            (staging / name).parent.mkdir(exist_ok=True)
            (staging / name).write_text(text)


def test_all_are_replaced_and_what_is_not_written_is_taken_away(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    write(folder, "one")
    (folder / "mine.txt").write_text("mine")
    write(folder, "two", FILES[:2])
    assert names(folder) == {"last.json", "part/a.txt", "mine.txt"}
    assert {(folder / name).read_text() for name in FILES[:2]} == {"two"}


@pytest.mark.parametrize(
    ("fault", "raised"),
    [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(errno.ENOSPC, "full"), InputError)],
)
def test_a_failure_changes_nothing(tmp_path: Path, fault: BaseException, raised: type) -> None:
    def fail(folder: Path) -> None:
        with staged(folder, FILES) as staging:
            (staging / "b.txt").write_text("two")
            raise fault

    write(tmp_path / "old", "one")
    for folder in (tmp_path / "old", tmp_path / "new" / "deep"):
        with pytest.raises(raised) as error:
            fail(folder)
        assert raised is KeyboardInterrupt or "disk is full" in str(error.value)
        assert ".staged" not in str(error.value)
    assert names(tmp_path) == {f"old/{name}" for name in FILES}
    assert (tmp_path / "old" / "b.txt").read_text() == "one"
    assert not (tmp_path / "new").exists()


def test_the_first_is_gone_while_the_others_are_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "one")
    replaced: list[str] = []
    plain = Path.replace

    def replace(path: Path, target: Path) -> Path:
        assert not (tmp_path / "last.json").exists()
        replaced.append(target.name)
        return plain(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    write(tmp_path, "two")
    assert replaced == ["b.txt", "a.txt", "last.json"]


def test_an_error_keeps_its_kind_and_names_the_folder_the_user_gave(tmp_path: Path) -> None:
    def fail(kind: type[InputError]) -> None:
        with staged(tmp_path / "run", FILES) as staging:
            raise kind(f"{staging / 'b.txt'}: of an earlier revision")

    for kind in (InputError, OutdatedError):
        with pytest.raises(InputError) as error:
            fail(kind)
        assert type(error.value) is kind
        assert str(error.value) == f"{tmp_path / 'run' / 'b.txt'}: of an earlier revision"
    assert not (tmp_path / "run").exists()
