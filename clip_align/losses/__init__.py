"""Losses by name: a batch of aligned embeddings in, one scalar out. One file each.

Shapes: ``b`` pairs of a batch, ``e`` embedding dimensions, ``m`` markers, ``t`` cell types, ``h``
mined negatives of a pair.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from representations.errors import InputError
from representations.family import Family


@dataclass(frozen=True, kw_only=True)
class Mined:
    """Hard negatives of each pair: embeddings ``(b, h, e)`` of the other side, and which are there.

    ``marker_bhe`` for the cells, ``cell_bhe`` for the markers; ``there_bh`` is false for places
    that stayed empty. One counts as ``weight`` negatives of the batch.
    """

    marker_bhe: Tensor
    cell_bhe: Tensor
    there_bh: Tensor
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """Both sides of a batch on the unit sphere, and what a loss may know of its pairs.

    ``cell_be`` and ``marker_be`` are unit vectors, ``scale`` the logit scale: a scalar, or one for
    each pair. ``profile_bm`` are standardised marker profiles. ``type_b`` numbers cell types, -1
    for none, and ``kin_tt`` says how related two of them are, from 0 to 1 for a type and itself.
    """

    cell_be: Tensor
    marker_be: Tensor
    scale: Tensor
    profile_bm: Tensor | None = None
    type_b: Tensor | None = None
    kin_tt: Tensor | None = None
    mined: Mined | None = None

    def need(self, name: str) -> Tensor:
        """An optional field, or one line that says who would have to give it."""
        value: Tensor | None = getattr(self, name)
        if value is None:
            raise InputError(f"the loss reads {name}, which these pairs come without")
        return value


class Loss(nn.Module):
    """Mean over the batch, in nats. Options are keywords of ``__init__`` with a default each.

    ``needs`` names the optional fields of :class:`Aligned` without which it has no value; one that
    needs ``type_b`` reads labels.
    """

    needs: frozenset[str] = frozenset()

    def __init__(self) -> None:
        super().__init__()

    def forward(self, aligned: Aligned) -> Tensor:
        """Value of one batch, a scalar."""
        raise NotImplementedError


losses: Family[type[Loss]] = Family("loss", package="clip_align.losses")


def make_loss(name: str, options: Mapping[str, float] | None = None) -> Loss:
    """The loss of that name.

    Raises
    ------
    InputError
        An unknown name or option, or a value out of its range.
    """
    return losses.get(name)(**options_of(name, options))


def options_of(name: str, options: Mapping[str, float] | None = None) -> dict[str, float]:
    """Every option of a loss, those not given at their defaults; raises as :func:`make_loss`."""
    known = {
        key: parameter.default
        for key, parameter in inspect.signature(losses.get(name)).parameters.items()
    }
    if strangers := sorted(set(options or {}) - set(known)):
        raise InputError(
            f"loss {name!r} has no option {strangers[0]!r}; it has {', '.join(known) or 'none'}"
        )
    return known | dict(options or {})
