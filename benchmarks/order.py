"""The order of a table's rows: groups that a suite names, in each the best headline first."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import pandas as pd

from benchmarks.grouping import is_ceiling
from benchmarks.suites import lead_of, suites


def in_order(section: pd.DataFrame, suite: str, leads: Sequence[str]) -> list[dict[str, pd.Series]]:
    """Figures of each run of a section by metric, the runs as a reader should meet them.

    What knows more than the others may, a ceiling, comes last.

    Parameters
    ----------
    leads
        Metrics that decide, the first that a run has; one that has none comes last.
    """
    asked = suites.get(suite) if suite in suites.names() else None
    groups, least_first = (asked.groups, asked.least_first) if asked else ((), False)

    def place(figures: dict[str, pd.Series]) -> tuple[object, ...]:
        row = next(iter(figures.values()))
        name = tuple(str(row[key]) for key in ("model", "representation", "variant"))
        variant = json.loads(name[2])
        group = [variant.get(key, 0) for key in groups] + [name[1]] * bool(groups)
        value = next((float(figures[lead]["value"]) for lead in leads if lead in figures), math.nan)
        rank = math.inf if math.isnan(value) else value if least_first else -value
        return is_ceiling(name[2], lead_of(suite)), *group, rank, str(name)

    runs = section.groupby(["model", "representation", "variant"])
    return sorted(({row["metric"]: row for _, row in run.iterrows()} for _, run in runs), key=place)
