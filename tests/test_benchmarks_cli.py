"""``python -m benchmarks``: one clear line for what cannot be done, before anything is written."""

from pathlib import Path

import pytest

from benchmarks import cli, datasets, readme
from benchmarks.suites import suites
from representations.errors import InputError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty folder, where nothing may be run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "run_suite", lambda *_, **__: pytest.fail("a suite ran"))
    monkeypatch.setattr(cli.joint_umap, "coordinates", lambda: pytest.fail("a model was trained"))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["run", "cros_dataset"], "cross_dataset"),
        (["run", "cross_dataset", "--seeds", "0"], "--seeds 0"),
        (["run", "cross_dataset", "--only", "teasec"], "teaseq"),
        (
            ["run", "speed", "--only", "kang"],
            r"no row of speed \(full\) has that; there: marrow, te",
        ),
        (["run", "cross_dataset", "--profile", "quick", "--only", "kang"], "there: pbmc10k_cite, "),
        (["run", "cross_dataset", "--model", "rige"], "--model rige: no row of .* knn, .* ridge"),
        (["run", "cross_dataset", "--model", "cca", "--variant", "answer=plan"], "matched, none$"),
        (["run", "typing", "--profile", "quick"], "give --profile full"),
        (["run", "speed", "--out", "file"], "file: is a file"),
        (["umap", "--out", "file"], "file: is a file"),
        (["tables", "--out", "absent"], "absent/records: holds no records"),
        (["tables", "--check", "--out", "absent"], "absent/records: holds no records"),
        (["datasets", "card", "teasec"], "teaseq"),
        (["datasets", "export", "teasec", "-o", "x.h5ad"], "teaseq"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(args, said):
    Path("file").write_text("mine")
    with pytest.raises(InputError, match=said) as error:
        cli.main(args)
    assert "\n" not in str(error.value)
    assert [path.name for path in Path().iterdir()] == ["file"]
    assert Path("file").read_text() == "mine"


def test_a_damaged_record_leaves_the_tables_as_they_were():
    root = Path("results/records")
    for suite in ("cross_dataset", "speed"):
        (root / suite).mkdir(parents=True)
    (root / "speed" / "broken.json").write_text("{")
    with pytest.raises(InputError, match=r"broken\.json"):
        cli.main(["tables"])
    assert not Path("results/tables").exists()


def test_a_trial_leaves_the_readme_alone(monkeypatch):
    Path("README.md").write_text(f"{readme.begin('cross_dataset')}\nmine\n{readme.END}\n")
    Path("trial/records/speed").mkdir(parents=True)
    asked = []
    monkeypatch.setattr(readme, "update", lambda *_: asked.append("update") or [])
    monkeypatch.setattr(readme, "is_current", lambda *_: asked.append("check") or True)
    assert cli.main(["tables", "--out", "trial"]) == 0
    assert cli.main(["tables", "--check", "--out", "trial"]) == 0
    assert asked == []
    Path("results/records/speed").mkdir(parents=True)
    assert cli.main(["tables"]) == 0
    assert cli.main(["tables", "--check"]) == 0
    assert asked == ["update"] * len(cli.PAGES) + ["check"] * len(cli.PAGES)


def test_the_list_names_everything(capsys):
    cli.main(["list"])
    said = capsys.readouterr().out
    for name in (*suites.names(), *datasets.names()):
        assert name in said
