"""Records to one tidy table: a row a metric a run, seeds aggregated, differences paired.

A row with a variant is compared with its base (the same model, representation and data, variant
``{}``); any other row with the reference model of its section. Both sides use the seeds they share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from benchmarks import stats
from benchmarks.grouping import Key, Runs, check_differ, grouped, is_ceiling, reference_of
from benchmarks.ranges import range_of
from benchmarks.records import MetricValue, Record
from benchmarks.suites import lead_of

COLUMNS = (
    *Key._fields,
    *("metric", "value", "low", "high", "chance", "ceiling", "n", "pool", "support"),
    *("seeds", "seed_list", "reference", "difference", "difference_low", "difference_high"),
    *("p", "p_normal", "p_holm"),
)


def tidy(records: Iterable[Record]) -> pd.DataFrame:
    """One row for each run and metric, sorted; columns are ``COLUMNS``.

    Intervals come from kept replicates where every seed has them, else from the seeds' intervals.
    ``n`` and ``support`` are the smallest over seeds. ``p`` counts replicates, ``p_normal`` uses
    their standard error, ``p_holm`` corrects the latter over the rows of a section and metric.
    ``ceiling`` is the same figure of the row that its suite calls so, which is in no family.
    """
    runs = grouped(records)
    rows, ceilings = [], {}
    for key in sorted(runs):
        reference = reference_of(key, runs)
        if reference is not None and key.variant != "{}":
            check_differ(runs[key], runs[reference])
        for metric in sorted({name for record in runs[key] for name in record.metrics}):
            row = {**key._asdict(), "metric": metric, **_summary(runs[key], metric)}
            if is_ceiling(key.variant, lead_of(key.suite)):
                ceilings[key.section, metric] = row["value"]
            if reference is not None:
                row |= difference(runs[key], runs[reference], metric)
                row["reference"] = f"{reference.model} {reference.representation}"
            rows.append(row)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table[["n", "pool", "seeds"]] = table[["n", "pool", "seeds"]].astype("Int64")
    sections = [(tuple(row[name] for name in Key._fields[:4]), row["metric"]) for row in rows]
    table["ceiling"] = pd.Series([ceilings.get(one) for one in sections], dtype=float)
    told = [is_ceiling(row["variant"], lead_of(row["suite"])) for row in rows]
    compared = table[table["p_normal"].notna() & ~pd.Series(told, dtype=bool)]
    for _, family in compared.groupby([*Key._fields[:4], "metric"]):
        table.loc[family.index, "p_holm"] = stats.holm(family["p_normal"].tolist())
    return table


def _summary(group: Sequence[Record], metric: str) -> dict[str, object]:
    seeds = [record.seed for record in group if metric in record.metrics]
    found = [record.metrics[metric] for record in group if metric in record.metrics]
    values = [one.value for one in found]
    replicates = _replicates(found)
    if replicates is None:
        lows, highs = [one.low for one in found], [one.high for one in found]
        estimate = stats.aggregate_intervals(values, lows, highs)
    else:
        estimate = stats.aggregate(replicates, values)
    pools = [one.pool for one in found if one.pool is not None]
    lowest, highest = range_of(metric)
    return {
        "value": estimate.value,
        "low": max(estimate.low, lowest),
        "high": min(estimate.high, highest),
        "chance": _mean(one.chance for one in found),
        "n": min(one.n for one in found),
        "pool": min(pools) if pools else None,
        "support": _support(found),
        "seeds": len(seeds),
        "seed_list": " ".join(map(str, seeds)),
    }


def difference(
    group: Sequence[Record], other: Sequence[Record], metric: str
) -> dict[str, float | None]:
    """Paired difference of two rows; empty unless both kept replicates on as many cells."""
    ours = {r.seed: r.metrics[metric] for r in group if metric in r.metrics}
    theirs = {r.seed: r.metrics[metric] for r in other if metric in r.metrics}
    shared = sorted(ours.keys() & theirs.keys())
    a, b = [ours[seed] for seed in shared], [theirs[seed] for seed in shared]
    mine, reference = _replicates(a), _replicates(b)
    if mine is None or reference is None or mine.shape != reference.shape:
        return {}
    if any((x.n, x.pool) != (y.n, y.pool) for x, y in zip(a, b, strict=True)):
        return {}
    gap = stats.paired_difference(mine, [x.value for x in a], reference, [y.value for y in b])
    return {
        "difference": gap.value,
        "difference_low": gap.low,
        "difference_high": gap.high,
        "p": gap.p,
        "p_normal": gap.p_normal,
    }


def gap_between(key: Key, other: Key | None, runs: Runs, metric: str) -> dict[str, object] | None:
    """``key`` with its paired difference to ``other``; None where there is nothing to compare."""
    if other is None or other == key or not (gap := difference(runs[key], runs[other], metric)):
        return None
    shared = {r.seed for r in runs[key]} & {r.seed for r in runs[other]}
    figures = {name: value for name, value in gap.items() if name != "p"}
    return {**key._asdict(), "metric": metric, **figures, "seeds": len(shared)}


def _replicates(found: Sequence[MetricValue]) -> stats.Floats | None:
    kept = [one.replicates for one in found if one.replicates]
    if not kept or len(kept) < len(found) or len({len(one) for one in kept}) > 1:
        return None
    return np.array(kept)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _support(found: Sequence[MetricValue]) -> str:
    supports = [one.support for one in found if one.support]
    labels = sorted({label for support in supports for label in support})
    return "; ".join(f"{x}={min(support.get(x, 0) for support in supports)}" for x in labels)
