"""The figure of suite ``quality``: all data sets in the same panels."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from representations.page import page


def draw(table: pd.DataFrame) -> Figure:
    """What representations keep and lose, all data sets in the same panels."""
    table = table.assign(set=table["train"].str.partition("@")[0])
    sets = list(dict.fromkeys(table.sort_values("train", ascending=False, kind="stable")["set"]))
    cells = {name: int(table.loc[table["set"] == name, "n"].max()) for name in sets}
    words = [f"{name}: {cells[name]:,} test cells, {_seeds(table, name)}" for name in sets]
    table = pd.concat([table[table["set"] == name] for name in sets])
    return page(
        table, title="What each representation keeps and loses",
        note=f"Fitted on training cells without the panel's genes, judged on test cells. "
        f"{'; '.join(words)}. Best at the top by the first panel.",
    )  # fmt: skip


def _seeds(table: pd.DataFrame, name: str) -> str:
    """How many seeds, and which representations have fewer."""
    seeds = table[table["set"] == name].groupby("representation", sort=True)["seeds"].max()
    most = int(seeds.max())
    fewer = [f"{key.removeprefix('X_')} {n}" for key, n in seeds.items() if n < most]
    return f"{most} seeds" + (f" ({', '.join(fewer)})" if fewer else "")
