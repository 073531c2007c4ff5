"""What a file, or two, give to learn from and to check by; what they cannot give is one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData

from clip_align.labels import cell_types
from clip_align.scimilarity.cells import expression, match_genes
from clip_align.scimilarity.labelled_cells import LEAST_KNOWN
from clip_align.scimilarity.train_file import train_file
from clip_align.scimilarity.training_cells import TrainingCells, read_training_cells
from representations.errors import InputError
from tests.scimilarity.tiny_files import GENES, PLAN, TYPES, cells, h5ad, source


def read(
    data: Path, validation: Path | None = None, said: list[str] | None = None
) -> TrainingCells:
    say = [].append if said is None else said.append
    return read_training_cells(data, GENES, PLAN, validation=validation, say=say)


def refused(told: str, *files: Path) -> None:
    with pytest.raises(InputError) as error:
        read(*files)
    assert str(error.value).startswith(f"{files[-1]}: ")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def donors(adata: AnnData) -> None:
    adata.obs["donor"] = [f"d{i % 5}" for i in range(adata.n_obs)]


def held_donor(folder: Path) -> str:
    """The one that the plan's seed holds out."""
    (held,) = set(read(h5ad(folder / "donors.h5ad", donors)).held.adata.obs["donor"])
    return held


def with_own_types(held: str, names: np.ndarray | str) -> Callable[[AnnData], None]:
    def change(adata: AnnData) -> None:
        donors(adata)
        rows = adata.obs["donor"] == held
        adata.obs.loc[rows, "cell_type"] = names

    return change


def test_one_file_is_parted_into_all_of_its_cells(tmp_path: Path) -> None:
    found = read(h5ad(tmp_path / "cells.h5ad"))
    known, held = found.known.adata.obs_names, found.held.adata.obs_names
    assert sorted([*known, *held]) == sorted(cells().obs_names)
    assert found.types == TYPES
    assert found.about["validation_by"] == "cell"
    assert found.seen.among(["x", known[0], held[0]]) == [known[0], held[0]]


def test_types_of_held_out_donors_alone_are_said(tmp_path: Path) -> None:
    held, said = held_donor(tmp_path), []
    own = np.array([*["rarity"] * 10, *["T", "B"] * 10])
    found = read(h5ad(tmp_path / "own.h5ad", with_own_types(held, own)), said=said)
    assert found.types == TYPES
    assert set(cell_types(found.held.adata)) == {"T", "B"}
    line, unchecked = said
    assert line.startswith("note: 10 held-out cells without a label, or of types that no cell to")
    assert "(rarity)" in line
    assert unchecked.startswith("note: no held-out cell is of NK: ")


def test_held_out_donors_of_other_types_alone_are_refused(tmp_path: Path) -> None:
    change = with_own_types(held_donor(tmp_path), "rarity")
    refused("30 held-out cells, none of a type", h5ad(tmp_path / "own.h5ad", change))


def test_a_missing_donor_is_refused(tmp_path: Path) -> None:
    def change(adata: AnnData) -> None:
        donors(adata)
        adata.obs.loc[adata.obs_names[3], "donor"] = np.nan

    refused('obs["donor"] has missing values', h5ad(tmp_path / "nan.h5ad", change))


def test_too_few_cells_to_learn_from_are_refused(tmp_path: Path) -> None:
    def some(n: int) -> Callable[[AnnData], AnnData]:
        return lambda adata: adata[:n].copy()

    refused(f"{LEAST_KNOWN} are needed", h5ad(tmp_path / "few.h5ad", some(LEAST_KNOWN)))
    found = read(h5ad(tmp_path / "few.h5ad", some(LEAST_KNOWN + 4)))
    assert found.known.adata.n_obs >= LEAST_KNOWN


def other(adata: AnnData) -> AnnData:
    return cells(60, seed=1)


def test_with_a_validation_file_nothing_is_held_out(tmp_path: Path) -> None:
    files = h5ad(tmp_path / "cells.h5ad"), h5ad(tmp_path / "other.h5ad", other)
    found = read(*files)
    assert found.known.adata.obs_names.tolist() == cells().obs_names.tolist()
    assert found.held.adata.obs_names.tolist() == cells(60, seed=1).obs_names.tolist()
    assert found.about["validation"]["data"] == "other.h5ad"
    assert found.about["validation"]["sha256"] != found.about["sha256"]


def test_both_files_are_read_on_the_genes_that_both_have(tmp_path: Path) -> None:
    def fewer(adata: AnnData) -> AnnData:
        return cells(60, seed=1)[:, ::-1][:, 7:].copy()  # in another order

    found = read(h5ad(tmp_path / "cells.h5ad"), h5ad(tmp_path / "other.h5ad", fewer))
    for part in (found.known, found.held):
        names = part.adata.var_names[part.match.cells_k].tolist()
        assert names == [g for g in GENES if g in part.adata.var_names][: len(names)]
        assert len(names) == 53
        alone = match_genes(names, GENES, least=1)
        shown = part.adata[:, part.match.cells_k].copy()
        assert (expression(part.adata, part.match) != expression(shown, alone)).nnz == 0


def strangers(adata: AnnData) -> AnnData:
    adata.obs["cell_type"] = "someone"
    return adata


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda adata: None, "150 of 150 cells are among those to learn from (such as 'c0_"),
        (lambda adata: cells(60, seed=1)[:, :10].copy(), "10 of 10 genes are among the 60"),
        (lambda adata: strangers(cells(60, seed=1)), "60 held-out cells, none of a type"),
    ],
)
def test_a_validation_file_that_cannot_be_used_is_named(
    tmp_path: Path, change: Callable[[AnnData], AnnData | None], told: str
) -> None:
    files = h5ad(tmp_path / "cells.h5ad"), h5ad(tmp_path / "other.h5ad", change)
    refused(told, *files)


def test_a_coverage_that_needs_more_held_out_cells_is_said(tmp_path: Path) -> None:
    source(tmp_path / "model")
    data, said = h5ad(tmp_path / "cells.h5ad"), []
    for coverage, short in ((0.99, True), (0.8, False)):
        plan = replace(PLAN, coverage=coverage)
        trained = train_file(
            data, tmp_path / "model", tmp_path / f"{coverage}", plan, say=said.append
        )
        lines = [line for line in said if line.startswith(f"note: a coverage of {coverage}")]
        assert bool(lines) == short == np.isinf(trained.classifier.abstention.threshold)
