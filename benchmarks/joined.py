"""Several training sets under one name, ``kang+pbmc3k``: sorted, each once."""

from __future__ import annotations

from hashlib import blake2b

from benchmarks import datasets
from representations.errors import InputError

JOINT = "+"


def members(name: str) -> tuple[str, ...]:
    """Data sets of a name; ``InputError`` where they are not sorted, or one is not known."""
    parts = tuple(name.split(JOINT))
    for part in parts:
        datasets.get(part)
    if list(parts) != sorted(set(parts)):
        raise InputError(f"{name}: write {JOINT.join(sorted(set(parts)))}")
    return parts


def revised(name: str) -> str:
    """``name@revision``, of several sets over their revisions."""
    revisions = [datasets.get(part).revision for part in members(name)]
    if len(revisions) == 1:
        return f"{name}@{revisions[0][:12]}"
    return f"{name}@{blake2b(' '.join(revisions).encode(), digest_size=6).hexdigest()}"
