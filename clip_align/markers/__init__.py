"""Marker panels, antibody names and marker profiles."""

from clip_align.markers.antibodies import (
    Antibody,
    antibodies,
    resolve_antibodies,
    resolve_antibody,
)
from clip_align.markers.hierarchy import Hierarchy, Node, load_hierarchy
from clip_align.markers.normalise import clr, log_normalise
from clip_align.markers.panel import Marker, Panel, load_panel
from clip_align.markers.profile import available_markers, marker_genes, marker_profile

__all__ = [
    "Antibody",
    "Hierarchy",
    "Marker",
    "Node",
    "Panel",
    "antibodies",
    "available_markers",
    "clr",
    "load_hierarchy",
    "load_panel",
    "log_normalise",
    "marker_genes",
    "marker_profile",
    "resolve_antibodies",
    "resolve_antibody",
]
