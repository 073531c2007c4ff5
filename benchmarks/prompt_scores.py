"""How near cells are to prompts, in the space of whatever was aligned.

A prompt is the mean of the reference profiles that it names, each embedded, as the command
``query`` has it. After adaptation the references are of the query's own profiles, unlabelled.

Shapes: ``n`` cells, ``m`` markers, ``r`` reference profiles, ``p`` prompts, ``e`` dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.baselines import Matcher
from clip_align.collapse import unit_rows
from clip_align.gating import GateReference
from clip_align.models import DiffMapProteinCLIP
from clip_align.pairs import PairedCells
from clip_align.query import Gate


def by_profiles(
    reference: GateReference, gates: Sequence[Gate], marker_nm: np.ndarray
) -> np.ndarray:
    """How far the measured markers of each cell meet each prompt, ``(n, p)``."""
    met = [reference.met(marker_nm, gate.columns, gate.states).mean(axis=1) for gate in gates]
    return np.stack(met, axis=1)


def by_model(
    model: DiffMapProteinCLIP | Matcher,
    reference: GateReference,
    gates: Sequence[Gate],
    test: PairedCells,
) -> np.ndarray:
    """Cosine ``(n, p)`` of a model, or similarity of a baseline with the mean profile."""
    share_pr = _shares(reference, gates)
    if not isinstance(model, DiffMapProteinCLIP):
        return np.asarray(model.similarity(test.cell_nd, share_pr @ reference.profile_rm))
    prompt_pe = unit_rows(share_pr @ model.embed_markers(reference.profile_rm))
    return np.asarray(model.embed_cells(test.cell_nd) @ prompt_pe.T)


def by_sides(
    cell_ne: np.ndarray,
    marker_ne: np.ndarray,
    reference: GateReference,
    gates: Sequence[Gate],
    marker_nm: np.ndarray,
) -> np.ndarray:
    """Cosine ``(n, p)`` where both sides of the query are embedded already.

    A reference profile then lies at the mean of those that are nearest to it.
    """
    nearest_n = reference.nearest(marker_nm)
    member_rn = np.eye(len(reference.profile_rm))[nearest_n].T
    profile_re = member_rn @ unit_rows(marker_ne) / member_rn.sum(axis=1, keepdims=True).clip(1)
    return np.asarray(unit_rows(cell_ne) @ unit_rows(_shares(reference, gates) @ profile_re).T)


def _shares(reference: GateReference, gates: Sequence[Gate]) -> np.ndarray:
    return np.stack([reference.weights(gate.columns, gate.states)[0] for gate in gates])
