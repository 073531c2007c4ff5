"""Temperature and abstention of a tuned classifier, by cells that it did not learn from.

Apart from the classifier: who annotates needs no adapters, whose library takes seconds to import.

Shapes: ``h`` held-out cells, ``k`` known ones, ``e`` embedding dimensions, ``t`` types.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clip_align.scimilarity.calibration import fit_temperature
from clip_align.scimilarity.conformal import ALPHA, Conformal
from clip_align.scimilarity.probabilities import softmax
from clip_align.scimilarity.tune import Labelled, Tuned


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Temperature and thresholds by held-out cells."""

    temperature: float
    abstention: Conformal


def calibrate(
    tuned: Tuned, known: Labelled, held: Labelled, *, alpha: float = ALPHA
) -> Calibration:
    """Fit the temperature and the abstention of a tuned classifier on held-out cells."""
    z_he, z_ke = tuned.embed(held.x_nk), tuned.embed(known.x_nk)
    type_h, logit_ht = held.type_n.numpy(), tuned.logits(z_he).numpy()
    temperature = fit_temperature(logit_ht, type_h)
    abstention = Conformal.fit(
        softmax(logit_ht, temperature), type_h, z_he.numpy(), z_ke.numpy(), alpha=alpha,
        rng=np.random.default_rng(tuned.config.seed),
    )  # fmt: skip
    return Calibration(temperature=temperature, abstention=abstention)
