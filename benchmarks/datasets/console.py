"""Progress for people: lines on standard error, silent when not wanted."""

from __future__ import annotations

import sys


def say(message: str, *, progress: bool) -> None:
    """Print one line about a slow step."""
    if progress:
        print(message, file=sys.stderr, flush=True)
