"""Lineages, siblings, and a fixed share of cells: plain groups from a tree of types."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clip_align.markers.hierarchy import load_hierarchy
from clip_align.related import LEAST_CELLS, Related, Siblings, related
from clip_align.stratify import stratified

TREE = load_hierarchy()
NODES = {
    "n4": "naive CD4 T cell", "m4": "memory CD4 T cell", "n8": "naive CD8 T cell",
    "c": "classical monocyte", "nc": "non-classical monocyte", "nk": "NK cell",
}  # fmt: skip
TERMS = {name: TREE[node].cl_id for name, node in NODES.items()} | {"odd": "CL:nowhere"}


def test_siblings_are_children_of_one_node_of_one_lineage() -> None:
    found = related(TERMS, TREE)
    assert found.lineages == {"T": ("m4", "n4", "n8"), "myeloid": ("c", "nc"), "NK": ("nk",)}
    pairs = {pair.name: (set(pair.first_types), set(pair.second_types)) for pair in found.siblings}
    assert pairs == {
        "CD4 T cell|CD8 T cell": ({"n4", "m4"}, {"n8"}),
        "naive CD4 T cell|memory CD4 T cell": ({"n4"}, {"m4"}),
        "classical monocyte|non-classical monocyte": ({"c"}, {"nc"}),
    }
    assert related({}, TREE) == Related(lineages={}, siblings=())


def test_groups_of_few_cells_are_left_out() -> None:
    found = related(TERMS, TREE)
    types_n = np.repeat(["n4", "m4", "n8", "nk"], [LEAST_CELLS, LEAST_CELLS, 3, LEAST_CELLS - 1])
    within = found.within(types_n)
    assert list(within.lineages) == ["T"]
    assert [pair.name for pair in within.siblings] == ["naive CD4 T cell|memory CD4 T cell"]
    one = Siblings(first="a", second="b", first_types=("a",), second_types=("b",))
    assert [mask.tolist() for mask in one.masks(np.array(["b", "a", "x"]))] == [
        [False, True, False], [True, False, False]
    ]  # fmt: skip


@given(
    st.lists(st.sampled_from("aaaaaabbc"), min_size=1, max_size=200), st.integers(3, 250),
    st.integers(0, 9),
)  # fmt: skip
def test_a_stratified_share_keeps_every_type_and_its_part(
    labels: list[str], most: int, seed: int
) -> None:
    types_n, ids_n = np.array(labels), np.array([f"c{i}" for i in range(len(labels))])
    rows = stratified(ids_n, types_n, most, context=str(seed))
    assert len(rows) == min(len(types_n), most)
    assert (np.diff(rows) > 0).all()
    turn = np.random.default_rng(seed).permutation(len(types_n))
    again = stratified(ids_n[turn], types_n[turn], most, context=str(seed))
    assert set(ids_n[turn][again]) == set(ids_n[rows])
    before, after = Counter(labels), Counter(types_n[rows].tolist())
    assert set(after) == set(before)
    for name, count in before.items():
        assert abs(after[name] - count * len(rows) / len(types_n)) <= 2


def test_which_cells_are_taken_follows_the_context() -> None:
    types_n, ids_n = np.repeat(["a", "b"], [900, 100]), np.array([f"c{i}" for i in range(1000)])
    first, second = (stratified(ids_n, types_n, 100, context=x) for x in ("one", "other"))
    assert Counter(types_n[first].tolist()) == {"a": 90, "b": 10}
    assert not np.array_equal(first, second)
    assert stratified(ids_n, types_n, 1000).tolist() == list(range(1000))
    assert len(stratified(ids_n, types_n, 1)) == 1
