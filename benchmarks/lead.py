"""The row a suite is about, against every other row of its section, paired."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

import pandas as pd

from benchmarks import stats
from benchmarks.grouping import Key, Runs, any_answer_is_right, grouped, is_ceiling
from benchmarks.markdown import gap_words, p_value, table_row, variant_words
from benchmarks.records import Record
from benchmarks.suites import Lead
from benchmarks.tidy import gap_between

OTHER = ("other_model", "other_representation", "other_variant")
COLUMNS = (
    *Key._fields, "metric", *OTHER, "difference", "difference_low", "difference_high", "p_normal",
    "p_holm", "seeds",
)  # fmt: skip


def against_all(records: Iterable[Record], lead: Lead) -> pd.DataFrame:
    """One row for each section, metric and other row but the ceiling; columns are ``COLUMNS``.

    A difference above 0 is in favour of the lead. ``p_holm`` corrects over the other rows.
    """
    return _against(records, lead, lambda key: not is_ceiling(key.variant, lead))


def to_ceiling(records: Iterable[Record], lead: Lead) -> pd.DataFrame:
    """As :func:`against_all`, of each section's ceiling alone: what is left to be reached."""
    return _against(records, lead, lambda key: is_ceiling(key.variant, lead))


def _against(records: Iterable[Record], lead: Lead, wanted: Callable[[Key], bool]) -> pd.DataFrame:
    runs, rows = grouped(records), []
    for key in leads(runs, lead):
        here = [one for one in sorted(runs) if one.section == key.section]
        metrics = [name for name in lead.metrics if not _vacuous(name, here, runs)]
        for other in filter(wanted, here):
            for metric in metrics:
                gap = gap_between(key, other, runs, metric)
                named = (other.model, other.representation, other.variant)
                rows += [] if gap is None else [{**gap, **dict(zip(OTHER, named, strict=True))}]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for _, family in table.groupby([*Key._fields[:4], "metric"]):
        table.loc[family.index, "p_holm"] = stats.holm(family["p_normal"].tolist())
    return table


def _vacuous(metric: str, section: Iterable[Key], runs: Runs) -> bool:
    found = [r.metrics[metric] for key in section for r in runs[key] if metric in r.metrics]
    return any_answer_is_right((one.value, one.chance) for one in found)


def leads(runs: Runs, lead: Lead) -> Iterator[Key]:
    """The row of each section that stands for the lead."""
    asked = (lead.variant, *lead.elsewhere)
    wanted = [json.dumps(dict(variant), sort_keys=True) for variant in asked]
    same = {
        (key.section, key.variant): key
        for key in sorted(runs)
        if (key.representation, key.model) == (lead.representation, lead.model)
    }
    for section in dict.fromkeys(section for section, _ in same):
        found = [same[section, name] for name in wanted if (section, name) in same]
        yield from found[:1]


def lines(found: pd.DataFrame) -> Iterator[str]:
    """Differences of one section, a row an other row, a column a metric."""
    if found.empty:
        return
    first, names = found.iloc[0], list(dict.fromkeys(found["metric"]))
    features = f" {first['representation']}" * (first["representation"] != "none")
    yield f"{first['model']}{features}, {variant_words(first['variant']) or 'the base'}, minus:"
    yield ""
    yield table_row("model", "features", "variant", *(f"Δ {name}" for name in names))
    yield table_row(*["---"] * 3, *["---:"] * len(names))
    lead = found[found["metric"] == names[0]].sort_values("difference", kind="stable")
    for _, row in lead.iterrows():
        same = (found[list(OTHER)] == row[list(OTHER)].to_numpy()).all(axis=1)
        cells = {one["metric"]: _cell(one) for _, one in found[same].iterrows()}
        model, representation, variant = (row[name] for name in OTHER)
        shown = (cells.get(name, "") for name in names)
        yield table_row(model, representation, variant_words(variant), *shown)


def _cell(row: pd.Series) -> str:
    return f"{gap_words(row)}, p {p_value(row['p_holm'])}"
