"""Norman 2019 in both forms: published numbers, one screen, and effects that are no counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import benchmarks.datasets as datasets
from benchmarks.annotation_cells import AnnotationCells
from benchmarks.datasets import norman, norman_effects
from benchmarks.datasets.sources import fetch
from benchmarks.task_cells import TaskCells
from clip_align.markers import marker_profile
from representations.errors import InputError
from representations.keys import Obs, Obsm
from representations.preprocess import counts, log_normalise
from representations.query import prepare

FIRST, SECOND = Obs.TARGETS


def arms_of(adata) -> pd.Series:
    return adata.obs[Obs.PERTURBATION].astype(str)


# --- known answers ------------------------------------------------------------------------


@pytest.fixture(name="cells")
def _cells(request):
    return request.getfixturevalue("norman_cells")


@pytest.fixture(name="effects")
def _effects(request):
    return request.getfixturevalue("norman_effects")


def test_arms_batches_and_library_are_the_published_ones(cells):
    arms = arms_of(cells).value_counts()
    assert arms[norman.CONTROL] == 11_183
    assert len(arms) - 1 == 105
    assert (arms.min(), arms.drop(norman.CONTROL).max()) == (107, 1843)
    assert set(cells.obs[Obs.BATCH]) == set("12345678")
    library_n = cells.obsm[Obsm.LIBRARY]["total_umi"].to_numpy()
    assert (library_n.min(), library_n.max()) == (3712, 64352)
    assert (library_n > 10 * np.asarray(cells.X.sum(axis=1)).ravel()).mean() > 0.9
    controls = cells.obs[arms_of(cells) == norman.CONTROL]
    assert set(controls[FIRST].astype(str)) == set(cells.obs[SECOND].astype(str)) == {""}
    assert Obs.DONOR not in cells.obs


def test_an_activated_gene_goes_up_in_its_cells(cells):
    """By the library, as ``log_normalise`` takes it."""
    depth_n = cells.obsm[Obsm.LIBRARY]["total_umi"].to_numpy()
    log_ng = log_normalise(counts(cells), 1e4, depth_n)
    arms, targets = arms_of(cells).to_numpy(), cells.obs[FIRST].astype(str).to_numpy()
    own = sorted(set(targets) & set(cells.var_names))
    assert own == ["CEBPA", "KLF1", "LYL1", "SLC4A1", "SPI1"]
    for gene in own:
        of_gene = log_ng[:, cells.var_names.get_loc(gene)]
        assert of_gene[targets == gene].mean() > 2 * of_gene[arms == norman.CONTROL].mean(), gene


def test_effects_are_the_published_ones(effects):
    file = np.load(fetch(norman_effects.EFFECTS, progress=False), allow_pickle=False)
    np.testing.assert_array_equal(effects.X.toarray(), np.vstack([file["lfc_s"], file["lfc_d"]]))
    assert list(effects.obs_names) == [*file["sing_labels"], *file["doub_labels"]]
    assert list(arms_of(effects)) == list(effects.obs_names)
    assert (effects.X.data < 0).any()
    alone = effects.obs[SECOND].astype(str) == ""
    assert (int(alone.sum()), int((~alone).sum())) == (104, 130)
    assert effects.obs.loc["AHR+FEV", list(Obs.TARGETS)].tolist() == ["AHR", "FEV"]
    assert sum(label in set(file["genes_hvg"]) for label in file["sing_labels"]) == 57
    # By official symbols one more: C19orf26 is CBARP among the genes.
    assert effects.obs[FIRST].astype(str)[alone].isin(effects.var_names).sum() == 58
    assert effects.obs.loc["C19orf26", FIRST] == "CBARP"


def test_an_activated_gene_goes_up_in_its_effect(effects):
    alone = effects.obs[SECOND].astype(str) == ""
    targets = effects.obs[FIRST].astype(str)[alone]
    own = [effects[row, gene].X[0, 0] for row, gene in targets.items() if gene in effects.var_names]
    assert min(own) > 0
    assert np.median(own) > 2


def test_what_is_not_read_of_the_effects_is_what_is_said_of_it(effects):
    file = np.load(fetch(norman_effects.EFFECTS, progress=False), allow_pickle=False)
    mean_g, sd_g = file["mu_g"], file["sd_g"]
    np.testing.assert_allclose(file["lfc_s"].mean(axis=0), mean_g, atol=1e-6)
    np.testing.assert_allclose(file["lfc_s"].std(axis=0), sd_g, atol=1e-6)
    for scaled, raw in (("Es", "lfc_s"), ("Ed", "lfc_d")):
        np.testing.assert_allclose(file[scaled], (file[raw] - mean_g) / sd_g, atol=1e-5)
    singles = file["sing_labels"].tolist()
    parts = [label.split("+") for label in file["doub_labels"]]
    known = [all(gene in singles for gene in pair) for pair in parts]
    np.testing.assert_array_equal(file["comp_ok"], known)
    rows = [[singles.index(gene) if gene in singles else -1 for gene in pair] for pair in parts]
    np.testing.assert_array_equal(file["comp_idx"][known], np.array(rows)[known])
    assert sum(known) == 126
    assert {"ZBTB10"} == {gene for pair in parts for gene in pair} - set(singles)


def test_both_forms_are_of_one_screen(cells, effects):
    """Sums of an arm over their library, against the published difference to control."""
    shared = [gene for gene in cells.var_names if gene in effects.var_names]
    arms = arms_of(cells)
    sums = pd.DataFrame(cells[:, shared].X.toarray(), columns=shared).groupby(arms.to_numpy()).sum()
    library = cells.obsm[Obsm.LIBRARY]["total_umi"].astype(float).groupby(arms).sum()
    log_cpm = np.log1p(sums.div(library, axis=0) * 1e6)
    both = [arm for arm in log_cpm.index if arm in effects.obs_names]
    ours = (log_cpm.loc[both] - log_cpm.loc[norman.CONTROL]).to_numpy()
    theirs = effects[both, shared].X.toarray()
    assert (len(both), len(shared)) == (104, 11)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] == pytest.approx(0.98, abs=0.005)


# --- effects are no counts ----------------------------------------------------------------


@pytest.mark.parametrize(
    "ask",
    [
        counts,
        lambda adata: prepare(adata, source="file.h5ad"),
        lambda adata: marker_profile(adata, view="rna", markers=["GATA2", "GYPA"]),
        lambda _: TaskCells("norman_effects", "norman_effects", 0, view="rna").split,
        lambda _: TaskCells("pollen", "norman_effects", 0, view="rna").query,
        lambda _: AnnotationCells("norman_effects", "pollen", 0).lesson,
        lambda _: AnnotationCells("norman_effects", "norman_effects", 0).check(),
    ],
)
def test_what_needs_counts_refuses_effects(effects, pollen, ask):
    with pytest.raises(InputError, match=r"negative|effects") as error:
        ask(effects)
    assert "\n" not in str(error.value)


def test_few_effects_that_look_like_counts_are_refused_all_the_same(effects):
    few = effects[:3, :5].copy()
    few.X = np.ones(few.shape, dtype=np.float32)
    with pytest.raises(InputError, match=r"file\.h5ad: X holds effects of perturbations"):
        prepare(few, source="file.h5ad")


def test_descriptions_say_which_values_and_which_control():
    assert datasets.get("norman_effects").values == "effects"
    assert datasets.get("norman_cells").values == "counts"
    assert datasets.get("norman_cells").control == norman.CONTROL
    assert datasets.get("norman_effects").control == ""
