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
from clip_align.markers.descriptions import Courses
from clip_align.markers.profile import View
from clip_align.markers.two_views import BOTH, VIEWS, MarkerColumns, measured
from clip_align.models import DiffMapProteinCLIP
from clip_align.pairs import match_moments, standardised
from clip_align.unknown_markers import with_markers
from representations.base import Statistics
from representations.errors import InputError


def query_profiles(
    clean: AnnData, run: Run, statistics: Statistics, remarks: list[str]
) -> np.ndarray:
    """Marker profiles ``(n, m)`` of prepared cells over the markers of the run, as it reads them.

    NaN where a marker is not measured and the run takes that; ``InputError`` where it does not.
    """
    if run.panel.view == BOTH:
        return _of_both(clean, run, MarkerColumns(()), statistics, remarks)
    view, markers = cast(View, run.panel.view), run.panel.markers
    known = set(available_markers(clean, view)) if view == "adt" else set(clean.var_names)
    _say_missing(run, [marker for marker in markers if marker not in known], remarks)
    # CLR over those that are there: what the model met in training, where panels were thinned.
    there = [marker for marker in markers if marker in known]
    profile = marker_profile(clean, view=view, markers=there)
    return _scaled(profile.reindex(columns=list(markers)).to_numpy(), run, statistics)


def with_unknown(
    clean: AnnData, run: Run, statistics: Statistics, remarks: list[str]
) -> tuple[DiffMapProteinCLIP, np.ndarray]:
    """A model and profiles over the markers of the run and those of the query that it never met.

    These enter by what is known of their genes, in units of the query's own: with other
    ``statistics``, or where nothing is known, they are left out, which is said.
    """
    if run.course_gd is None:
        return run.model, query_profiles(clean, run, statistics, remarks)
    courses = dict(zip(run.panel.described, run.course_gd, strict=True))
    new = _new(clean, run, statistics, courses, remarks)
    profile_nm = _of_both(clean, run, new, statistics, remarks)
    if not len(new):
        return run.model, profile_nm
    told_kc = new.facts(courses, run.course_gd.shape[1]).description_mc
    return with_markers(run.model, told_kc), profile_nm


def _new(
    clean: AnnData, run: Run, statistics: Statistics, courses: Courses, remarks: list[str]
) -> MarkerColumns:
    """Markers of the query that the run never met and can read."""
    columns = MarkerColumns.named(run.panel.markers)
    every = columns.with_new([(view, name) for view in VIEWS for name in measured(clean, view)])
    new = every.columns[len(columns) :]
    read = MarkerColumns(tuple(x for x in new if set(MarkerColumns((x,)).genes()) & set(courses)))
    dark = MarkerColumns(tuple(x for x in new if x not in read.columns))
    if statistics != "own":
        if new:
            names = ", ".join(MarkerColumns(new).names)
            remarks.append(
                f"markers that the run never met ({names}): left out; statistics=own reads them"
            )
        return MarkerColumns(())
    for part, why in ((read, "read by what it knows of their genes"),
                      (dark, "left out, it knows nothing of their genes")):  # fmt: skip
        if len(part):
            remarks.append(f"markers that the run never met ({', '.join(part.names)}): {why}")
    return read


def _of_both(
    clean: AnnData, run: Run, new: MarkerColumns, statistics: Statistics, remarks: list[str]
) -> np.ndarray:
    """Profiles ``(n, m + k)``: one CLR over all antibodies that are asked by."""
    markers = run.panel.markers
    every = MarkerColumns.named(markers).with_new(new.columns)
    profile_nm = every.profile(clean)
    known_nm, new_nk = profile_nm[:, : len(markers)], profile_nm[:, len(markers) :]
    missing_m = np.isnan(known_nm).all(axis=0)
    missing = [markers[i] for i in np.flatnonzero(missing_m)]
    _say_missing(run, missing, remarks, others=new_nk.shape[1])
    return np.concatenate([_scaled(known_nm, run, statistics), standardised(new_nk)], axis=1)


def _scaled(profile_nm: np.ndarray, run: Run, statistics: Statistics) -> np.ndarray:
    """In the units of the training, or brought to them from the query's own."""
    if statistics != "own":
        return profile_nm
    scaler = run.model.marker.standardise
    return match_moments(profile_nm, scaler.mean_d.numpy(), scaler.std_d.numpy())


def _say_missing(run: Run, missing: list[str], remarks: list[str], *, others: int = 0) -> None:
    """A remark, or ``InputError`` where the run takes no missing ones or has nothing left.

    ``others`` are markers that it reads beside its own.
    """
    if not missing:
        return
    n = len(run.panel.markers)
    lack = f"{len(missing)} of the run's {n} markers are not measured"
    if (len(missing) == n and not others) or not takes_missing(run.config.model.marker.encoder):
        raise InputError(f"{lack} ({few(missing)})")
    remarks.append(f"{lack}: left out ({', '.join(missing)})")
