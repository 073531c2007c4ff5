"""K562 tasks on a planted screen: what cells teach holds for effects, no gene is on both sides."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.effect_cells import EffectCells, screen
from benchmarks.joined import members, revised
from benchmarks.run import identify
from benchmarks.setting import Setting
from benchmarks.suites import suites
from benchmarks.tasks.k562_doubles import DoublesCells
from benchmarks.tasks.k562_inside import InsideCells
from benchmarks.tasks.k562_profile import K562Profile
from benchmarks.tasks.k562_target import TargetCells
from representations.errors import InputError
from representations.keys import Obs
from tests.planted_screen import PANEL, SETS, TARGETS, immune, plant, row


@pytest.fixture
def planted(monkeypatch):
    """The named data sets with planted content; short trainings."""
    return plant(monkeypatch)


@pytest.mark.parametrize("kind", [EffectCells, TargetCells, InsideCells])
def test_no_gene_is_on_both_sides(planted, kind):
    cells = kind(SETS, "norman_effects", 0)
    cell, marker = cells.genes.cell, cells.genes.marker
    assert not set(cell) & set(marker)
    assert set(marker) <= set(PANEL if kind is not TargetCells else TARGETS)
    assert not set(cell) & set(PANEL if kind is not TargetCells else TARGETS)


@pytest.mark.parametrize("model", ["ridge", "cca", "knn", "DiffMapProteinCLIP"])
def test_what_cells_teach_holds_for_effects(planted, model):
    metrics = K562Profile(SETS, "norman_effects", 0).run(row(model)).metrics
    assert metrics["pair_accuracy"].value > 0.7
    assert metrics["pair_accuracy"].n == metrics["pair_accuracy"].pool == planted.n_obs
    assert not [name for name in metrics if name.startswith("type_match")]


def test_without_pairs_to_learn_from_nothing_is_known(planted):
    shuffled = row("DiffMapProteinCLIP", control="shuffled_pairs")
    task = K562Profile(SETS, "norman_effects", 0)
    assert task.run(shuffled).metrics["pair_accuracy"].value < 0.7
    assert task.run(row("chance", "none")).metrics["pair_accuracy"].value < 0.65


@pytest.mark.parametrize("model", ["ridge", "DiffMapProteinCLIP"])
def test_adaptation_starts_from_ridge_and_reads_no_pair(planted, model):
    task = K562Profile(SETS, "norman_effects", 0)
    before = task.run(row("ridge")).metrics["pair_accuracy"].value
    after = task.run(row(model, adaptation="matched")).metrics["pair_accuracy"].value
    assert after != before  # ridge is near its ceiling on planted cells
    assert after > before - 0.03
    with pytest.raises(InputError, match="adaptation=matched"):
        task.run(row("cca", adaptation="matched"))


def test_an_effect_is_in_units_of_its_own_gene_or_as_it_was_measured(planted):
    cells = EffectCells(SETS, "norman_effects", 0)
    own = cells.effects(cells.genes.cell, Setting())
    np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(own.std(axis=0), 1, atol=1e-4)
    raw = cells.effects(cells.genes.cell, Setting(query_statistics="train"))
    np.testing.assert_array_equal(raw, planted[:, list(cells.genes.cell)].X.toarray())


def test_an_identity_says_its_target_alone(planted):
    cells = TargetCells(SETS, "norman_effects", 0)
    assert cells.query.n_obs == len(TARGETS)
    pairs = cells.test_pairs("none", Setting())
    assert (pairs.marker_nm > 0).sum() == len(TARGETS)
    named = [cells.markers[i] for i in pairs.marker_nm.argmax(axis=1)]
    assert named == cells.query.obs[Obs.TARGETS[0]].tolist()


@pytest.mark.parametrize("seed", range(3))
def test_nothing_inside_shares_a_gene_with_what_is_held_out(planted, monkeypatch, seed):
    monkeypatch.setattr("benchmarks.tasks.k562_inside.HELD", 6)
    cells = InsideCells("norman_effects", "norman_effects", seed)
    genes = planted.obs[list(Obs.TARGETS)].astype(str).to_numpy()
    train, validation, asked = cells.parts
    held = set(genes[asked].ravel()) - {""}
    assert len(held) == len(asked) == 6
    assert not held & set(genes[np.concatenate([train, validation])].ravel())
    assert not set(train) & set(validation)
    known, _ = cells.known_pairs("none", Setting())
    np.testing.assert_allclose(known.cell_nd.mean(axis=0), 0, atol=1e-4)


def test_joined_sets_are_sorted_known_and_named_by_all_their_revisions():
    assert members("kang+pbmc3k") == ("kang", "pbmc3k")
    assert revised("kang").startswith("kang@")
    assert revised("kang+pbmc3k") != revised("kang+marrow")
    for wrong in ("pbmc3k+kang", "kang+kang"):
        with pytest.raises(InputError, match="write kang"):
            members(wrong)
    with pytest.raises(InputError, match="nowhere"):
        members("kang+nowhere")


def test_a_set_of_cells_is_no_screen(monkeypatch):
    monkeypatch.setattr("benchmarks.datasets.load", lambda name: immune(0, n=5))
    screen.cache_clear()
    with pytest.raises(InputError, match="holds cells"):
        screen("kang")
    screen.cache_clear()


def test_every_row_is_known_by_its_own_configuration():
    runs = [identify("k562", one, 0) for one in suites.get("k562").rows]
    assert len({run.file_name for run in runs}) == len(runs)
    by_task = {}
    for run in runs:
        by_task.setdefault((run.task, run.train, run.config_hash), []).append(run)
    assert all(len(same) == 1 for same in by_task.values())


# activations of two genes


def test_pairs_are_asked_whose_genes_are_activated_alone_too(planted) -> None:
    cells = DoublesCells(SETS, "norman_effects", 0)
    first, second = (cells.query.obs[column].astype(str) for column in Obs.TARGETS)
    assert (second != "").all()
    assert set(first) | set(second) <= set(TARGETS)
    x_nm = np.asarray(planted[:, list(cells.markers)].X.toarray())
    expected_m = x_nm[TARGETS.index(first.iloc[3])] + x_nm[TARGETS.index(second.iloc[3])]
    np.testing.assert_allclose(cells.sums()[3], expected_m, rtol=1e-6)
