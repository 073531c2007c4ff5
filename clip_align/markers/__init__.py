"""Marker panels, antibody names and marker profiles."""

from hashlib import sha256
from importlib.resources import files

from clip_align.markers.ancestry import ancestry, markers_under
from clip_align.markers.antibodies import (
    Antibody,
    antibodies,
    find_antibody,
    resolve_antibodies,
    resolve_antibody,
)
from clip_align.markers.columns import protein_remarks
from clip_align.markers.hierarchy import Hierarchy, Node, load_hierarchy
from clip_align.markers.normalise import clr, log_normalise
from clip_align.markers.panel import Marker, Panel, load_panel
from clip_align.markers.profile import available_markers, marker_genes, marker_profile

TABLES = ("antibodies.csv", "hierarchy.csv", "immune158.csv")


def tables_revision() -> str:
    """Hash of the committed tables: they decide which markers there are and which genes leave."""
    folder = files("clip_align") / "markers"
    return sha256(b"".join((folder / name).read_bytes() for name in TABLES)).hexdigest()[:12]


__all__ = [
    "TABLES",
    "Antibody",
    "Hierarchy",
    "Marker",
    "Node",
    "Panel",
    "ancestry",
    "antibodies",
    "available_markers",
    "clr",
    "find_antibody",
    "load_hierarchy",
    "load_panel",
    "log_normalise",
    "marker_genes",
    "marker_profile",
    "markers_under",
    "protein_remarks",
    "resolve_antibodies",
    "resolve_antibody",
    "tables_revision",
]
