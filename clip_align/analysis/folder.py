"""An analysis as a folder: tables, figures, one page; all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from clip_align.analysis.figures import confusion_figure, distance_figure, pairs_figure
from clip_align.analysis.marker_figures import marker_space_figure, telling_figure
from clip_align.analysis.marker_space import square
from clip_align.analysis.page import page
from clip_align.analysis.whole import Analysis
from representations.io import atomic_path, atomic_write
from representations.staging import staged

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "report.md"
TABLES = (
    "summary.csv", "confusion.csv", "pairs.csv", "telling_markers.csv", "wrong_partners.csv",
    "marker_space.csv", "named_markers.csv", "ontology_distance.csv", "mean_distance.csv",
)  # fmt: skip
FIGURES = (
    "confusion.png", "pairs.png", "telling_markers.png", "marker_space.png",
    "ontology_distance.png",
)  # fmt: skip
FILES = (PAGE, *TABLES, *FIGURES)


def write(
    found: Analysis, folder: str | Path, *, title: str, about: Sequence[str] = ()
) -> list[Path]:
    """Write ``FILES`` into ``folder``, those that say something; returns their paths, page first.

    The files of an earlier analysis are replaced once all of this one are made; one that this
    analysis does not have is taken away. ``about`` are lines said first on the page.

    Raises
    ------
    InputError
        The disk is full or the folder cannot be written; it is then as it was.
    """
    folder = Path(folder)
    with staged(folder, FILES) as staging:
        for name, table in tables(found).items():
            text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
            atomic_write(staging / name, text)
        for name, figure in _figures(found):
            with atomic_path(staging / name) as partial:
                figure.savefig(
                    partial, format="png", dpi=150, facecolor="white", metadata={"Software": None}
                )
        atomic_write(staging / PAGE, page(found, title=title, about=about))
    return [folder / name for name in FILES if (folder / name).exists()]


def tables(found: Analysis) -> dict[str, pd.DataFrame]:
    """Tables by the name of their file, without those that have nothing to say."""
    given = (
        found.summary, found.confusion, found.pairs, found.telling, found.wrong, found.markers,
        found.named, found.distance, found.mean_distance,
    )  # fmt: skip
    pairs = zip(TABLES, given, strict=True)
    return {name: table for name, table in pairs if table is not None and len(table)}


def _figures(found: Analysis) -> Iterator[tuple[str, Figure]]:
    yield "confusion.png", confusion_figure(found.confusion, found.order)
    if len(found.pairs):
        yield "pairs.png", pairs_figure(found.pairs)
        yield "telling_markers.png", telling_figure(found.telling)
    if len(square(found.markers, "cosine")) > 1:  # fewer markers vary
        yield "marker_space.png", marker_space_figure(found.markers, found.named)
    if found.distance is not None and found.mean_distance is not None:
        yield "ontology_distance.png", distance_figure(found.distance, found.mean_distance)
