"""Command ``adapt``: learn cells of another laboratory from a trained run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from clip_align.adapt import AdaptConfig
from clip_align.adapt_file import adapt_file
from clip_align.arguments import OutFolder, Query, RunFolder
from representations.coverage import MIN_GENE_SHARE, min_gene_share


def adapt(
    run: RunFolder,
    query: Query,
    /,
    *,
    out: OutFolder,
    profiles: Path | None = None,
    known: Path | None = None,
    config: Annotated[AdaptConfig, arg(name="adapt")] = AdaptConfig(),  # noqa: B008 - frozen
    least_genes: Annotated[float, arg(name="min-gene-share")] = MIN_GENE_SHARE,
    overwrite: bool = False,
) -> None:
    """Learn cells of another laboratory from a trained run, cells and profiles apart.

    Args:
        run: Folder of a run of one view.
        query: Cells, and their markers too where --profiles is not given.
        out: Folder of a run of the query's own: for embed, report and query.
        profiles: Markers (.h5ad) of the same tissue, of these cells or of others.
        known: Paired cells (.h5ad) to learn beside, best those of the run; types are theirs.
        config: How to adapt.
        least_genes: Share of the genes of the fit that the query must have.
        overwrite: Replace a finished run.
    """
    with min_gene_share(least_genes):
        adapted = adapt_file(
            run, query, out, profiles=profiles, known=known, config=config, overwrite=overwrite,
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )  # fmt: skip
    told = adapted.provenance
    print(f"{out}: learnt {told['n_cells']} cells and {told['n_profiles']} profiles, unpaired")
    print(f"python -m clip_align embed {out} {query} -o out.h5ad")
