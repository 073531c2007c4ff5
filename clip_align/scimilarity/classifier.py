"""What annotates new cells: a tuned encoder with its head, calibrated, and what it was made of.

Shapes: ``n`` cells, ``e`` embedding dimensions, ``t`` types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from clip_align.scimilarity.conformal import Conformal
from clip_align.scimilarity.network import Encoder
from clip_align.scimilarity.probabilities import softmax
from clip_align.scimilarity.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """Encoder over the genes of the source model with adapters merged, head, and calibration.

    ``terms`` are Cell Ontology ids of ``types``, "" where none is known. ``about`` says what it was
    trained on and from.
    """

    encoder: Encoder
    head: nn.Module
    genes: tuple[str, ...]
    types: tuple[str, ...]
    terms: tuple[str, ...]
    temperature: float
    abstention: Conformal
    about: Mapping[str, Any] = field(default_factory=dict)

    def lacks(self, n_here: int) -> str:
        """A remark where cells measure fewer of the model's genes than its training; else ""."""
        if n_here >= (before := self.about.get("n_genes", 0)):
            return ""
        return f"{n_here} genes of the model are measured, {before} were in training"

    @torch.no_grad()
    def probabilities(self, z_ne: np.ndarray) -> np.ndarray:
        """Calibrated, ``(n, t)``, of embeddings."""
        logit_nt = self.head(torch.from_numpy(z_ne)).numpy()
        return softmax(logit_nt, self.temperature)

    def judge(self, z_ne: np.ndarray, *, alpha: float | None = None) -> tuple[np.ndarray, Verdict]:
        """Probabilities and what may be said, at the coverage of the training unless told."""
        p_nt = self.probabilities(z_ne)
        abstention = self.abstention if alpha is None else replace(self.abstention, alpha=alpha)
        return p_nt, abstention.apply(p_nt, z_ne)
