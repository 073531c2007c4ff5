"""What is called collapse and what is not, on embeddings whose state is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from clip_align.collapse_detector import (
    SUSTAINED,
    Collapse,
    CollapseError,
    CollapseWatch,
    collapse_reasons,
)
from clip_align.collapse_figures import collapse_figures, sibling_confusions
from clip_align.config import TrainConfig
from clip_align.models import ModelConfig
from clip_align.pairs import PairedCells
from clip_align.related import Related, Siblings
from clip_align.towers import TowerConfig
from clip_align.train import Trained, train
from clip_align.validation import RANDOM_INIT, SHUFFLED

N, E = 400, 64
TYPES = np.repeat(["t1", "t2", "b1", "b2"], N // 4)
RELATED = Related(
    lineages={"T": ("t1", "t2"), "B": ("b1", "b2"), "alone": ("b1",)},
    siblings=(Siblings(first="t1", second="t2", first_types=("t1",), second_types=("t2",)),),
)
Sides = tuple[np.ndarray, np.ndarray]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def healthy() -> Sides:
    centre_te = normal(4, E, seed=1)[np.repeat(np.arange(4), N // 4)]
    cell_ne = centre_te + normal(N, E, seed=2)
    return cell_ne, cell_ne + 0.5 * normal(N, E, seed=3)


def with_gap(gap: float) -> Sides:
    shift_e = np.zeros(E)
    shift_e[0] = gap
    cell_ne, marker_ne = healthy()
    return cell_ne + shift_e, marker_ne - shift_e


def one_point() -> Sides:
    point_ne = np.ones((N, E)) + 1e-3 * normal(N, E)
    return point_ne, point_ne


def equal_rows() -> Sides:
    return np.ones((N, E)), np.ones((N, E))


def a_line() -> Sides:
    line_ne = np.outer(normal(N), np.ones(E))
    return line_ne, line_ne + 1e-4 * normal(N, E)


def a_line_aside() -> Sides:
    line_ne = a_line()[0] + 2 * np.eye(E)[0]
    return line_ne, line_ne


def few_directions() -> Sides:
    few_ne = normal(N, 3) @ normal(3, E, seed=4) + 1e-4 * normal(N, E, seed=5)
    return few_ne, few_ne


def one_side_only() -> Sides:
    return healthy()[0], one_point()[1]


def types_alone() -> Sides:
    lineage_ne = normal(2, E, seed=6)[np.repeat([0, 1], N // 2)] + 0.03 * normal(N, E, seed=7)
    return lineage_ne, lineage_ne


def not_a_number() -> Sides:
    cell_ne, marker_ne = healthy()
    return cell_ne * np.where(np.arange(E) == 3, np.nan, 1.0), marker_ne


def figures(sides: Sides) -> dict[str, float]:
    return collapse_figures(*sides, TYPES, RELATED)


@pytest.mark.parametrize("sides", [healthy, lambda: with_gap(1.0)])
def test_a_healthy_embedding_has_no_reason(sides: Callable[[], Sides]) -> None:
    assert collapse_reasons(figures(sides()), figures((normal(N, E), normal(N, E)))) == ()
    assert collapse_reasons(figures(sides()), embed_dim=E) == ()


@pytest.mark.parametrize(
    ("sides", "told"),
    [
        (one_point, "uniformity_cell is"),
        (equal_rows, "effective_rank_marker is 0, below 1.5"),
        (a_line, "effective_rank_cell is"),
        (a_line_aside, "effective_rank_cell is"),
        (few_directions, "rankme_cell is"),
        (one_side_only, "uniformity_marker is"),
        (lambda: with_gap(12.0), "modality_gap is"),
        (types_alone, "lineage_centred_cosine is"),
        (types_alone, "sibling_centred_cosine is"),
        (lambda: (healthy()[0][:, :1].repeat(E, axis=1), healthy()[1]), "effective_rank_cell is"),
    ],
)
@pytest.mark.parametrize("start", [True, False])
def test_every_kind_of_collapse_is_seen(sides: Callable[[], Sides], told: str, start: bool) -> None:
    random_init = figures((normal(N, E), normal(N, E, seed=1))) if start else None
    reasons = collapse_reasons(figures(sides()), random_init, embed_dim=E)
    assert any(f"collapse/{told}" in reason for reason in reasons), reasons


def test_only_what_is_wrong_is_named() -> None:
    assert len(collapse_reasons(figures(with_gap(12.0)), embed_dim=E)) == 1
    assert not any("_cell" in one for one in collapse_reasons(figures(one_side_only())))


def test_what_is_not_a_number_is_the_one_reason() -> None:
    with np.errstate(invalid="ignore"):
        told = {"val/loss": 1.0, "collapse/rankme_cell": float("nan")}
    assert collapse_reasons(told) == ("collapse/rankme_cell is nan",)
    assert collapse_reasons({"val/loss": float("inf")}) == ("val/loss is inf",)
    assert collapse_reasons({}) == ()


def test_rank_is_held_against_the_start() -> None:
    """3 of 100 directions are few, 3 of the 4 that the input has are not."""
    own = figures(few_directions())
    assert collapse_reasons(own, {f"collapse/rankme_{s}": 100.0 for s in ("cell", "marker")})
    assert not collapse_reasons(own, {f"collapse/rankme_{s}": 4.0 for s in ("cell", "marker")})


def test_an_epoch_alone_and_the_warm_up_pass() -> None:
    watch = CollapseWatch(warmup_epochs=4.5)
    bad, good = ("x",), ()
    seen = [bad, bad, bad, bad, bad, bad, good, bad, bad, bad]
    verdicts = [watch.see(epoch, reasons) for epoch, reasons in enumerate(seen)]
    assert verdicts == [None] * (len(seen) - 1) + [Collapse(epoch=9, reasons=bad)]
    assert SUSTAINED == 3
    assert CollapseWatch(9.0).see(0, bad, finite=False) == Collapse(epoch=0, reasons=bad)


def test_mean_over_lineages_is_of_those_with_something_to_keep_apart() -> None:
    told = figures(healthy())
    both = [told[f"lineage_centred_cosine/{name}"] for name in ("T", "B")]
    assert told["collapse/lineage_centred_cosine"] == pytest.approx(np.mean(both))
    assert "lineage_centred_cosine/alone" in told
    assert not any("centred" in name for name in collapse_figures(*healthy(), TYPES))


def test_sibling_confusion_has_known_answers() -> None:
    """Types far apart are never confused, blind similarities are at one half, swapped ones at 1."""
    name, one = "sibling_confusion/t1|t2", TYPES == "t1"
    other = TYPES == "t2"
    same_nn = (one[:, None] & one) | (other[:, None] & other)
    for sim_nn, expected in ((same_nn, 0.0), (np.ones((N, N)), 0.5), (~same_nn, 1.0)):
        told = sibling_confusions(sim_nn.astype(float), TYPES, RELATED)
        assert told[name] == told["collapse/sibling_confusion"] == pytest.approx(expected)
    assert sibling_confusions(np.ones((N, N)), TYPES, None) == {}


def test_sibling_confusion_is_that_of_the_benchmarks() -> None:
    from benchmarks import metrics
    from benchmarks.metrics.siblings import among
    from benchmarks.pools import full_pool

    sim_nn = normal(N, E) @ normal(N, E, seed=1).T + 5.0 * (TYPES[:, None] == TYPES)
    keep = np.r_[0:100, 100:160, 200:400]  # groups of unequal size
    sim_nn, types_n = sim_nn[np.ix_(keep, keep)], TYPES[keep]
    pool = full_pool(len(keep))
    given = among(lambda rows: sim_nn[np.ix_(rows, rows)], pool, types_n, "t1", "t2")
    theirs = metrics.evaluate("siblings", given, np.ones((1, len(given.evidence.cells))))
    ours = sibling_confusions(sim_nn, types_n, RELATED)["collapse/sibling_confusion"]
    assert ours == pytest.approx(theirs["sibling_confusion[t1|t2]"].estimate.value)


# in a training

CONFIG = TrainConfig(
    model=ModelConfig(
        embed_dim=16, cell=TowerConfig(scaling="global", width=32, depth=1),
        marker=TowerConfig(width=32, depth=1),
    ),
    epochs=9, batch_size=64, learning_rate=3e-3, augmentation_strength=0.1,
)  # fmt: skip


def pairs(n: int, *, seed: int) -> PairedCells:
    hidden_nh = normal(n, 6, seed=seed)
    return PairedCells(
        cell_nd=hidden_nh @ normal(6, 20, seed=98), marker_nm=hidden_nh @ normal(6, 12, seed=99),
        ids_n=np.arange(n).astype(str), types_n=np.resize(["t1", "t2", "b1", "b2"], n),
    )  # fmt: skip


def fit(config: TrainConfig = CONFIG, **options: bool) -> Trained:
    return train(
        pairs(300, seed=0), pairs(120, seed=1), config, related=RELATED, progress=False, **options
    )


def test_a_training_that_collapses_is_told_and_ended() -> None:
    crushed = replace(CONFIG, weight_decay=1000.0, epochs=16, patience=16)
    trained = fit(crushed)
    assert trained.collapse is not None
    signs = [scalars["collapse/signs"] > 0 for scalars in trained.history]
    first = int(np.ceil(crushed.warmup * crushed.epochs)) + SUSTAINED - 1
    ends = [end for end in range(first, len(signs)) if all(signs[end - SUSTAINED + 1 : end + 1])]
    assert trained.collapse.epoch == ends[0] < len(signs) - 1
    with pytest.raises(CollapseError, match=r"collapse in epoch \d+: collapse/\w+ is ") as caught:
        fit(crushed, fail_on_collapse=True)
    assert caught.value.collapse == trained.collapse


def test_a_healthy_training_is_not_and_has_its_controls() -> None:
    trained = fit(fail_on_collapse=True)
    assert trained.collapse is None
    best, controls = trained.history[trained.best_epoch], trained.controls
    assert set(controls) == {RANDOM_INIT, SHUFFLED}
    assert best["val/pair_accuracy"] > 0.9
    for name in controls:
        assert controls[name]["val/pair_accuracy"] == pytest.approx(0.5, abs=0.12)
    assert controls[RANDOM_INIT].keys() == {
        name for name in best if name != "collapse/signs" and not name.startswith("train/")
    }
    pairing = {"collapse/alignment", "collapse/sibling_confusion", "sibling_confusion/t1|t2"}
    assert pairing < controls[SHUFFLED].keys()
    assert controls[SHUFFLED]["collapse/alignment"] > 2 * best["collapse/alignment"]
    assert not any("rank" in name for name in controls[SHUFFLED])


def test_watching_changes_no_weight() -> None:
    import torch

    for one, other in zip(
        fit().model.state_dict().values(),
        fit(fail_on_collapse=True).model.state_dict().values(), strict=True,
    ):  # fmt: skip
        assert torch.equal(one, other)
