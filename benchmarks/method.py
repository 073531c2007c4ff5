"""A representation as a record's configuration has it: settings, and what changed beneath them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from representations import registry
from representations.base import Representation


def method(
    representation: str, blocks: Sequence[str] | None = None, *, config: Any = None
) -> dict[str, Any]:
    """Settings of a representation, the default ones, and the revisions of all it is made of.

    ``blocks`` are those of ``X_integrated`` where they are not its own choice.
    """
    kind = registry.get(representation)
    settings: dict[str, Any] = asdict(config or kind.Config())
    revisions = _revisions(kind, tuple(blocks or settings.get("blocks", ())))
    later = {name: revision for name, revision in revisions.items() if revision > 1}
    return settings | {"revisions": later} if later else settings


def _revisions(kind: type[Representation], parts: Sequence[str]) -> dict[str, int]:
    found = {kind.name: kind.revision}
    for name in (*kind.made_of, *parts):
        found |= _revisions(registry.get(name), ())
    return found
