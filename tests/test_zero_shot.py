"""Types by prompts: prompts as data, scores in a space, and every row of the suite asked alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import adaptation
from benchmarks.coarse_lesson import asked, coarse, lesson
from benchmarks.datasets.vocabulary import table as vocabulary
from benchmarks.prompt_scores import by_model, by_profiles, by_sides
from benchmarks.prompts import known_prompts, prompts_for
from benchmarks.run import identify
from benchmarks.setting import setting_of
from benchmarks.siblings import OTHER
from benchmarks.suites import OURS, suites
from benchmarks.suites.typing import MATCHED
from benchmarks.tasks.zero_shot import ZeroShotAdt
from clip_align import config
from clip_align.adapt import STUDENT, AdaptConfig
from clip_align.config import TrainConfig
from clip_align.gating import GateReference
from clip_align.pairs import PairedCells
from clip_align.query import Gate
from representations.errors import InputError

ROWS = suites.get("typing").rows
HERE = [
    row
    for row in ROWS
    if row.train == row.test and row.model not in ("celltypist", "scanvi")
    and row.representation != "X_source_small"
]  # fmt: skip


def test_every_prompt_is_readable_and_names_a_coarse_type() -> None:
    known = {term.coarse for terms in vocabulary().values() for term in terms.values()} - {OTHER}
    prompts = known_prompts()
    assert len({(p.view, p.phrase) for p in prompts}) == len(prompts) >= 12
    for prompt in prompts:
        assert prompt.type in known
        assert prompt.gate(sorted(prompt.markers)).columns


def test_a_prompt_needs_all_its_markers() -> None:
    found = prompts_for(("CD3", "CD19"), "adt")
    assert {p.type for p in found} == {"B"}
    assert prompts_for(("CD3", "CD19"), "rna") == ()
    with pytest.raises(InputError, match="CD14"):
        next(p for p in known_prompts() if p.type == "CD14 mono").gate(("CD3",))


# scores


LEVELS = GateReference(
    levels_m2=np.array([[0.0, 2.0], [0.0, 2.0]], np.float32),
    profile_rm=np.array([[0, 0], [2, 0], [0, 2], [2, 2]], np.float32),
)
GATES = [Gate.of("CD3+ CD19-", ("CD3", "CD19"), "adt"), Gate.of("CD19+", ("CD3", "CD19"), "adt")]


def test_profiles_that_meet_a_prompt_score_highest() -> None:
    score_np = by_profiles(LEVELS, GATES, LEVELS.profile_rm)
    assert score_np[:, 0].argmax() == 1
    np.testing.assert_allclose(score_np[:, 1], [0, 0, 1, 1])


class Inner:
    def similarity(self, cell_nd: np.ndarray, marker_nm: np.ndarray) -> np.ndarray:
        return cell_nd @ marker_nm.T


def test_a_baseline_is_asked_for_the_mean_of_the_profiles_that_meet_the_prompt() -> None:
    test = PairedCells(
        cell_nd=np.eye(2, dtype=np.float32), marker_nm=np.zeros((2, 2), np.float32),
        ids_n=np.array(["a", "b"]), types_n=np.array(["x", "x"]),
    )  # fmt: skip
    score_np = by_model(Inner(), LEVELS, GATES, test)
    np.testing.assert_allclose(score_np, [[2, 1], [0, 2]], atol=1e-3)


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10))
@settings(max_examples=25, deadline=None)
def test_sides_are_read_by_direction_in_any_order_of_cells_and_profiles(seed, scale) -> None:
    rng = np.random.default_rng(seed)
    marker_nm = LEVELS.profile_rm[rng.integers(4, size=40)] + 0.1 * rng.normal(size=(40, 2))
    cell_ne, marker_ne = rng.normal(size=(30, 3)), rng.normal(size=(40, 3))
    score_np = by_sides(cell_ne, marker_ne, LEVELS, GATES, marker_nm)
    cells, profiles = rng.permutation(30), rng.permutation(40)
    again_np = by_sides(
        scale * cell_ne[cells], scale * marker_ne[profiles], LEVELS, GATES, marker_nm[profiles]
    )
    np.testing.assert_allclose(again_np, score_np[cells], atol=1e-9)
    assert np.abs(score_np).max() <= 1 + 1e-9


def test_of_two_sides_a_cell_is_near_the_prompt_that_its_profile_meets() -> None:
    member_n = np.arange(80) % 4
    place_re = np.eye(4)
    score_np = by_sides(
        place_re[member_n], place_re[member_n], LEVELS, GATES, LEVELS.profile_rm[member_n]
    )
    assert (score_np[member_n == 1].argmax(axis=1) == 0).all()
    assert (score_np[member_n >= 2].argmax(axis=1) == 1).all()


# the task


@pytest.mark.parametrize("row", HERE, ids=lambda r: f"{r.model} {dict(r.variant)}")
def test_every_row_names_the_test_cells(row, gated: AnnData, monkeypatch) -> None:
    small = replace(TrainConfig(), epochs=3, batch_size=64)
    monkeypatch.setitem(config.bases._members, "DiffMapProteinCLIP", small)
    outcome = ZeroShotAdt("teaseq", "teaseq", 0).run(row)
    figures = outcome.metrics
    assert figures["accuracy"].n == len(ZeroShotAdt("teaseq", "teaseq", 0).cells.query)
    assert {"recall[B]", "recall[CD4 T]", "recall[CD14 mono]"} <= set(figures)
    assert figures["accuracy"].replicates is not None
    if row.model == "majority":
        assert figures["balanced_accuracy"].value == pytest.approx(1 / 4)
    else:
        assert figures["accuracy"].value > 0.9


def test_labels_have_no_part_in_prompts(gated: AnnData, monkeypatch) -> None:
    small = replace(TrainConfig(), epochs=2, batch_size=64)
    monkeypatch.setitem(config.bases._members, "DiffMapProteinCLIP", small)
    row = next(row for row in HERE if row.model == "DiffMapProteinCLIP" and not row.variant)

    task = ZeroShotAdt("teaseq", "teaseq", 0)
    rows = np.arange(task.cells.query.n_obs)
    before = task._named(row, setting_of(row), rows)[0]
    kinds = gated.obs["cell_type"].astype(str)
    gated.obs["cell_type"] = np.random.default_rng(0).permutation(kinds)
    again = ZeroShotAdt("teaseq", "teaseq", 0)
    again.cells.split = task.cells.split  # cells of a type are dealt by their labels, and only here
    np.testing.assert_array_equal(again._named(row, setting_of(row), rows)[0], before)


def test_who_learns_labels_is_taught_coarse_ones_and_never_a_test_cell(gated: AnnData) -> None:
    cells = ZeroShotAdt("teaseq", "teaseq", 0).cells
    taught = lesson(cells, "kept")
    assert taught.types == ("B", "CD14 mono", "CD4 T", "CD8 T")
    known = set(taught.known.adata.obs_names) | set(taught.held.adata.obs_names)
    rows, true_n = asked(cells)
    assert not known & set(cells.query.obs_names[rows])
    labels_n = cells.query.obs["cell_type"].to_numpy()[rows]
    np.testing.assert_array_equal(true_n, coarse("teaseq", labels_n))
    assert len(gated) == 420


def test_adapted_to_another_set_prompts_are_looked_up_among_its_own_profiles(
    gated: AnnData, monkeypatch
) -> None:
    small = replace(TrainConfig(), epochs=3, batch_size=64)
    monkeypatch.setitem(config.bases._members, "DiffMapProteinCLIP", small)
    quick = replace(STUDENT, batch_size=64)
    monkeypatch.setattr(adaptation, "config_for", lambda *_: AdaptConfig(steps=20, train=quick))
    row = next(
        row for row in ROWS if row.test == "pbmc10k_cite" and row.variant == MATCHED
    )  # fmt: skip
    figures = ZeroShotAdt("teaseq", "pbmc10k_cite", 0)
    monkeypatch.setattr(
        "benchmarks.coarse_lesson.coarse", lambda _, labels_n: coarse("teaseq", labels_n)
    )
    assert figures.run(row).metrics["accuracy"].n == len(gated)
    assert figures.run(row).metrics["accuracy"].value > 0.9


def test_rows_differ_in_their_identity() -> None:
    told = {(row.test, identify("typing", row, 0).config_hash) for row in ROWS}
    assert len(told) == len(ROWS)


@pytest.mark.parametrize(
    ("model", "variant"),
    [
        ("logreg", {"adaptation": "matched"}),
        ("majority", {"query_statistics": "train"}),
        ("profiles", {"adaptation": "matched"}),
    ],
)
def test_what_a_model_does_not_read_is_refused(model: str, variant: dict[str, str]) -> None:
    row = replace(ROWS[0], model=model, representation="none", variant=variant)
    with pytest.raises(InputError, match="does not read"):
        ZeroShotAdt.config(row)


def test_no_prompt_is_looked_up_in_the_two_spaces_of_a_ceiling() -> None:
    with pytest.raises(InputError, match="adaptation=told"):
        ZeroShotAdt.config(replace(ROWS[0], model=OURS, variant={"adaptation": "told"}))
