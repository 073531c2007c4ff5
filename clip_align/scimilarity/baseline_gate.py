"""The gate of what a run is compared with: it must be of the frozen encoder.

Apart from the baseline itself: who annotates needs no adapters, whose library takes seconds to
import. Shapes: ``h`` held-out cells, ``k`` known ones, ``e`` embedding dimensions, ``t`` types.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from clip_align.scimilarity.baseline import Baseline
from clip_align.scimilarity.network import Encoder, embed
from clip_align.scimilarity.sanity import Gate
from clip_align.scimilarity.tune import Labelled

SAME_WITHIN: Final = 1e-3  # of probabilities: a fit ends where its gradient is small, not zero


def baseline_gate(
    baseline: Baseline, probe: Pipeline, frozen: Encoder, known: Labelled, held: Labelled
) -> Gate:
    """Fitted again on embeddings by the frozen encoder, it must say the same of held-out cells."""
    z_ke, z_he = embed(frozen, known.x_nk).numpy(), embed(frozen, held.x_nk).numpy()
    again = clone(probe).fit(z_ke, known.type_n.numpy())
    p_ht = replace(baseline, temperature=1.0).probabilities(z_he)[:, again.classes_]
    off = float(np.abs(p_ht - again.predict_proba(z_he)).max())
    return Gate(
        name="what it is compared with is of the frozen encoder", passed=off <= SAME_WITHIN,
        value=off, must=f"at most {SAME_WITHIN:g}",
    )  # fmt: skip
