"""Task ``align_adt``: a cell against its measured antibodies, those both data sets have."""

from __future__ import annotations

from benchmarks.alignment import AlignmentTask
from benchmarks.tasks import tasks


@tasks.register("align_adt")
class AlignAdt(AlignmentTask):
    """Marker profiles are CLR-normalised antibody counts."""

    view = "adt"
