"""Who teaches and who is asked: disjoint, by condition, by shared types, and never seen before."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import annotation_cells, source_models
from benchmarks.annotation_cells import UNKNOWN, AnnotationCells
from benchmarks.annotators.on_features import OnPca
from benchmarks.datasets.vocabulary import terms_of
from benchmarks.shared_types import LEFT_OUT, SHARED, test_types, train_types
from benchmarks.source_models import ATLAS, seen_for
from benchmarks.suites import suites
from clip_align.scimilarity.ontology import related
from representations.errors import InputError
from representations.keys import Obs

test_types.__test__ = False  # not a test, for all its name
ROWS = suites.get("annotation").rows
PAIRS = sorted({(row.train, row.test) for row in ROWS})


@pytest.fixture(scope="module")
def blood(request):
    request.getfixturevalue("teaseq")
    return AnnotationCells("teaseq", "teaseq", 0)


def test_parts_are_disjoint_and_of_the_same_types(blood):
    lesson, query = blood.lesson, blood.query
    names = [set(part.adata.obs_names) for part in (lesson.known, lesson.held, query)]
    assert len(set().union(*names)) == sum(map(len, names)) == 6310
    for part in (lesson.known, lesson.held, query):
        named = np.array(lesson.types)[part.type_n]
        assert (named == part.adata.obs[Obs.CELL_TYPE].astype(str)).all()
    blood.check()


def test_a_cell_that_teaches_and_is_asked_is_refused(blood, monkeypatch):
    monkeypatch.setattr(AnnotationCells, "query", property(lambda self: self.lesson.held))
    with pytest.raises(InputError, match="a test cell is among those that teach"):
        AnnotationCells("teaseq", "teaseq", 0).check()


def test_seeds_split_otherwise_and_a_seed_alike(blood):
    again, other = (AnnotationCells("teaseq", "teaseq", seed) for seed in (0, 1))
    assert (again.query.adata.obs_names == blood.query.adata.obs_names).all()
    assert set(other.query.adata.obs_names) != set(blood.query.adata.obs_names)


def test_kang_learns_from_control_and_is_asked_of_every_stimulated_cell(kang):
    cells = AnnotationCells("kang", "kang", 0)
    for part in (cells.lesson.known, cells.lesson.held):
        assert set(part.adata.obs["condition"]) == {"ctrl"}
    stimulated = kang.obs_names[kang.obs["condition"] == "stim"]
    assert set(cells.query.adata.obs_names) == set(stimulated)
    assert (cells.query.type_n >= 0).all()


def test_across_data_sets_the_shared_types_are_asked(teaseq, pbmc10k_cite):
    cells = AnnotationCells("teaseq", "pbmc10k_cite", 0)
    asked = set(np.array(cells.lesson.types)[cells.query.type_n])
    assert asked == set(SHARED["teaseq", "pbmc10k_cite"].test.values())
    labels = set(cells.query.adata.obs[Obs.CELL_TYPE].astype(str))
    assert not labels & {"undefined", "monocytes", "Treg", "CD4 T", "CD8 T"}
    assert "Platelets" in cells.lesson.types  # may be answered, and is wrong
    components = OnPca().fit(cells.lesson)  # of genes that both measure
    assert set(components.pca.preprocessor.genes_h) <= set(pbmc10k_cite.var_names)
    assert components(cells.query.adata[:5]).shape == (5, 100)


@pytest.mark.parametrize("pair", sorted(SHARED))
def test_shared_names_are_of_related_types(pair):
    """A label of one side and one of the other with one name: one contains the other."""
    train, test = pair
    shared, terms = SHARED[pair], (terms_of(train), terms_of(test))
    assert set(shared.train) <= set(terms[0])
    assert set(shared.test) <= set(terms[1])
    assert set(shared.test.values()) <= set(shared.train.values())
    for mine, name in shared.train.items():
        for other, same in shared.test.items():
            ids = terms[0][mine].ontology_id, terms[1][other].ontology_id
            exception = {mine, other} == {"T.CD8.Effector", "memory CD8"}  # both have met antigen
            if name == same and not exception:
                assert related(*ids), (mine, other)


def test_what_is_not_shared_is_left_out_of_the_question_alone():
    labels = np.array(["B", "Treg", "naive CD4"])
    assert test_types("teaseq", "pbmc10k_cite", labels).tolist() == ["B", LEFT_OUT, "CD4 T naive"]
    assert train_types("teaseq", "pbmc10k_cite", np.array(["Platelets"])).tolist() == ["Platelets"]
    assert test_types("kang", "kang", labels).tolist() == labels.tolist()


def test_held_cells_of_a_type_that_nobody_taught_choose_nothing():
    named = np.array(["a", "b"])
    assert annotation_cells._codes(named, ("a",)).tolist() == [0, UNKNOWN]


# --- the source model -----------------------------------------------------------------------


@pytest.mark.parametrize("pair", PAIRS)
def test_a_source_model_has_seen_neither_side_of_a_row(pair):
    assert not set(seen_for(*pair)) & set(pair)
    assert set(seen_for(*pair)) == set(ATLAS) - set(pair)


def test_the_identity_of_a_source_names_data_and_settings():
    config = source_models.PretrainConfig()
    one, other = (source_models.identity(seen_for(t), config) for t in ("kang", "teaseq"))
    assert one != other
    assert set(other["data"]) == set(ATLAS)


def test_the_atlas_keeps_expressed_genes_and_typed_cells(pbmc3k, pbmc10k_cite):
    atlas = source_models.atlas(("pbmc3k", "pbmc10k_cite"))
    undefined = (pbmc10k_cite.obs[Obs.CELL_TYPE] == "undefined").sum()
    assert len(atlas) == pbmc3k.n_obs + pbmc10k_cite.n_obs - undefined
    assert ((atlas.x_nk > 0).sum(axis=0) >= source_models.LEAST_CELLS).all()
    assert atlas.measured_sk.any(dim=0).all()
    assert not set(source_models.UNTYPED) & set(atlas.types)
    there_nk = np.asarray(atlas.measured_sk[atlas.study_n])
    assert not ((atlas.x_nk > 0).toarray() & ~there_nk).any()
