"""The committed Cell Ontology: laws of its graph, known answers, and an oracle for ancestors."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.datasets import vocabulary
from clip_align.markers.hierarchy import load_hierarchy
from clip_align.scimilarity.ontology import ancestors, label, load_ontology, nearest_common, related
from representations.errors import InputError

SCRIPT = Path(__file__).parents[1] / "scripts" / "build_cell_ontology.py"
ROOT = "CL:0000000"
IDS = sorted(load_ontology())
BLOOD = sorted(term for term in IDS if "CL:0000988" in ancestors(term))
B, CD4, CD8, NK = "CL:0000236", "CL:0000624", "CL:0000625", "CL:0000623"
CD4_NAIVE, CD4_MEMORY, CD8_NAIVE = "CL:0000895", "CL:0000897", "CL:0000900"
CLASSICAL, NON_CLASSICAL, PLATELET = "CL:0000860", "CL:0000875", "CL:0000233"
# Half of the draws among blood cells, whose common ancestors are less often those of any two cells.
TERMS = st.sampled_from(BLOOD) | st.sampled_from(IDS)
SOME = st.lists(TERMS, min_size=1, max_size=4)


def common(terms: Sequence[str]) -> frozenset[str]:
    return frozenset.intersection(*map(ancestors, terms))


def nearest(*terms: str) -> str:
    found = nearest_common(terms)
    assert found is not None
    return found.id


def test_the_table_is_whole_and_has_one_root() -> None:
    ontology = load_ontology()
    assert len(ontology) == 3316
    assert [term.id for term in ontology.values() if not term.parents] == [ROOT]
    assert all(key == term.id and term.label for key, term in ontology.items())
    assert not [term.label for term in ontology.values() if term.label.startswith("obsolete ")]
    assert {above for term in ontology.values() for above in term.parents} <= ontology.keys()


def test_no_term_is_above_itself_and_the_root_is_above_all() -> None:
    above = {term.id: term.parents for term in load_ontology().values()}
    assert next(iter(TopologicalSorter(above).static_order())) == ROOT  # raises where it is cyclic
    assert all(ROOT in ancestors(term) for term in IDS)


def test_no_parent_is_implied_by_another() -> None:
    for term in load_ontology().values():
        reached = [above for parent in term.parents for above in ancestors(parent)]
        assert all(reached.count(parent) == 1 for parent in term.parents), term


@given(TERMS)
def test_ancestors_are_the_term_and_those_of_its_parents(term: str) -> None:
    parents = load_ontology()[term].parents
    assert term in ancestors(term)
    assert ancestors(term) - {term} == frozenset().union(*map(ancestors, parents))


@given(TERMS, TERMS)
def test_related_is_reflexive_and_symmetric(a: str, b: str) -> None:
    assert related(a, a)
    assert related(a, ROOT)
    assert related(a, b) == related(b, a) == bool({a, b} & common([a, b]))


@given(SOME)
def test_nearest_common_is_a_common_ancestor_with_none_below(terms: list[str]) -> None:
    found = nearest(*terms)
    shared = common(terms)
    assert found in shared
    children = [term.id for term in load_ontology().values() if found in term.parents]
    assert not shared & set(children)
    assert nearest(*reversed(terms), terms[-1]) == found


@given(TERMS, TERMS)
def test_nearest_common_of_one_term_is_itself_and_of_relatives_the_upper(a: str, b: str) -> None:
    assert nearest(a) == nearest(a, a) == a
    for above in ancestors(a):
        assert nearest(a, above) == above
    assert related(a, b) == (nearest(a, b) in {a, b})


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ((CD4_NAIVE, CD4_MEMORY), "CD4-positive, alpha-beta T cell"),
        ((CD4_NAIVE, CD4), "CD4-positive, alpha-beta T cell"),
        ((CD4_NAIVE, CD8_NAIVE), "naive T cell"),  # so is the mature alpha-beta T cell, less narrow
        ((CD4, CD8), "mature alpha-beta T cell"),
        ((CD4_NAIVE, CD4_MEMORY, CD8_NAIVE), "mature alpha-beta T cell"),
        ((CD4, NK), "lymphocyte"),
        ((B, CLASSICAL), "mononuclear leukocyte"),
        ((CLASSICAL, NON_CLASSICAL), "monocyte"),
        ((PLATELET, CLASSICAL), "myeloid cell"),
        ((PLATELET, CD4), "hematopoietic cell"),
    ],
)
def test_known_answers(terms: tuple[str, ...], expected: str) -> None:
    assert label(nearest(*terms)) == expected


def test_of_several_nearest_the_narrowest_is_taken() -> None:
    shared = common([CD4_NAIVE, CD8_NAIVE])
    above = {upper for term in shared for upper in load_ontology()[term].parents}
    n_below = {term: sum(term in ancestors(other) for other in IDS) for term in shared - above}
    assert n_below.keys() == {"CL:0000898", "CL:0000791"}
    assert nearest(CD4_NAIVE, CD8_NAIVE) == min(n_below, key=lambda term: n_below[term])


@pytest.mark.parametrize(
    ("pair", "first", "second"),
    [
        (("CL:0002142", "CL:0002146"), "CL:0000318", "CL:0000434"),
        (("CL:1000717", "CL:1000719"), "CL:1000546", "CL:1001432"),
        (("CL:0000474", "CL:0000486"), "CL:0000519", "CL:0002520"),
        (("CL:0004233", "CL:0004238"), "CL:0004250", "CL:0004252"),
    ],
)
def test_of_equally_narrow_ones_the_smallest_id_is_taken(
    pair: tuple[str, str], first: str, second: str
) -> None:
    assert {first, second} <= common(pair)
    assert not related(first, second)
    assert len({sum(term in ancestors(other) for other in IDS) for term in (first, second)}) == 1
    assert nearest(*pair) == first


def test_an_unknown_id_has_no_common_ancestor_and_no_name() -> None:
    assert nearest_common([]) is None
    assert nearest_common(["unknown"]) is None
    assert nearest_common([B, "unknown"]) is None
    for ask in (label, ancestors, lambda term: related(B, term), lambda term: related(term, term)):
        with pytest.raises(InputError, match=r"cell type 'unknown' is not in .*: give the id"):
            ask("unknown")


def test_ids_of_the_vocabulary_and_of_the_markers_are_in_the_table() -> None:
    """With the labels that the vocabulary says they have."""
    terms = [term for terms in vocabulary.table().values() for term in terms.values()]
    named = {term.ontology_id: term.ontology_label for term in terms}
    assert named == {term: label(term) for term in named}
    assert {node.cl_id for node in load_hierarchy().nodes.values()} <= load_ontology().keys()


@lru_cache(maxsize=1)
def graph():
    """Edges from parents to children, as networkx has them for ancestors."""
    nx = pytest.importorskip("networkx")
    terms = load_ontology().values()
    return nx.DiGraph((above, term.id) for term in terms for above in term.parents)


@given(TERMS)
def test_ancestors_are_those_of_networkx(term: str) -> None:
    nx = pytest.importorskip("networkx")
    assert ancestors(term) == nx.ancestors(graph(), term) | {term}


@given(SOME)
def test_nearest_common_is_the_narrowest_of_networkx(terms: list[str]) -> None:
    nx = pytest.importorskip("networkx")
    shared = set.intersection(*(nx.ancestors(graph(), term) | {term} for term in terms))
    lowest = [term for term, n in graph().subgraph(shared).out_degree() if n == 0]
    assert nearest(*terms) == min(lowest, key=lambda t: (len(nx.descendants(graph(), t)), t))
    if len(terms) == 2:
        assert nx.lowest_common_ancestor(graph(), *terms) in lowest


def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_build_script_keeps_parents_and_leaves_out_what_is_no_cell_type(tmp_path: Path) -> None:
    script = build()
    published = {
        name: {"label": f"the {name}", "deprecated": name == "old", "ancestors": above}
        for name, above in {
            "b": {"d": 1, "a": 1, ROOT: 2}, "a": {ROOT: 1}, "d": {ROOT: 1}, ROOT: {},
            "nucleus": {ROOT: 3}, "old": {ROOT: 1},
        }.items()
    }  # fmt: skip
    table = script.rows(published)
    assert [(row.id, row.parents) for row in table] == [
        (ROOT, ""), ("a", ROOT), ("b", "a|d"), ("d", ROOT),
    ]  # fmt: skip
    script.write(table, tmp_path / "one.gz")
    script.write(script.rows(dict(reversed(published.items()))), tmp_path / "two.gz")
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()
