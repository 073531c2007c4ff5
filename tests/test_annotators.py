"""One battery over every annotator that is installed, and what each of them is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from anndata import AnnData

from benchmarks import annotators
from benchmarks.annotators import Cells, Lesson
from benchmarks.annotators._arms import ARMS, config_of
from benchmarks.annotators.on_features import OnPca, OnSource
from benchmarks.annotators.tuned import TunedArm
from benchmarks.guard import LeakError
from benchmarks.source_models import provenance
from clip_align.scimilarity.budget import LEARNING_RATES, LEAST_STEPS, long_enough
from clip_align.scimilarity.folder import SourceModel
from clip_align.scimilarity.network import Decoder, Encoder, Layers
from clip_align.scimilarity.sanity import GateError
from clip_align.seeding import seeded
from representations.errors import InputError

PEERS = ("celltypist", "scanvi")  # tests of their own
OURS = [name for name in annotators.names() if name not in PEERS]
GENES = tuple(f"G{i}" for i in range(1200))
TYPES = ("B", "NK", "T")


def cells(n: int, seed: int) -> Cells:
    """Counts; each type has a hundred genes of its own."""
    rng = np.random.default_rng(seed)
    type_n = rng.integers(3, size=n)
    rate_ng = np.full((n, len(GENES)), 0.3)
    for t in range(3):
        rate_ng[type_n == t, 100 * t : 100 * t + 100] = 2.0
    adata = AnnData(rng.poisson(rate_ng).astype(np.float32))
    adata.var_names = list(GENES)
    adata.obs_names = [f"{seed}-{i}" for i in range(n)]
    return Cells(adata=adata, type_n=type_n)


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    layers = Layers(n_genes=len(GENES), hidden=(32, 32), latent=16)
    with seeded(0):
        encoder, decoder = Encoder(layers), Decoder(layers)
        for _ in range(5):
            decoder(encoder(torch.rand(64, len(GENES)) * 3))
    source = SourceModel(
        encoder=encoder.eval().requires_grad_(False), decoder=decoder.eval().requires_grad_(False),
        genes=GENES, about={"name": "tiny"},
    )  # fmt: skip
    return Lesson(
        known=cells(240, 1), held=cells(60, 2), types=TYPES, seed=0, source=lambda: source
    )


@pytest.fixture(scope="module")
def fitted(lesson):
    return {name: annotators.create(name).fit(lesson) for name in OURS}


@pytest.mark.parametrize("name", OURS)
def test_answers_are_probabilities_one_row_a_cell(name, fitted):
    asked = cells(90, 3)
    answer = fitted[name].annotate(asked.adata)
    assert answer.p_nt.shape == (90, 3)
    np.testing.assert_allclose(answer.p_nt.sum(axis=1), 1, atol=1e-6)
    assert (answer.p_nt >= 0).all()
    assert answer.z_nd is None or (len(answer.z_nd) == 90 and np.isfinite(answer.z_nd).all())
    assert all(isinstance(k, str) and isinstance(v, str) for k, v in fitted[name].facts().items())


@pytest.mark.parametrize("name", [n for n in OURS if n != "majority"])
def test_easy_types_are_learnt(name, fitted):
    asked = cells(90, 3)
    said_n = fitted[name].annotate(asked.adata).p_nt.argmax(axis=1)
    assert (said_n == asked.type_n).mean() > 0.6


@pytest.mark.parametrize("name", OURS)
def test_an_answer_does_not_depend_on_who_else_is_asked(name, fitted):
    asked = cells(90, 3)
    all_nt = fitted[name].annotate(asked.adata).p_nt
    some_nt = fitted[name].annotate(asked.adata[10:20]).p_nt
    np.testing.assert_allclose(some_nt, all_nt[10:20], atol=1e-5)


@pytest.mark.parametrize("name", OURS)
def test_a_fit_repeats_and_asking_teaches_nothing(name, fitted, lesson):
    asked = cells(90, 3)
    fitted[name].annotate(cells(50, 9).adata)
    again = annotators.create(name).fit(lesson).annotate(asked.adata)
    np.testing.assert_array_equal(fitted[name].annotate(asked.adata).p_nt, again.p_nt)


def test_majority_is_the_most_frequent_type(fitted, lesson):
    count_t = np.bincount(lesson.known.type_n)
    answer = fitted["majority"].annotate(cells(5, 3).adata)
    assert set(answer.p_nt.argmax(axis=1)) == {int(count_t.argmax())}


def test_every_setting_of_an_arm_is_in_its_identity():
    plain = annotators.create("lora_ce").settings()
    for options in (
        {"budget": "tuned"},
        {"head": "mlp"},
        {"rank": 2},
        {"class_weights": "balanced"},
    ):
        assert annotators.create("lora_ce", options).settings() != plain, options
    losses = [annotators.create(name).settings() for name in ARMS]
    assert len({str(one) for one in losses}) == len(ARMS)


def test_tuned_arms_try_rates_and_the_head_alone_has_one():
    assert TunedArm("lora_ce", budget="tuned").rates == LEARNING_RATES
    assert len(TunedArm("frozen+linear", budget="tuned").rates) == 1
    heads = {
        (c.head, c.head_start, c.head_learning_rate, c.epochs, c.batch_size)
        for c in (TunedArm(name, budget="tuned").config for name in ARMS if name != "from_scratch")
    }
    assert len(heads) == 1


def test_from_scratch_takes_nothing_from_the_source_model():
    assert TunedArm("from_scratch", budget="tuned").config.head_start == "random"


@pytest.mark.parametrize(("n", "epochs"), [(209, 100), (128, 200), (4543, 6), (128_000, 5)])
def test_a_tuned_arm_trains_for_so_many_steps(n, epochs):
    config = long_enough(config_of("lora_ce", budget="tuned"), n)
    assert config.epochs == epochs
    assert config.epochs * math.ceil(n / config.batch_size) >= LEAST_STEPS


def test_few_neighbours_are_never_certain(lesson, fitted):
    p_nt = fitted["pca+knn"].annotate(lesson.held.adata).p_nt
    assert p_nt.max() < 1
    np.testing.assert_allclose(p_nt.sum(axis=1), 1)


def test_adapters_pass_gates_and_a_closed_one_fails_the_fit(lesson, fitted, monkeypatch):
    assert fitted["lora_ce"].facts()["gates"] == "13 passed"
    import benchmarks.annotators.tuned as module

    def copied(*args):
        encoder, adapted, _, *rest = args
        return examine(encoder, adapted, adapted, *rest)

    examine = module.examine
    monkeypatch.setattr(module, "examine", copied)
    with pytest.raises(GateError, match="baseline is the frozen encoder"):
        annotators.create("lora_ce").fit(lesson)


def test_along_the_strength_from_the_source_model_to_the_arm(fitted):
    arm, asked = fitted["lora_ce"], cells(30, 3)
    frozen = OnSource()
    frozen.source = arm.source
    none, half, all_ = arm.along(asked.adata, (0.0, 0.5, 1.0))
    head_on_frozen = torch.softmax(arm.tuned.logits(torch.from_numpy(frozen(asked.adata))), dim=1)
    np.testing.assert_allclose(none, head_on_frozen.numpy(), atol=1e-6)
    np.testing.assert_allclose(all_, arm.annotate(asked.adata).p_nt, atol=1e-6)
    assert not np.allclose(half, all_, atol=1e-5)


def test_components_are_fewer_where_cells_are(lesson):
    assert OnPca().fit(lesson)(lesson.held.adata).shape == (60, 60)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("lora", {}, "lora_ce"), ("lora_ce", {"budget": "huge"}, "default or tuned"),
        ("majority", {"epochs": 3}, "majority does not read .*'epochs'"),
    ],
)  # fmt: skip
def test_wrong_names_are_one_line(name, options, said):
    with pytest.raises(InputError, match=said):
        annotators.create(name, options)


def test_a_source_model_that_saw_a_data_set_of_the_row_fails_it(lesson):
    source = replace(lesson.source(), about={"name": "small", "data": {"kang": "1", "pbmc3k": "2"}})
    told = provenance(source, "teaseq", "marrow")
    assert (told["source_seen"], told["source_overlap"]) == ("kang, pbmc3k", "none")
    assert told["source_digest"] == source.digest
    with pytest.raises(LeakError, match="has seen kang"):
        provenance(source, "teaseq", "kang")
