"""Cells of several studies, and which of them are a triplet.

Shapes: ``n`` cells, ``k`` genes that some study measures, ``s`` studies, ``b`` cells of a batch,
``t`` types.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from clip_align.scimilarity.cells import tensor
from clip_align.scimilarity.ontology import related


@dataclass(frozen=True, kw_only=True)
class Atlas:
    """Log-normalised cells ``(n, k)``, with a Cell Ontology id and a study each.

    ``genes_k`` are positions in the gene order of the model, ``measured_sk`` says which of them
    each study has.
    """

    x_nk: sp.csr_matrix
    genes_k: np.ndarray
    types: tuple[str, ...]
    type_n: Tensor
    study_n: Tensor
    measured_sk: Tensor

    def __len__(self) -> int:
        return len(self.type_n)

    def rows(self, index_n: np.ndarray) -> Atlas:
        """Some of the cells, types and studies numbered as before."""
        at = torch.from_numpy(index_n)
        return replace(
            self, x_nk=self.x_nk[index_n], type_n=self.type_n[at], study_n=self.study_n[at]
        )

    def cells(self, index_b: Tensor) -> Tensor:
        """Expression ``(b, k)``, dense."""
        return tensor(self.x_nk[index_b.numpy()])

    @cached_property
    def weight_n(self) -> Tensor:
        """Chance of each cell to be drawn: each type of a study by the root of its size."""
        group_n = self.type_n * len(self.measured_sk) + self.study_n
        _, group_n, size = torch.unique(group_n, return_inverse=True, return_counts=True)
        weight_n: Tensor = size[group_n].double().rsqrt()
        return weight_n

    @cached_property
    def _related_tt(self) -> Tensor:
        return torch.tensor([[related(a, b) for b in self.types] for a in self.types])

    @cached_property
    def _shared_t(self) -> Tensor:
        """Types that more than one study has."""
        pairs = torch.unique(torch.stack([self.type_n, self.study_n]), dim=1)
        return torch.bincount(pairs[0], minlength=len(self.types)) > 1

    def masks(self, index_b: Tensor) -> tuple[Tensor, Tensor]:
        """Positives and negatives ``(b, b)`` of each cell.

        Positives are of the same type and another study, or of the same one where no other has
        the type; negatives of a type that neither contains the cell's nor is in it.
        """
        type_b, study_b = self.type_n[index_b], self.study_n[index_b]
        same_bb = type_b[:, None] == type_b[None]
        apart_bb = (study_b[:, None] != study_b[None]) | ~self._shared_t[type_b][:, None]
        self_bb = index_b[:, None] == index_b[None]
        return same_bb & apart_bb & ~self_bb, ~self._related_tt[type_b][:, type_b]

    def squared_error(self, index_b: Tensor, x_bk: Tensor, rebuilt_bk: Tensor) -> Tensor:
        """Mean over all values that the studies of the cells measure."""
        there_bk = self.measured_sk[self.study_n[index_b]]
        return ((rebuilt_bk - x_bk).square() * there_bk).sum() / there_bk.sum()

    def squared_errors(self, index_b: Tensor, x_bk: Tensor, rebuilt_bk: Tensor) -> Tensor:
        """The same of each cell ``(b,)``."""
        there_bk = self.measured_sk[self.study_n[index_b]]
        sum_b = ((rebuilt_bk - x_bk).square() * there_bk).sum(dim=1)
        return sum_b / there_bk.sum(dim=1)
