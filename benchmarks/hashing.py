"""Random numbers that belong to a name: :mod:`clip_align.hashing` under the name of before."""

from clip_align.hashing import named_uniforms

__all__ = ["named_uniforms"]
