"""Which distribution a class is of, and in which version."""

from __future__ import annotations

import importlib.metadata
from functools import cache

ENTRY_POINTS = "clip_align.representations"
OURS = "clip_align"


@cache
def distribution_of(module: str, name: str) -> tuple[str, str]:
    """Name and version of the distribution that offers ``module:name``.

    A class of another distribution is known by its entry point, else by where its module is
    installed; one that is in no distribution, as in a script, has the version ``unknown``.
    """
    top = module.partition(".")[0]
    if top == "representations":
        return OURS, importlib.metadata.version(OURS)
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        if entry.value == f"{module}:{name}" and entry.dist is not None:
            return entry.dist.name, entry.dist.version
    found = importlib.metadata.packages_distributions().get(top, [])
    if not found:
        return top, "unknown"
    return found[0], importlib.metadata.version(found[0])
