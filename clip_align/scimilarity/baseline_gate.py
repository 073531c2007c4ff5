"""The gate of what a run is compared with: it must be of the frozen encoder.

Apart from the baseline itself: who annotates needs no adapters, whose library takes seconds to
import. Shapes: ``k`` known cells, ``e`` embedding dimensions, ``t`` types.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline

from clip_align.scimilarity.baseline import Baseline
from clip_align.scimilarity.network import Encoder, embed
from clip_align.scimilarity.sanity import Gate
from clip_align.scimilarity.tune import Labelled
from representations.threads import one_blas_thread

SAME_WITHIN: Final = 0.01  # of the cross-entropy: a fit ends where its gradient is small, not zero


def baseline_gate(baseline: Baseline, probe: Pipeline, frozen: Encoder, known: Labelled) -> Gate:
    """Of the cells it learnt from it must say what a fit on their frozen embeddings says.

    By their cross-entropy, which is flat where a fit ends: rounding moves a single probability by
    hundredths.
    """
    z_ke, type_k = embed(frozen, known.x_nk).numpy(), known.type_n.numpy()
    with one_blas_thread():
        again = clone(probe).fit(z_ke, type_k)
    plain = replace(baseline, temperature=1.0)
    now, then = (
        float(log_loss(type_k, p_kt, labels=again.classes_))
        for p_kt in (plain.probabilities(z_ke)[:, again.classes_], again.predict_proba(z_ke))
    )
    return Gate(
        name="what it is compared with is of the frozen encoder",
        passed=abs(now - then) <= SAME_WITHIN * then, value=now,
        must=f"within {SAME_WITHIN:.0%} of the {then:.7g} of a fit on its embeddings",
    )  # fmt: skip
