"""Weak links: markers and the genes that code for them, where these are shown."""

from __future__ import annotations

from benchmarks.matchers.base import Lesson
from benchmarks.tasks import NotRun
from clip_align.markers import marker_genes

REMEDY = "make matchers has a place for it"


def links(lesson: Lesson, name: str) -> list[tuple[str, str]]:
    """Pairs of a marker and a gene of its target that the query shows; ``NotRun`` for none."""
    shown = set(lesson.query.var_names)
    found = [
        (marker, gene)
        for marker in lesson.markers
        for gene in marker_genes([marker], lesson.view)
        if gene in shown
    ]
    if not found:
        raise NotRun(
            f"{name} links a marker to its own gene, and these are removed from the cell side: "
            "it can run with panel_genes=kept alone"
        )
    return found
