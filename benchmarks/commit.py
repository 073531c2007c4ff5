"""Which code made a record."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = ("representations", "clip_align", "benchmarks", "constraints.txt")


@cache
def git_commit(root: Path = ROOT) -> str | None:
    """Commit that the code of this process is from, ``-dirty`` where the code differs from it.

    None outside a checkout. Asked once: what is committed during a run is not what runs.
    """
    changed = ("status", "--porcelain", "--untracked-files=all", "--", *CODE)
    try:
        commit, dirty = (
            subprocess.run(  # noqa: S603 - these words
                ["git", *words],  # noqa: S607 - whichever git the user has
                capture_output=True, text=True, check=True, cwd=root,
            ).stdout.strip()
            for words in (("rev-parse", "HEAD"), changed)
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}-dirty" if dirty else commit
