"""Progress for people: lines and bars on standard error, silent when not wanted."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


def say(message: str, *, progress: bool) -> None:
    """Print one line about a slow step."""
    if progress:
        print(message, file=sys.stderr, flush=True)


def byte_bar(title: str, total: int | None, *, progress: bool) -> Any:
    """Progress bar over bytes, shown only where somebody can see it move."""
    return tqdm(
        total=total,
        desc=title,
        unit="B",
        unit_scale=True,
        leave=False,
        disable=None if progress else True,
    )
