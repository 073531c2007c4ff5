"""Annotators by name: whatever learns cell types from labelled cells, one file a family."""

from __future__ import annotations

from benchmarks.annotators.base import (
    Annotator,
    Answer,
    Cells,
    Lesson,
    Option,
    annotators,
    create,
    names,
)

__all__ = ["Annotator", "Answer", "Cells", "Lesson", "Option", "annotators", "create", "names"]
