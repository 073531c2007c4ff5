"""Task ``align_rna``: a cell against its own expression of the panel's genes, for RNA-only data."""

from __future__ import annotations

from benchmarks.alignment import AlignmentTask
from benchmarks.tasks import tasks


@tasks.register("align_rna")
class AlignRna(AlignmentTask):
    """Marker profiles are log-normalised counts of the ``immune158`` genes both data sets have."""

    view = "rna"
