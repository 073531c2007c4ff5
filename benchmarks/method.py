"""A representation as a record's configuration has it: settings, and what changed beneath them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from representations import registry


def method(representation: str, blocks: Sequence[str] | None = None) -> dict[str, Any]:
    """Default settings of a representation, and the revisions of all it is made of.

    ``blocks`` are those of ``X_integrated`` where they are not its own choice.
    """
    kind = registry.get(representation)
    config = asdict(kind.Config())
    names = blocks or config.get("blocks") or (representation,)
    parts = [registry.get(name) for name in names]
    later = {part.name: part.revision for part in parts if part.revision > 1}
    return config | {"revisions": later} if later else config
