"""Which records make a row of a table, and which row it is compared with."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from benchmarks.plans import factors_in
from benchmarks.records import Record
from benchmarks.suites import Lead, suites
from clip_align.models import models
from representations.errors import InputError

REFERENCES = ("ridge", "pca+logreg", "perturbation_mean")
PREFERRED_REPRESENTATION = "X_pca"
ON_THE_WAY = ("cache[", "cache_")


class Key(NamedTuple):
    """A row of a table: everything that names a run but its seed."""

    suite: str
    task: str
    train: str
    test: str
    representation: str
    model: str
    variant: str

    @property
    def section(self) -> tuple[str, str, str, str]:
        """What two rows must share to be comparable."""
        return self[:4]


Runs = Mapping[Key, Sequence[Record]]


def is_ceiling(variant: str, lead: Lead | None) -> bool:
    """Whether a row knows what the lead of its suite may not."""
    if lead is None or lead.ceiling is None:
        return False
    fields: dict[str, object] = json.loads(variant)
    return all(fields.get(name) == value for name, value in lead.ceiling.items())


def any_answer_is_right(figures: Iterable[tuple[float, float | None]]) -> bool:
    """Whether a figure tells nothing: its value is 1 in each ``(value, chance)``, as chance is."""
    return all(value == chance == 1 for value, chance in figures)


def grouped(records: Iterable[Record]) -> dict[Key, list[Record]]:
    """Rows with their records by seed.

    Raises ``InputError`` where seeds of a row ran with different configurations.
    """
    runs = defaultdict(list)
    for record in records:
        variant = json.dumps(record.variant, sort_keys=True)
        names = {field: getattr(record, field) for field in Key._fields}
        runs[Key(**names | {"variant": variant})].append(record)
    for key, group in runs.items():
        if len({record.config_hash for record in group}) > 1:
            raise InputError(
                f"{group[0].file_name}: the seeds of its row ran with different configurations; "
                f"run {key.suite} again with --again"
            )
    return {key: sorted(group, key=lambda record: record.seed) for key, group in runs.items()}


def reference_of(key: Key, runs: Iterable[Key]) -> Key | None:
    """The row that ``key`` is compared with, None for the reference itself or where none ran."""
    peers = sorted(other for other in runs if other.section == key.section and other != key)
    for other in peers:
        if other.model == "ours" != key.model and _answers_the_same(other, key):
            return other
    for base in _bases_of(key):
        if base in peers:
            return base
    if key.model in REFERENCES:
        return None
    for model in REFERENCES:
        found = [other for other in peers if other.model == model]
        plain = [other for other in found if other.variant == "{}"]
        for asked in (
            [x for x in found if x[4:] == (key.representation, model, _without_factors(key))],
            *([x for x in plain if x.representation == r] for r in _representations(key)),
            plain,
        ):
            if asked:
                return asked[0]
    return None


def _representations(key: Key) -> tuple[str, str]:
    return key.representation, PREFERRED_REPRESENTATION


def _bases_of(key: Key) -> Iterator[Key]:
    """The same model without its factor, without its variant, on the features of the suite."""
    if key.variant != "{}":
        yield key._replace(variant=_without_factors(key))
        yield key._replace(variant="{}")
        return
    asked = suites.get(key.suite).base if key.suite in suites.names() else ""
    if asked and key.model in models.names():
        yield key._replace(representation=asked)


def _without_factors(key: Key) -> str:
    variant = json.loads(key.variant)
    named = factors_in(variant)
    return json.dumps({k: v for k, v in variant.items() if k not in named}, sort_keys=True)


def _answers_the_same(ours: Key, other: Key) -> bool:
    """Whether another package's row is ours but for settings of that package."""
    asked, also = (json.loads(key.variant) for key in (ours, other))
    return ours.representation == other.representation and asked.items() <= also.items()


def check_differ(variant: Sequence[Record], base: Sequence[Record]) -> None:
    """Refuse a variant whose figures are its base's, in every seed that both have."""
    theirs = {record.seed: _values(record) for record in base}
    shared = [record for record in variant if record.seed in theirs]
    if shared and all(_values(record) == theirs[record.seed] for record in shared):
        raise InputError(
            f"{shared[0].file_name}: variant {json.dumps(shared[0].variant)} gives the figures "
            "of its base: it changed nothing, so it is no row of a comparison"
        )


def _values(record: Record) -> dict[str, float]:
    """What came out: what a cache did on the way there may differ and move nothing."""
    return {
        name: metric.value
        for name, metric in record.metrics.items()
        if not name.startswith(ON_THE_WAY)
    }
