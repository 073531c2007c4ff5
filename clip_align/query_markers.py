"""The marker side of a query as a run reads it, markers that it never met too.

Shapes: ``n`` cells, ``m`` markers.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from anndata import AnnData

from clip_align.checkpoint import Run
from clip_align.encoders import takes_missing
from clip_align.markers import available_markers, marker_profile
from clip_align.markers.columns import few
from clip_align.markers.profile import View
from clip_align.markers.two_views import BOTH, VIEWS, MarkerColumns, in_own_units, measured
from clip_align.models import DiffMapProteinCLIP
from clip_align.pairs import match_moments
from clip_align.unknown_markers import with_markers
from representations.base import Statistics
from representations.errors import InputError


def query_profiles(
    clean: AnnData, run: Run, statistics: Statistics, remarks: list[str]
) -> np.ndarray:
    """Marker profiles ``(n, m)`` of prepared cells over the markers of the run, as it reads them.

    NaN where a marker is not measured and the run takes that; ``InputError`` where it does not.
    """
    profile_nm = _profiles(clean, run, remarks)
    if statistics == "own":
        scaler = run.model.marker.standardise
        return match_moments(profile_nm, scaler.mean_d.numpy(), scaler.std_d.numpy())
    return profile_nm


def with_unknown(
    clean: AnnData, run: Run, statistics: Statistics, remarks: list[str]
) -> tuple[DiffMapProteinCLIP, np.ndarray]:
    """A model and profiles over the markers of the run and those of the query that it never met.

    These enter by what is known of their genes, in units of the query's own: with other
    ``statistics`` they are left out, which is said.
    """
    profile_nm = query_profiles(clean, run, statistics, remarks)
    if run.course_gd is None:
        return run.model, profile_nm
    columns = MarkerColumns.named(run.panel.markers)
    every = columns.with_new([(view, name) for view in VIEWS for name in measured(clean, view)])
    courses = dict(zip(run.panel.described, run.course_gd, strict=True))
    asked = every.columns[len(columns) :]
    new = MarkerColumns(tuple(x for x in asked if set(MarkerColumns((x,)).genes()) & set(courses)))
    if not len(new):
        return run.model, profile_nm
    names = f"markers that the run never met ({', '.join(new.names)})"
    if statistics != "own":
        remarks.append(f"{names}: left out; statistics=own reads them")
        return run.model, profile_nm
    remarks.append(f"{names}: read by what it knows of their genes")
    told_kc = new.facts(courses, run.course_gd.shape[1]).description_mc
    new_nk = in_own_units(every.profile(clean))[:, [every.columns.index(x) for x in new.columns]]
    return with_markers(run.model, told_kc), np.concatenate([profile_nm, new_nk], axis=1)


def _profiles(clean: AnnData, run: Run, remarks: list[str]) -> np.ndarray:
    """In the units of the training; what is missing is said."""
    markers = run.panel.markers
    if run.panel.view == BOTH:
        columns = MarkerColumns.named(markers)
        profile_nm = columns.profile(clean)
        missing_m = np.isnan(profile_nm).all(axis=0)
        _say_missing(run, [markers[i] for i in np.flatnonzero(missing_m)], remarks)
        return profile_nm
    view = cast(View, run.panel.view)
    known = set(available_markers(clean, view)) if view == "adt" else set(clean.var_names)
    _say_missing(run, [marker for marker in markers if marker not in known], remarks)
    # CLR over those that are there: what the model met in training, where panels were thinned.
    there = [marker for marker in markers if marker in known]
    profile = marker_profile(clean, view=view, markers=there)
    filled: np.ndarray = profile.reindex(columns=list(markers)).to_numpy()
    return filled


def _say_missing(run: Run, missing: list[str], remarks: list[str]) -> None:
    """A remark, or ``InputError`` where the run takes no missing ones or has nothing left."""
    if not missing:
        return
    n = len(run.panel.markers)
    lack = f"{len(missing)} of the run's {n} markers are not measured"
    if len(missing) == n or not takes_missing(run.config.model.marker.encoder):
        raise InputError(f"{lack} ({few(missing)})")
    remarks.append(f"{lack}: left out ({', '.join(missing)})")
