"""Encoders by name: features of one side in, hidden state out. One file each."""

from __future__ import annotations

from typing import Protocol

from torch import nn

from representations.family import Family


class EncoderFactory(Protocol):
    """Builds an encoder of ``in_dim`` features; the module has an ``out_dim`` attribute."""

    def __call__(self, in_dim: int, *, width: int, depth: int, dropout: float) -> nn.Module:
        """Build an encoder."""
        ...


encoders: Family[EncoderFactory] = Family("encoder", package="clip_align.encoders")


def takes_missing(name: str) -> bool:
    """Whether the encoder of that name reads rows with NaN for what was not measured.

    One that does says so by an attribute ``takes_missing``.
    """
    return bool(getattr(encoders.get(name), "takes_missing", False))


def reads_descriptions(name: str) -> bool:
    """Whether the encoder of that name reads what describes its features.

    One that does says so by an attribute ``reads_descriptions``, and takes their number as
    ``described``.
    """
    return bool(getattr(encoders.get(name), "reads_descriptions", False))
