"""``python -m clip_align annotate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
from tyro.conf import arg

from clip_align.arguments import Query, RunFolder
from representations.console import say_remarks
from representations.keys import Obs

Out = Annotated[Path, arg(aliases=["-o"], metavar="OUT")]


def annotate(
    run: RunFolder,
    query: Query,
    /,
    *,
    out: Out,
    coverage: float | None = None,
    min_genes: int | None = None,
    overwrite: bool = False,
) -> None:
    """Name the cell types of a file with an annotation run, or say unknown and why.

    Args:
        run: Folder of an annotation run.
        query: Gene symbols or Ensembl ids, raw or log-normalised counts.
        out: The query with types and embeddings (.h5ad), or a table of the types (.csv).
        coverage: Nominal share of cells that are typical and have their true type among those of
            obs["scimilarity_types"]; by default the run's.
        min_genes: Genes of the model that the query must have; by default as in training.
        overwrite: Replace a file that is there.
    """
    from clip_align.scimilarity.annotate import (
        annotate_file,
    )  # brings torch: other commands do not wait

    table, remarks = annotate_file(
        run, query, out, coverage=coverage, min_genes=min_genes, overwrite=overwrite
    )
    say_remarks(remarks)
    print(summary(table))
    print(f"{out}: written")


def summary(table: pd.DataFrame) -> str:
    """How many cells have each type, and how many none, by reason."""
    named = table[Obs.SCIMILARITY_REASON] == ""
    types = table[Obs.SCIMILARITY_CELL_TYPE][named]
    unknown = table[Obs.SCIMILARITY_REASON][~named]
    told = f"{len(table):,} cells: {_counted(types) or 'none named'}"
    return f"{told}; {len(unknown):,} unknown{f' ({_counted(unknown)})' if len(unknown) else ''}"


def _counted(names: pd.Series) -> str:
    """Each name with how often it occurs, the most frequent first."""
    count = names.astype(str).value_counts(sort=False).sort_index()
    return ", ".join(
        f"{n:,} {name}" for name, n in count.sort_values(ascending=False, kind="stable").items()
    )
