"""A run replaces a run, never anything else, and only when it is whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clip_align.run_folder import (
    COLLAPSED,
    FILES,
    check_folder,
    clear_run,
    keep_collapsed,
    staged,
)
from representations.errors import InputError

CONFIG = json.dumps({"train": {}, "cell_dim": 3})


def fill(folder: Path, text: str) -> Path:
    for name in (*FILES, f"events.out.tfevents.{text}"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(CONFIG if name == "config.json" else text)
    return folder


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_clearing_removes_a_run_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path / "run", "old")
    mine = {"notes.txt": "mine", "representation/notes.txt": "mine"}
    for name, text in mine.items():
        (tmp_path / "run" / name).write_text(text)
    clear_run(tmp_path / "run")
    assert contents(tmp_path / "run") == mine
    clear_run(tmp_path / "absent")
    clear_run(fill(tmp_path / "other", "old"))
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize(
    "name",
    ["metrics.json", "model.safetensors", "config.json", "events.out.tfevents.1", "representation"],
)
def test_files_of_somebody_else_are_never_replaced(
    name: str, overwrite: bool, tmp_path: Path
) -> None:
    (tmp_path / "harmless.txt").write_text("mine")
    check_folder(tmp_path, overwrite=overwrite)
    if name == "representation":
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.txt").write_text("mine")
    else:
        (tmp_path / name).write_text('{"hidden_size": 768}')
    with pytest.raises(InputError, match=f"is not a run, but its {name} would be replaced; name"):
        check_folder(tmp_path, overwrite=overwrite)


def test_a_run_is_replaced_only_when_told(tmp_path: Path) -> None:
    fill(tmp_path, "old")
    with pytest.raises(InputError, match="add --overwrite"):
        check_folder(tmp_path, overwrite=False)
    check_folder(tmp_path, overwrite=True)


def test_a_run_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    out = fill(tmp_path / "run", "old")
    (out / "notes.txt").write_text("mine")
    with staged(out) as folder:
        fill(folder, "new")
        assert contents(out).items() >= {"panel.json": "old", "config.json": CONFIG}.items()
    text = {name: CONFIG if name == "config.json" else "new" for name in FILES}
    assert contents(out) == {**text, "notes.txt": "mine", "events.out.tfevents.new": "new"}
    assert not list(out.glob(".*"))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), InputError("no"), OSError(28, "full")])
def test_a_failure_leaves_what_was_there(error: BaseException, tmp_path: Path) -> None:
    fill(tmp_path / "run", "old")
    before = contents(tmp_path)

    def fail(out: Path) -> None:
        with staged(out) as folder:
            fill(folder, "new")
            raise error

    for out in (tmp_path / "run", tmp_path / "a" / "b"):
        with pytest.raises((KeyboardInterrupt, InputError)):
            fail(out)
        assert contents(tmp_path) == before
        assert [path.name for path in tmp_path.iterdir()] == ["run"]
        assert not list(out.glob(".*"))


def test_an_error_names_the_folder_the_user_gave(tmp_path: Path) -> None:
    def fail() -> None:
        with staged(tmp_path / "run") as folder:
            raise InputError(f"{folder}: cannot be written")

    with pytest.raises(InputError, match=f"^{tmp_path}/run: cannot be written$"):
        fail()


def test_what_shows_a_collapse_is_kept_beside_a_run(tmp_path: Path) -> None:
    out = fill(tmp_path / "run", "old")
    before = contents(out)
    shown = "events.out.tfevents.", "control/shuffled/events.out.tfevents."
    for text in ("first", "second"):
        training = fill(tmp_path / text, text)
        (training / "control" / "shuffled").mkdir(parents=True)
        (training / f"{shown[1]}{text}").write_text(text)
        assert keep_collapsed(training, out) == out / COLLAPSED
        kept = {f"{COLLAPSED}/{name}{text}": text for name in shown}
        assert contents(out) == before | kept
    (out / COLLAPSED / "notes.txt").write_text("mine")
    check_folder(out, overwrite=True)
    clear_run(out)
    assert contents(out) == {f"{COLLAPSED}/notes.txt": "mine"}
    check_folder(out, overwrite=False)


def test_a_run_comes_with_what_tensorboard_shows_of_it(tmp_path: Path) -> None:
    shown = ("control/random_init/events.out.tfevents.1", "projector_config.pbtxt",
             "projector/tensors.tsv", "projector/metadata.tsv")  # fmt: skip
    with staged(tmp_path / "run") as folder:
        fill(folder, "new")
        for name in shown:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("new")
    assert set(shown) < contents(tmp_path / "run").keys()
    clear_run(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []
