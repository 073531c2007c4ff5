"""What losses may know of pairs: types, how related they are; and who reads labels at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from clip_align.cache_config import CacheConfig
from clip_align.kinship import Kinship, kinship
from clip_align.known import Known
from clip_align.losses import losses, make_loss
from clip_align.markers.hierarchy import Hierarchy, Node, load_hierarchy
from clip_align.models import ModelConfig
from clip_align.pairs import UNLABELLED, PairedCells
from clip_align.seeding import seeded
from clip_align.temperature import temperatures
from clip_align.towers import TowerConfig
from clip_align.train import TrainConfig, Trained, train
from clip_align.trainer import Trainer
from representations.errors import InputError

TOWER = TowerConfig(width=16, depth=1, dropout=0.0)
MODEL = ModelConfig(embed_dim=8, cell=replace(TOWER, scaling="global"), marker=TOWER)
CONFIG = TrainConfig(model=MODEL, epochs=2, batch_size=32)
KIN = Kinship(names=("B", "T1", "T2"), kin_tt=np.eye(3, dtype=np.float32))


def node(name: str, parent: str | None) -> Node:
    return Node(name=name, parent=parent, cl_id=f"CL:{name}", lineage="x")


TREE = Hierarchy(
    {
        name: node(name, parent)
        for name, parent in [
            ("root", None), ("T", "root"), ("T1", "T"), ("T2", "T"), ("T1a", "T1"), ("B", "root"),
        ]
    }
)  # fmt: skip


def pairs(n: int = 90, *, seed: int = 0, types: tuple[str, ...] = KIN.names) -> PairedCells:
    rng = np.random.default_rng(seed)
    cell_nd = rng.normal(size=(n, 6))
    return PairedCells(
        cell_nd=cell_nd, marker_nm=cell_nd[:, :4] + 0.1 * rng.normal(size=(n, 4)),
        ids_n=np.array([f"c{i}" for i in range(n)]), types_n=rng.choice(types, n),
    )  # fmt: skip


def fit(config: TrainConfig, known: PairedCells | None = None) -> Trained:
    return train(known or pairs(), pairs(40, seed=1), config, kinship=KIN, progress=False)


def weights(trained: Trained) -> torch.Tensor:
    return torch.cat([value.flatten() for value in trained.model.state_dict().values()])


def test_kinship_is_that_of_wu_and_palmer() -> None:
    """Depths: root 1, T and B 2, T1 and T2 3, T1a 4."""
    terms = {name: f"CL:{name}" for name in ("B", "T", "T1", "T1a", "T2")} | {"odd": "CL:nowhere"}
    found = kinship(terms, TREE)
    assert found.names == ("B", "T", "T1", "T1a", "T2", "odd")
    expected = {
        ("B", "T"): 2 / 4, ("B", "T1a"): 2 / 6, ("T", "T1"): 4 / 5, ("T1", "T2"): 4 / 6,
        ("T1", "T1a"): 6 / 7, ("T1a", "T2"): 4 / 7, ("T", "odd"): 0.0,
    }  # fmt: skip
    for pair, kin in expected.items():
        i, j = map(found.names.index, pair)
        assert found.kin_tt[i, j] == found.kin_tt[j, i] == pytest.approx(kin)
    np.testing.assert_array_equal(np.diag(found.kin_tt), 1.0)


def test_in_the_committed_tree_siblings_are_nearer_than_lineages() -> None:
    hierarchy = load_hierarchy()
    terms = {name: hierarchy[name].cl_id for name in hierarchy.nodes}
    found = kinship(terms, hierarchy)
    assert found.kin_tt.min() > 0  # one root
    kin = dict(zip(found.names, found.kin_tt[found.names.index("CD4 T cell")], strict=True))
    assert kin["CD8 T cell"] > kin["B cell"] > kin["monocyte"]
    with pytest.raises(InputError, match="symmetric"):
        Kinship(names=("a", "b"), kin_tt=np.array([[1.0, 0.2], [0.3, 1.0]]))


def test_numbers_of_types_follow_kinship_and_nothing_has_none() -> None:
    some = replace(pairs(4), types_n=np.array(["T2", UNLABELLED, "B", "NK"]))
    profile_nm = torch.zeros(4, 4)
    assert Known.of(some, profile_nm, KIN).type_n.tolist() == [2, -1, 0, len(KIN.names)]
    alone = Known.of(some, profile_nm)
    assert alone.type_n[1] == -1
    assert len(set(alone.type_n.tolist())) == 4
    assert alone.kin_tt is None
    one = torch.zeros(2, 8)
    batch = Known.of(some, torch.arange(16.0).reshape(4, 4), KIN).aligned(
        one, one, torch.tensor(1.0), torch.tensor([2, 0])
    )
    assert batch.type_b.tolist() == [0, 2]
    assert batch.profile_bm[:, 0].tolist() == [8.0, 0.0]


@pytest.mark.parametrize("name", losses.names())
def test_every_loss_trains_and_only_one_that_says_so_reads_labels(name: str) -> None:
    config = replace(CONFIG, loss=name)
    usual = fit(config)
    assert np.isfinite([list(scalars.values()) for scalars in usual.history]).all()
    known = pairs()
    relabelled = fit(config, replace(known, types_n=np.roll(known.types_n, 1)))
    reads = "type_b" in make_loss(name).needs
    assert torch.equal(weights(usual), weights(relabelled)) != reads


def test_options_of_a_loss_reach_the_training() -> None:
    plain, smooth = (
        fit(replace(CONFIG, loss="label_smoothing", loss_options=options))
        for options in ({}, {"smoothing": 0.5})
    )
    assert not torch.equal(weights(plain), weights(smooth))
    with pytest.raises(InputError, match="no option 'beta'"):
        fit(replace(CONFIG, loss_options={"beta": 1.0}))


def test_what_a_loss_learns_is_learned() -> None:
    """The bias of SigLIP is moved by the same steps as the weights."""
    with seeded(0):
        running = Trainer(pairs(), replace(CONFIG, loss="siglip"))
        running.epoch()
    assert abs(running.loss.bias.item() + 10.0) > 1e-4


@pytest.mark.parametrize("name", temperatures.names())
def test_every_temperature_trains(name: str) -> None:
    trained = fit(replace(CONFIG, model=replace(MODEL, temperature=name), epochs=3))
    scales = [scalars["train/logit_scale"] for scalars in trained.history]
    assert np.isfinite(scales).all()
    assert (len(set(scales)) == 1) == (name == "fixed")


def test_a_loss_that_asks_for_kinship_is_refused_without() -> None:
    with pytest.raises(InputError, match="'hierarchy' reads how related types are"):
        train(pairs(), pairs(9), replace(CONFIG, loss="hierarchy"), progress=False)
    nothing, spared = pairs(types=(UNLABELLED,)), CacheConfig(spared="type")
    for config in (
        replace(CONFIG, loss="supervised"), replace(CONFIG, model=replace(MODEL, cache=spared))
    ):  # fmt: skip
        with pytest.raises(InputError, match="reads cell types, and no training cell has one"):
            fit(config, nothing)
    of_lineage = replace(CONFIG, model=replace(MODEL, cache=CacheConfig(spared="lineage")))
    with pytest.raises(InputError, match="spares the lineage reads lineages: give Cell Ontology"):
        train(pairs(), pairs(9), of_lineage, progress=False)


def test_pairs_know_the_lineage_of_their_type() -> None:
    terms = {"CD4": "CL:0000624", "CD8": "CL:0000625", "B": "CL:0000236", "odd": "CL:9999999"}
    of_types = kinship(terms, load_hierarchy())
    named = dict(zip(of_types.names, of_types.lineages, strict=True))
    assert named["CD4"] == named["CD8"] != named["B"]
    assert named["odd"] == ""
    types_n = np.array(["B", "CD4", "CD8", "odd", "unheard of", UNLABELLED])
    some = replace(pairs(n=6), types_n=types_n)
    b, cd4, cd8, *nothing = Known.of(some, torch.zeros(6, 4), of_types).lineage_n.tolist()
    assert cd4 == cd8 != b
    assert nothing == [-1, -1, -1]
    assert Known.of(some, torch.zeros(6, 4)).lineage_n is None


@pytest.mark.parametrize("given", [np.array([0, 1] * 45), np.array(["0", "1"] * 45)])
def test_types_may_be_numbers(given: np.ndarray) -> None:
    some = replace(pairs(), types_n=given)
    assert Known.of(some, torch.zeros(90, 4)).type_n.tolist() == [0, 1] * 45


@pytest.mark.parametrize("name", ["dropout", "masking"])
def test_a_share_is_one(name: str) -> None:
    with pytest.raises(InputError, match=r"augmentation_strength=1.5: for .* from 0 to 1"):
        fit(replace(CONFIG, augmentation=name, augmentation_strength=1.5))


def test_a_type_that_no_ontology_places_is_a_type_all_the_same() -> None:
    some = Kinship(names=("a", "b"), kin_tt=np.array([[1, 0.5], [0.5, 1]], np.float32))
    cells = pairs(types=("b", "strange", UNLABELLED, "a"))
    facts = Known.of(cells, torch.zeros(len(cells), 4), some)
    number = dict(zip(cells.types_n.tolist(), facts.type_n.tolist(), strict=True))
    assert number == {"a": 0, "b": 1, "strange": 2, UNLABELLED: -1}
    assert facts.kin_tt is not None
    assert facts.kin_tt[2].tolist() == [0.0, 0.0, 1.0]
    assert facts.kin_tt[0, 1] == 0.5
