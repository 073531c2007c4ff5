"""Run folders of annotation: each file tied to its run, and blamed for what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline

from clip_align.scimilarity.baseline import Baseline
from clip_align.scimilarity.probe import logistic
from clip_align.scimilarity.run import load_classifier, save_classifier
from clip_align.scimilarity.run_evidence import load_baseline, load_seen
from clip_align.scimilarity.seen_cells import SeenCells, read_seen
from representations.errors import InputError
from tests.scimilarity.tiny_classifier import classifier, save

NAMES = st.lists(st.text(max_size=8), max_size=12, unique=True)
SEEN = SeenCells.of(["a", "b"], ["c"])
FILES_OF_A_RUN = ("gene_order.tsv", "model.safetensors")


def baseline(c: float = 1.0, latent: int = 6) -> tuple[Baseline, Pipeline, np.ndarray]:
    """One of three types, the logistic regression that it is of, and cells to ask."""
    rng = np.random.default_rng(0)
    type_n = np.arange(90) % 3
    z_ne = (rng.normal(size=(90, latent)) + np.eye(3, latent)[type_n]).astype(np.float32)
    probe = logistic(c).fit(z_ne, type_n)
    made = Baseline.of(probe, torch.from_numpy(z_ne), torch.from_numpy(type_n), 3)
    return made, probe, z_ne


def refused(folder: Path, name: str, told: str) -> None:
    load = {"seen_cells.tsv": load_seen, "baseline.safetensors": load_baseline}
    with pytest.raises(InputError) as error:
        load.get(name, load_classifier)(folder)
    assert str(error.value).startswith(f"{folder / name}: ")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def edit(folder: Path, **changed: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


@pytest.mark.parametrize("name", [*FILES_OF_A_RUN, "seen_cells.tsv", "baseline.safetensors"])
def test_a_file_of_another_run_is_refused(tmp_path: Path, name: str) -> None:
    one = classifier()
    genes = (*one.genes[1:], one.genes[0])  # as many, in another order
    other = replace(one, genes=genes, abstention=replace(one.abstention, alpha=0.5))
    for folder, run, seen, c in (("mine", one, SEEN, 1.0), ("other", other, SeenCells(), 9.0)):
        save_classifier(
            tmp_path / folder, run, head="linear", sanity={}, metrics={}, seen=seen,
            baseline=baseline(c)[0],
        )  # fmt: skip
    (tmp_path / "mine" / name).write_bytes((tmp_path / "other" / name).read_bytes())
    refused(tmp_path / "mine", name, "damaged, or of another run than the config.json beside it")


def test_a_baseline_is_its_logistic_regression_and_comes_back(tmp_path: Path) -> None:
    made, probe, z_ne = baseline()
    save_classifier(
        tmp_path, classifier(), head="linear", sanity={}, metrics={}, baseline=made
    )  # fmt: skip
    loaded = load_baseline(tmp_path)
    np.testing.assert_array_equal(loaded.probabilities(z_ne), made.probabilities(z_ne))
    plain = Baseline(head=made.head, temperature=1.0)  # its own temperature moves no order
    np.testing.assert_allclose(plain.probabilities(z_ne), probe.predict_proba(z_ne), atol=1e-5)
    assert (loaded.probabilities(z_ne).argmax(axis=1) == probe.predict(z_ne)).all()


def test_a_baseline_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    save(tmp_path)
    refused(tmp_path, "baseline.safetensors", "the run keeps none; train it again")
    wide = baseline(latent=7)[0]
    save_classifier(tmp_path, classifier(), head="linear", sanity={}, metrics={}, baseline=wide)
    refused(tmp_path, "baseline.safetensors", "damaged, or not of this run (")
    (tmp_path / "baseline.safetensors").unlink()
    refused(tmp_path, "baseline.safetensors", "missing")
    load_classifier(tmp_path)  # to annotate it is not asked for


def test_an_abstention_among_other_types_is_the_weights_fault(tmp_path: Path) -> None:
    one = classifier()
    save(tmp_path, replace(one, abstention=replace(one.abstention, n_types=5)))
    refused(tmp_path, "model.safetensors", "abstention among 5 of 3 types")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"temperature": 0.0}, "temperature=0.0: "),
        ({"temperature": float("nan")}, "temperature=nan: "),
        ({"temperature": -1.0}, "temperature=-1.0: "),
        ({"head": "lineal"}, "linear"),
        ({"terms": []}, "0 terms of 3 types"),
        ({"layers": {"n_genes": 31, "hidden": [12], "latent": 6}}, "31 genes, gene_order.tsv has"),
    ],
)
def test_a_config_that_cannot_be_is_blamed_itself(
    tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    save(tmp_path)
    edit(tmp_path, **changed)
    refused(tmp_path, "config.json", told)


def test_a_run_of_an_earlier_version_is_said_to_be_one(tmp_path: Path) -> None:
    save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["sha256"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    refused(tmp_path, "config.json", "not of this version's annotation run (sha256: ")


@pytest.mark.parametrize(
    ("content", "told"), [(None, "missing"), ("", "damaged"), ("known\tx\n", "damaged")]
)
def test_seen_cells_that_are_not_there_are_one_line(
    tmp_path: Path, content: str | None, told: str
) -> None:
    save(tmp_path)
    (tmp_path / "seen_cells.tsv").unlink()
    if content is not None:
        (tmp_path / "seen_cells.tsv").write_text(content)
    refused(tmp_path, "seen_cells.tsv", told)
    load_classifier(tmp_path)  # to annotate they are not asked for


@given(known=NAMES, held=NAMES, others=NAMES)
def test_seen_cells_are_those_that_were_given_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, known: list, held: list, others: list
) -> None:
    path = tmp_path_factory.mktemp("seen") / "seen_cells.tsv"
    seen = SeenCells.of(known, held)
    assert SeenCells.of(known[::-1], held[::-1]).text() == seen.text()
    path.write_text(seen.text(), encoding="utf-8")
    assert read_seen(path) == seen
    assert seen.among(others) == [name for name in others if name in {*known, *held}]
    assert set(seen.among([*known, *held])) == {*known, *held}


def test_names_are_not_told(tmp_path: Path) -> None:
    assert "AAACCTGAG" not in SeenCells.of(["AAACCTGAG-1"], []).text()
