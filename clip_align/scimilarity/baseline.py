"""Logistic regression of the frozen encoder's embeddings: what a run must be better than.

It is trained and calibrated on the cells of the run, and kept in its folder, so that both can be
asked of the same cells.

Shapes: ``n`` cells, ``e`` embedding dimensions, ``t`` types.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.torch import load, save
from sklearn.pipeline import Pipeline
from torch import Tensor

from clip_align.documents import line
from clip_align.scimilarity.calibration import fit_temperature
from clip_align.scimilarity.heads.linear import LinearHead
from clip_align.scimilarity.probabilities import check_temperature, softmax
from clip_align.scimilarity.probe import macro_f1, start_at
from representations.errors import InputError

BASELINE: Final = "baseline.safetensors"
NAME: Final = "frozen+logreg"  # as the benchmark's tables call it


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """A linear head on frozen embeddings, and the temperature of its probabilities."""

    head: LinearHead
    temperature: float

    @classmethod
    def of(cls, probe: Pipeline, z_he: Tensor, type_h: Tensor, n_types: int) -> Baseline:
        """A fitted logistic regression, calibrated on held-out cells."""
        head = LinearHead(z_he.shape[1], n_types).requires_grad_(False)
        start_at(head, probe)
        return cls(head=head, temperature=fit_temperature(head(z_he).numpy(), type_h.numpy()))

    def probabilities(self, z_ne: np.ndarray) -> np.ndarray:
        """Calibrated, ``(n, t)``, of embeddings by the frozen encoder."""
        return softmax(self.head(torch.from_numpy(z_ne)).numpy(), self.temperature)

    def macro_f1(self, z_ne: np.ndarray, type_n: np.ndarray) -> float:
        """Of the likeliest types of these cells."""
        return macro_f1(type_n, self.probabilities(z_ne).argmax(axis=1))

    def content(self) -> bytes:
        """The file's."""
        temperature = torch.tensor(self.temperature, dtype=torch.float64)
        return save({**self.head.state_dict(), "temperature": temperature})


def read_baseline(path: Path, latent: int, n_types: int) -> Baseline:
    """What :meth:`Baseline.content` gave; ``InputError`` naming the file where it does not fit."""
    try:
        tensors = load(path.read_bytes())
        temperature = float(tensors.pop("temperature"))
        check_temperature(temperature)
        head = LinearHead(latent, n_types).requires_grad_(False)
        head.load_state_dict(tensors)
    except Exception as error:  # readers of weights raise many kinds
        raise InputError(f"{path}: damaged, or not of this run ({line(error)})") from error
    return Baseline(head=head, temperature=temperature)
