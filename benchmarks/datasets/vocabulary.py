"""Published labels in common words: fine and coarse names, Cell Ontology terms."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

from representations.errors import InputError

FILE: Final = "vocabulary.csv"
COARSE: Final = (
    "CD4 T",
    "CD8 T",
    "B",
    "NK",
    "CD14 mono",
    "CD16 mono",
    "DC",
    "megakaryocyte/platelet",
    "other",
)


@dataclass(frozen=True, kw_only=True)
class Term:
    """What one published label means.

    ``fine`` is a name shared by the datasets at the depth of the label, ``coarse`` one of
    ``COARSE``. ``other`` holds cells of none of the others, and what the publishers left open:
    cells of no type, and monocytes of neither kind. Intermediate monocytes express CD14 and count
    as ``CD14 mono``. A cell line has the term of the cell it is most like.
    """

    fine: str
    coarse: str
    ontology_id: str
    ontology_label: str

    def __post_init__(self) -> None:
        if self.coarse not in COARSE:
            raise InputError(f"coarse label {self.coarse!r}: use one of {', '.join(COARSE)}")


@cache
def table() -> Mapping[str, Mapping[str, Term]]:
    """Terms by dataset and published label, as in ``vocabulary.csv``."""
    terms: dict[str, dict[str, Term]] = {}
    with resources.files(__package__).joinpath(FILE).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            dataset, label = row.pop("dataset"), row.pop("cell_type")
            if label in terms.setdefault(dataset, {}):
                raise InputError(f"{FILE}: {dataset!r} lists {label!r} twice; keep one row")
            terms[dataset][label] = Term(**row)
    return MappingProxyType(terms)


def terms_of(dataset: str) -> Mapping[str, Term]:
    """Terms of one dataset by published label; empty where the file has no row for it."""
    return table().get(dataset, {})


def look_up(labels: Iterable[str], terms: Mapping[str, Term], *, dataset: str) -> list[Term]:
    """Terms of published labels, in their order.

    Raises
    ------
    InputError
        A label has no term.
    """
    labels = list(labels)
    unknown = sorted(set(labels) - set(terms))
    if unknown:
        raise InputError(
            f"{dataset}: label {unknown[0]!r} has no row in {FILE} and none in the dataset's own "
            "labels; add it to either"
        )
    return [terms[label] for label in labels]
