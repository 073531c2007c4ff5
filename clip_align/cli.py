"""``python -m clip_align``: parse, call one function, say what happened."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import AvoidSubcommands, FlagCreatePairsOff, Positional, arg

from clip_align.adapt_cli import adapt
from clip_align.analysis.whole import MOST_CELLS
from clip_align.annotate_cli import annotate
from clip_align.arguments import Data, OutFile, OutFolder, Query, ReportFolder, RunFolder
from clip_align.config import PLAIN, TrainConfig, bases
from clip_align.embed import embed_file
from clip_align.marker_side import RunView
from clip_align.monitor import MonitorConfig
from clip_align.monitor_layout import TAB
from clip_align.query import query_file
from clip_align.report_file import report_file
from clip_align.train import CollapseError
from clip_align.train_file import FileTraining, train_file
from representations.base import Statistics
from representations.console import say_remarks
from representations.coverage import MIN_GENE_SHARE, min_gene_share

PRINTED = 20  # cells of a table that is not written
COLLAPSED = 3  # exit code


def _train(base: TrainConfig) -> Callable[..., int]:
    """The command with its defaults."""

    def train(
        data: Data,
        /,
        *,
        out: OutFolder,
        representation: str = "pca",
        view: RunView = "adt",
        keep_panel_genes: bool = False,
        protein_embedding: Path | None = None,
        validation_share: float = 0.15,
        fail_on_collapse: bool = False,
        overwrite: bool = False,
        train: TrainConfig = base,
        monitor: MonitorConfig = MonitorConfig(),  # noqa: B008 - frozen
    ) -> int:
        """Train an alignment of cells and markers; write a run folder.

        Args:
            data: Raw counts in X; obsm["protein"], obs["cell_type"], obs["donor"] where known.
            out: Folder of the run.
            representation: Cell features by name, such as pca or diffmap.
            view: Marker profile: antibodies (adt), the genes of the panel (rna), or both, for a
                run that takes any panel.
            keep_panel_genes: Let the cell side read the genes of the markers.
            protein_embedding: Numbers by gene symbol (.npz, .csv, .tsv) that describe markers too,
                with --view both.
            validation_share: Share of the cells, or of the donors, that chooses the epoch.
            fail_on_collapse: End with exit code 3 where the embeddings are seen to collapse.
            overwrite: Replace a finished run.
            train: How to train; what is not said follows from --train.model.name.
            monitor: What TensorBoard shows.
        """
        plan = FileTraining(
            representation=representation,
            view=view,
            keep_panel_genes=keep_panel_genes,
            protein_embedding=protein_embedding,
            validation_share=validation_share,
            train=train,
            monitor=monitor,
            fail_on_collapse=fail_on_collapse,
        )
        try:
            trained = train_file(data, out, plan, overwrite=overwrite, say=_note)
        except CollapseError as error:
            _note(f"error: {out}: {error}; see it with tensorboard --logdir {out}")
            return COLLAPSED
        best, n = trained.history[trained.best_epoch], trained.n_validation
        print(
            f"{out}: best of {len(trained.history)} epochs is {trained.best_epoch + 1}, validation "
            f"pair accuracy {best['val/pair_accuracy']:.3f} (chance 0.5), recall@10 "
            f"{best['val/recall@10']:.3f} (chance {min(10 / n, 1):.3f}) among {n} cells "
            f"({trained.seconds:.0f} s)"
        )
        print(f"tensorboard --logdir {out}   # then open http://localhost:6006/{TAB}")
        return 0

    return train


def embed(
    run: RunFolder,
    query: Query,
    /,
    *,
    out: OutFile,
    statistics: Statistics = "train",
    least_genes: Annotated[float, arg(name="min-gene-share")] = MIN_GENE_SHARE,
    overwrite: bool = False,
) -> None:
    """Embed the cells of a file with a trained run; write them to another file.

    Args:
        run: Folder of a run.
        query: Gene symbols or Ensembl ids, raw or log-normalised counts.
        out: File to write: the query with embeddings and cell types.
        statistics: Scales of training, or the query's own: helps across laboratories.
        least_genes: Share of the genes of the fit that the query must have.
        overwrite: Replace a file that is there.
    """
    with min_gene_share(least_genes):
        remarks = embed_file(run, query, out, statistics=statistics, overwrite=overwrite)
    say_remarks(remarks)
    print(f"{out}: written")


def report(
    run: RunFolder,
    query: Query,
    /,
    *,
    out: ReportFolder,
    statistics: Statistics = "train",
    most_cells: int = MOST_CELLS,
    least_genes: Annotated[float, arg(name="min-gene-share")] = MIN_GENE_SHARE,
    overwrite: bool = False,
) -> None:
    """Say where a trained run goes wrong on labelled cells: tables, figures, a page.

    Args:
        run: Folder of a run.
        query: Counts, obsm["protein"], obs["cell_type"]; ontology ids where known.
        out: Folder for report.md, tables (.csv) and figures (.png).
        statistics: Scales of training, or the query's own: helps across laboratories.
        most_cells: Size of the pool; of more cells, a sample within each type.
        least_genes: Share of the genes of the fit that the query must have.
        overwrite: Replace a report that was written there.
    """
    with min_gene_share(least_genes):
        written = report_file(
            run, query, out, statistics=statistics, most_cells=most_cells, overwrite=overwrite,
            say=_note,
        )  # fmt: skip
    for path in written:
        print(path)


def query(
    run: RunFolder,
    gate: Annotated[Positional[str], arg(metavar="GATE")],
    data: Query,
    /,
    *,
    out: Annotated[Path | None, arg(aliases=["-o"], metavar="OUT")] = None,
    top: int | None = None,
    statistics: Statistics = "train",
    least_genes: Annotated[float, arg(name="min-gene-share")] = MIN_GENE_SHARE,
    overwrite: bool = False,
) -> None:
    """Rank the cells of a file by a gating phrase, on their RNA alone.

    Args:
        run: Folder of a run.
        gate: Markers with + - hi lo int, such as "CD3+ CD4+ CD8- CD45RA+".
        data: Gene symbols or Ensembl ids, raw or log-normalised counts.
        out: Table (.csv), or the file with obs["clip_query_score"] (.h5ad); without, it is printed.
        top: So many cells of the table; all in a file, 20 where it is printed.
        statistics: Scales of training, or the query's own: helps across laboratories.
        least_genes: Share of the genes of the fit that the query must have.
        overwrite: Replace a file that is there.
    """
    shown = PRINTED if out is None and top is None else top
    with min_gene_share(least_genes):
        table, remarks = query_file(
            run, gate, data, out, top=shown, statistics=statistics, overwrite=overwrite
        )
    say_remarks(remarks)
    print(table.to_string(float_format="%.3f") if out is None else f"{out}: written")


def commands(args: Sequence[str]) -> dict[str, Callable[..., Any]]:
    """Every command; ``train`` has the defaults of the model that ``args`` name."""
    chosen = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    chosen.add_argument("--train.model.name", dest="name", nargs="?", default=PLAIN)
    name = chosen.parse_known_args(list(args))[0].name or PLAIN
    return {
        "train": _train(bases.get(name)), "adapt": adapt, "embed": embed, "report": report,
        "query": query, "annotate": annotate,
    }  # fmt: skip


def main(args: Sequence[str] | None = None) -> int | None:
    """Run one command; without arguments, print the help. Returns its exit code."""
    given = sys.argv[1:] if args is None else list(args)
    code: int | None = tyro.extras.subcommand_cli_from_dict(
        commands(given),
        prog="python -m clip_align",
        description="Align single-cell states with marker proteins.",
        args=given or ["--help"],
        config=(FlagCreatePairsOff, AvoidSubcommands),
    )
    return code


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
