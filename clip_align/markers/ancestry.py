"""Which markers lie under which nodes of the hierarchy of cell types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from clip_align.markers.antibodies import resolve_antibody
from clip_align.markers.panel import Panel, load_panel
from clip_align.markers.profile import View


def markers_under(
    markers: Sequence[str], view: View, panel: Panel | None = None
) -> dict[str, tuple[str, ...]]:
    """Nodes that two or more of these markers have in common, and the markers under each.

    A marker's place is that of its first gene in the panel (``immune158`` when None); one without a
    gene there is under none. Of nodes that hold the same markers the lowest stands for all, and
    one that holds every marker says nothing.
    """
    panel = panel or load_panel()
    above = {marker: _path(marker, view, panel) for marker in markers}
    lowest = {}  # the table has a node before those under it: the last of equal ones is the lowest
    for node in panel.hierarchy.nodes:
        members = tuple(marker for marker in markers if node in above[marker])
        if 1 < len(members) < len(markers):
            lowest[members] = node
    return {node: members for members, node in lowest.items()}


def ancestry(markers: Sequence[str], under: Mapping[str, Sequence[str]]) -> np.ndarray:
    """Matrix ``(m, k)`` of :func:`markers_under`: 1 where a marker lies under a node."""
    rows = [[float(marker in members) for members in under.values()] for marker in markers]
    return np.array(rows, dtype=np.float32).reshape(len(markers), len(under))


def _path(marker: str, view: View, panel: Panel) -> tuple[str, ...]:
    genes = resolve_antibody(marker).genes if view == "adt" else (marker,)
    known = [gene for gene in genes if gene in panel.genes]
    return panel.ancestors(known[0]) if known else ()
