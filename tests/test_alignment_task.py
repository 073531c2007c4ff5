"""Rows of the cross-dataset suite on tiny data: leaks, controls, settings, resuming, skipping."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from anndata import AnnData

from benchmarks import adaptation, alignment, datasets, records, task_cells
from benchmarks.datasets import base as dataset_base
from benchmarks.datasets.vocabulary import terms_of
from benchmarks.guard import LeakError
from benchmarks.pools import seeded_pools
from benchmarks.run import identify, run_suite
from benchmarks.setting import Setting, setting_of
from benchmarks.siblings import AXES, axes_in
from benchmarks.suites import Row, suites
from benchmarks.tasks.align_adt import AlignAdt
from clip_align import adapt, student
from clip_align.config import bases
from representations.diffusion import DiffusionConfig, DiffusionMap
from representations.errors import InputError
from representations.keys import Obs, Obsm
from representations.pca import Pca, PcaConfig

TYPES = ("B.Naive", "NK", "Mono.CD14", "T.CD4.Naive")
ANTIBODIES = ("CD19", "CD56", "CD14", "CD3", "CD4")
GENES = ("CD19", "NCAM1", "CD14", "CD3E", "CD4", *(f"GENE{i}" for i in range(60)))
TINY = ("tiny_a", "tiny_b")


def tiny(seed: int, n: int = 160) -> AnnData:
    """Four types with programmes of their own and antibodies that follow the cell's state."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(len(TYPES), size=n)
    state = rng.gamma(2.0, 1.0, size=(n, 3))
    rate = np.full((n, len(GENES)), 0.3)
    for k in range(len(TYPES)):
        rate[np.ix_(kind == k, range(5 + 12 * k, 17 + 12 * k))] += 4.0
    rate[:, 53:] += 3.0 * state[:, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]]
    protein = 5.0 + 60.0 * np.eye(5)[:, :4].T[kind] + 15.0 * state[:, [0, 1, 2, 0, 1]]
    adata = AnnData(sp.csr_matrix(rng.poisson(rate).astype(np.float32)))
    adata.obs_names = [f"cell{seed}_{i}" for i in range(n)]
    adata.var_names = list(GENES)
    adata.obs[Obs.CELL_TYPE] = pd.Categorical(np.array(TYPES)[kind])
    counts = pd.DataFrame(rng.poisson(protein), index=adata.obs_names, columns=list(ANTIBODIES))
    adata.obsm[Obsm.PROTEIN] = counts.astype(np.float32)
    return adata


@pytest.fixture
def tiny_sets(monkeypatch):
    """Two registered data sets, small fits, four epochs."""
    sets = {name: tiny(seed) for seed, name in enumerate(TINY)}
    datasets.names()
    members = dict(dataset_base._FAMILY._members)
    for name in TINY:
        card = dataset_base.Dataset(
            name=name, title="tiny", citation="none", licence="none", caveats=(), sources=(),
            views=("adt",), labels=terms_of("teaseq"),
        )  # fmt: skip
        members[name] = (card, lambda files: None)
    monkeypatch.setattr(dataset_base._FAMILY, "_members", members)
    monkeypatch.setattr(datasets, "load", lambda name, progress=True: sets[name])
    monkeypatch.setattr(task_cells, "_load", lambda name: sets[name])
    for name in bases.names():
        small = replace(bases.get(name), epochs=4, batch_size=32)
        monkeypatch.setitem(bases._members, name, small)
    pca = PcaConfig(n_components=5)
    # with fewer neighbours each of the types is an island of its own
    diffmap = DiffusionConfig(n_components=5, n_neighbors=50, pca=pca)
    monkeypatch.setattr(Pca, "Config", staticmethod(lambda: pca))
    monkeypatch.setattr(DiffusionMap, "Config", staticmethod(lambda: diffmap))
    return sets


def row(model: str, representation: str = "X_pca", test: str = TINY[0], **variant: str) -> Row:
    return Row(
        task="align_adt", train=TINY[0], test=test, representation=representation, model=model,
        variant=variant,
    )  # fmt: skip


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize(
    ("model", "representation"),
    [("ridge", "X_pca"), ("DiffMapProteinCLIP", "X_diffmap"), ("chance", "none")],
)
def test_a_leaked_test_cell_fails_the_run(tiny_sets, monkeypatch, part, model, representation):
    honest = task_cells.split

    def leaky(adata, *, seed):
        found = honest(adata, seed=seed)
        grown = np.append(getattr(found, f"{part}_index"), found.test_index[:1])
        object.__setattr__(found, f"{part}_index", grown)
        return found

    monkeypatch.setattr(task_cells, "split", leaky)
    with pytest.raises(LeakError, match="1 test cell"):
        AlignAdt(*TINY[:1] * 2, 0, logs=None).run(row(model, representation))


@pytest.mark.parametrize("key", ["adapted_on", "tuned_on"])
@pytest.mark.parametrize("test", TINY)
def test_a_fit_adapted_to_or_tuned_on_a_test_cell_fails_the_run(tiny_sets, test, key):
    task = AlignAdt(TINY[0], test, 0, logs=None)
    rep = task.cells.fitted("X_pca", "removed")
    rep.record.facts[key] = [str(task.cells.query.obs_names[0])]
    with pytest.raises(LeakError, match=rf"\({key}\) saw 1 test cell"):
        task.run(row("ridge", test=test, query_statistics="train"))
    if test != TINY[0] and key == "adapted_on":  # the base declares that it reads the query
        assert task.run(row("ridge", test=test)).metrics


def test_every_model_beats_chance_and_the_chance_row_does_not(tiny_sets):
    task = AlignAdt(*TINY, 0, logs=None)
    found = {
        model: task.run(row(model, rep, test=TINY[1])).metrics["pair_accuracy"]
        for model, rep in (("ridge", "X_pca"), ("cca", "X_pca"), ("knn", "X_pca"),
                           ("DiffMapProteinCLIP", "X_pca"), ("chance", "none"))
    }  # fmt: skip
    for model, value in found.items():
        assert (value.low > 0.6) == (model != "chance"), model
        assert value.chance == 0.5
    chance = found["chance"]
    assert abs(chance.value - 0.5) < chance.high - chance.low  # four standard errors


def test_an_own_basis_is_worse_than_the_training_basis(tiny_sets):
    task = AlignAdt(*TINY, 0, logs=None)
    shared = task.run(row("ridge", "X_diffmap", test=TINY[1])).metrics["pair_accuracy"]
    own = task.run(row("ridge", "X_diffmap", test=TINY[1], basis="own")).metrics["pair_accuracy"]
    assert shared.low > 0.6
    assert own.high < shared.low


def test_a_record_says_how_many_test_cells_were_out_of_reach(tiny_sets, monkeypatch):
    task = AlignAdt(*TINY[:1] * 2, 0, logs=None)
    honest, lost = Pca.place, set(task.cells.query.obs_names[:3])

    def place(self, adata, **options):
        placed = honest(self, adata, **options)
        return replace(placed, reached_n=~adata.obs_names.isin(lost))

    assert task.run(row("ridge")).facts == {"unreached": "0"}
    monkeypatch.setattr(Pca, "place", place)
    assert task.run(row("knn")).facts == {"unreached": "3"}
    assert task.run(row("chance", "none")).facts == {}
    across = AlignAdt(*TINY, 0, logs=None)
    found = across.run(row("ridge", "X_diffmap", test=TINY[1], basis="own"))
    own = DiffusionMap().fit(across.cells.shown(across.cells.query, "removed"))
    assert found.facts == {"unreached": str(own.record.facts["unreached"])}


def test_panel_genes_leave_the_cell_side(tiny_sets):
    task = AlignAdt(*TINY, 0, logs=None)
    assert not set(task.cells.fitted("X_pca", "removed").genes) & set(GENES[:5])
    assert set(task.cells.fitted("X_pca", "kept").genes) & set(GENES[:5])


def test_a_suite_resumes_and_names_what_it_skips(tiny_sets, tmp_path, monkeypatch):
    rows = [row("ridge"), row("chance", "none"), row("ridge", test=TINY[1])]
    first = run_suite("trial", rows, [0, 1], root=tmp_path, progress=False)
    assert (first.ran, first.kept, first.skipped) == (6, 0, ())
    (tmp_path / "trial").joinpath(records.load_all("trial", tmp_path)[0].file_name).unlink()
    again = run_suite("trial", rows, [0, 1], root=tmp_path, progress=False)
    assert (again.ran, again.kept) == (1, 5)

    def away(name, progress=True):
        if name == TINY[1]:
            raise datasets.SourceUnavailable("tiny_b.csv: the source is away")
        return tiny_sets[name]

    monkeypatch.setattr(datasets, "load", away)
    rest = run_suite("trial", rows, [2], root=tmp_path, progress=False)
    assert rest.ran == 2
    assert [(skip.test, skip.reason) for skip in rest.skipped] == [
        (TINY[1], "tiny_b.csv: the source is away")
    ]


def test_the_same_row_gives_the_same_figures(tiny_sets):
    one, two = (
        AlignAdt(*TINY, 3, logs=None).run(row("DiffMapProteinCLIP", test=TINY[1])).metrics
        for _ in range(2)
    )
    assert {k: v.value for k, v in one.items()} == {k: v.value for k, v in two.items()}


@pytest.mark.parametrize("row", suites.get("cross_dataset").rows, ids=str)
def test_a_variant_changes_exactly_the_fields_it_names(row):
    base = asdict(setting_of(Row(**{**vars(row), "variant": {}})))
    changed = {k for k, v in asdict(setting_of(row)).items() if v != base[k]}
    assert changed == set(row.variant)


def test_rows_of_the_suite_are_distinct_records():
    rows = suites.get("cross_dataset").rows
    names = {identify("cross_dataset", r, 0).file_name for r in rows}
    assert len(names) == len(rows)
    assert len({identify("s", r, 0).config_hash for r in rows if r.train != r.test}) > 10


def test_settings_are_declared():
    assert setting_of(row("ridge")) == Setting(query_statistics="train")
    assert setting_of(row("ridge", test=TINY[1])) == Setting(query_statistics="own")
    with pytest.raises(InputError, match="bassis"):
        setting_of(row("ridge", bassis="own"))


def test_every_sibling_axis_is_of_known_types_and_has_two_sides():
    fine = {t.fine for name in ("teaseq", "pbmc10k_cite", "kang", "pbmc3k")
            for t in terms_of(name).values()}  # fmt: skip
    for axis in AXES:
        assert axis.first_types & fine, axis
        assert axis.second_types & fine, axis
        overlap = axis.first_types & axis.second_types
        assert not overlap, axis
    assert axes_in(["B naive", "NK"]) == ()
    assert [a.first for a in axes_in(["B naive", "B activated"])] == ["B naive"]


@pytest.fixture
def quick_student(monkeypatch):
    """Adaptation of few steps in plain features."""
    monkeypatch.setattr(adaptation, "STUDENT", replace(adapt.STUDENT, batch_size=64))
    for level, config in adaptation.LEVELS.items():
        monkeypatch.setitem(adaptation.LEVELS, level, replace(config, steps=20))
    monkeypatch.setattr(task_cells, "own_features", own_pca)


def own_pca(query: AnnData, known: AnnData) -> tuple[np.ndarray, np.ndarray]:
    pca = Pca()
    return pca.fit_transform(query), pca.transform(known, statistics="own")


@pytest.mark.parametrize(
    ("model", "variant"),
    [
        ("ridge", {"adaptation": "matched"}),
        ("cca", {"adaptation": "matched"}),
        ("DiffMapProteinCLIP", {"adaptation": "matched"}),
        ("DiffMapProteinCLIP", {"adaptation": "annealed", "answer": "plan"}),
        ("ridge", {"answer": "plan"}),
    ],
)
def test_a_query_is_learnt_without_its_pairs(tiny_sets, quick_student, model, variant):
    task = AlignAdt(*TINY, 0)
    plain, asked = row(model, test=TINY[1]), row(model, test=TINY[1], **variant)
    before, after = (task.run(x).metrics["pair_accuracy"].value for x in (plain, asked))
    assert before != after > 0.6
    assert identify("cross_dataset", plain, 0).config_hash != (
        identify("cross_dataset", asked, 0).config_hash
    )


@pytest.mark.parametrize("answer", [{}, {"answer": "plan"}])
def test_a_ceiling_is_told_pairs_of_the_query(tiny_sets, quick_student, monkeypatch, answer):
    monkeypatch.setattr(task_cells, "seeded_pools", partial(seeded_pools, size=40))
    asked = row("DiffMapProteinCLIP", test=TINY[1], adaptation="told", **answer)
    assert AlignAdt(*TINY, 0).run(asked).metrics["pair_accuracy"].value > 0.6


def test_rows_that_are_read_off_differently_are_adapted_once(tiny_sets, monkeypatch):
    made = []

    def spied(self, row, setting, test):
        made.append(row)
        return test.marker_nm, test.marker_nm

    monkeypatch.setattr(AlignAdt, "_sides", spied)
    task, adapted, plan = AlignAdt(*TINY, 0), {"adaptation": "matched"}, {"answer": "plan"}
    ours = row("DiffMapProteinCLIP", test=TINY[1], **adapted)
    others = [
        replace(ours, variant={**adapted, "control": "shuffled_pairs"}),
        replace(ours, variant={**adapted, "panel_genes": "kept"}),
        replace(ours, variant=plan), replace(ours, model="ridge"),
        replace(ours, representation="X_diffmap"),
    ]  # fmt: skip
    asked = [ours, replace(ours, variant={**adapted, **plan}), *others, ours]
    for one in asked:
        task.run(one)
    assert made == [ours, *others]


@pytest.mark.parametrize(("model", "n_starts"), [("ridge", 1), ("DiffMapProteinCLIP", 2)])
def test_annealed_starts_from_a_model_and_ridge_by_soft_plans(
    tiny_sets, monkeypatch, model, n_starts
):
    started = []

    def spied(cells, level, panel_genes, test, starts):
        started.append((level, starts))
        return adaptation.sides(starts, test.cell_nd, test.marker_nm)

    monkeypatch.setattr(alignment, "adapted", spied)
    AlignAdt(*TINY, 0).run(row(model, test=TINY[1], adaptation="annealed"))
    [(level, starts)] = started
    assert level == "annealed"
    assert len(starts) == n_starts
    assert adaptation.LEVELS["annealed"].warm
    assert not adaptation.LEVELS["matched"].warm
    assert adaptation.BESIDE == {"annealed": "ridge"}


def test_adaptation_trains_on_one_thread_whatever_set_more(tiny_sets, quick_student, monkeypatch):
    """As scanpy does at its first numba kernel, which is for the query's own features."""
    own, found = task_cells.own_features, []

    def threaded(query, known):
        torch.set_num_threads(2)
        return own(query, known)

    class Spied(student.Student):
        def epoch(self):
            found.append(torch.get_num_threads())
            return super().epoch()

    monkeypatch.setattr(task_cells, "own_features", threaded)
    monkeypatch.setattr(student, "Student", Spied)
    AlignAdt(*TINY, 0).run(row("DiffMapProteinCLIP", test=TINY[1], adaptation="matched"))
    assert set(found) == {1}


def test_settings_of_ridge_decide_what_annealed_starts_from(monkeypatch):
    before = adaptation.identity("annealed"), adaptation.identity("matched")
    monkeypatch.setattr(adaptation, "settings", lambda name: {"alphas": [name]})
    after = adaptation.identity("annealed"), adaptation.identity("matched")
    assert after[0]["beside"] == {"ridge": {"alphas": ["ridge"]}} != before[0]["beside"]
    assert after[1] == before[1]


def test_a_revision_of_the_code_makes_rows_run_again(monkeypatch):
    before = adaptation.identity("matched")
    monkeypatch.setattr(adaptation, "REVISION", adaptation.REVISION + 1)
    assert adaptation.identity("matched") != before


@pytest.mark.parametrize(
    ("model", "variant", "said"),
    [
        ("maxfuse", {"answer": "plan"}, "maxfuse does not read it"),
        ("ridge", {"answer": "plans"}, "answer=plans"),
        ("ridge", {"adaptation": "aneal"}, "adaptation=aneal"),
        ("DiffMapProteinCLIP", {"basis": "mine"}, "basis=mine"),
    ],
)
def test_what_a_row_cannot_have_is_refused_before_it_runs(model, variant, said):
    with pytest.raises(InputError, match=said):
        AlignAdt.config(row(model, test=TINY[1], **variant))


def test_a_control_is_not_adapted(tiny_sets):
    asked = {"control": "shuffled_pairs", "adaptation": "annealed"}
    with pytest.raises(InputError, match="pairs that a control has not"):
        AlignAdt(*TINY, 0).run(row("DiffMapProteinCLIP", test=TINY[1], **asked))


def test_what_has_no_embeddings_or_no_query_is_not_adapted(tiny_sets):
    with pytest.raises(InputError, match="another data set"):
        AlignAdt(TINY[0], TINY[0], 0).run(row("ridge", adaptation="matched"))
    asked = row("chance", "none", test=TINY[1], adaptation="matched")
    with pytest.raises(InputError, match="no embeddings"):
        AlignAdt(*TINY, 0).run(asked)
    with pytest.raises(InputError, match="no student to be told"):
        AlignAdt(*TINY, 0).run(row("ridge", test=TINY[1], adaptation="told"))
    with pytest.raises(InputError, match="two pools or more"):
        AlignAdt(TINY[0], TINY[0], 0).run(row("DiffMapProteinCLIP", adaptation="told"))
