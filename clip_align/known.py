"""What a loss may know of the pairs of one set beside their embeddings.

Shapes: ``n`` pairs, ``b`` of them in a batch, ``m`` markers, ``e`` embedding dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clip_align.kinship import Kinship
from clip_align.losses import Aligned, Mined
from clip_align.pairs import UNLABELLED, PairedCells


@dataclass(frozen=True, kw_only=True)
class Known:
    """Standardised profiles ``(n, m)``, numbers of types ``(n,)``, -1 for none, their kinship.

    ``lineage_n`` numbers lineages in the same way; None where no type's is known. A marker that was
    not measured is at its training mean here, where profiles are compared.
    """

    profile_nm: Tensor
    type_n: Tensor
    kin_tt: Tensor | None
    lineage_n: Tensor | None = None

    @classmethod
    def of(cls, pairs: PairedCells, profile_nm: Tensor, kinship: Kinship | None = None) -> Known:
        """Facts of ``pairs``; a type that the kinship does not name is kin to itself alone."""
        types_n, named = pairs.types_n.astype(str), kinship.names if kinship else ()
        names = (*named, *sorted(set(types_n.tolist()) - {*named, UNLABELLED}))
        number = {name: i for i, name in enumerate(names) if name != UNLABELLED}
        numbers = [number.get(name, -1) for name in types_n.tolist()]
        kin_tt = lineage_n = None
        if kinship is not None:
            kin_tt = torch.eye(len(names))
            kin_tt[: len(named), : len(named)] = torch.from_numpy(kinship.kin_tt)
            lineage_n = _lineages(types_n.tolist(), kinship)
        return cls(
            profile_nm=profile_nm.nan_to_num(), type_n=torch.tensor(numbers), kin_tt=kin_tt,
            lineage_n=lineage_n,
        )  # fmt: skip

    def aligned(
        self,
        cell_be: Tensor,
        marker_be: Tensor,
        scale: Tensor,
        index_b: Tensor | slice = slice(None),
        mined: Mined | None = None,
    ) -> Aligned:
        """A batch, rows ``index_b`` of the set."""
        return Aligned(
            cell_be=cell_be, marker_be=marker_be, scale=scale,
            profile_bm=self.profile_nm[index_b], type_b=self.type_n[index_b], kin_tt=self.kin_tt,
            mined=mined,
        )  # fmt: skip


def _lineages(types_n: list[str], kinship: Kinship) -> Tensor | None:
    """Number of the lineage of each pair's type, -1 for none."""
    of_type = {k: v for k, v in zip(kinship.names, kinship.lineages, strict=False) if v}
    number = {name: i for i, name in enumerate(sorted(set(of_type.values())))}
    found = [number[of_type[name]] if name in of_type else -1 for name in types_n]
    return torch.tensor(found) if number else None
