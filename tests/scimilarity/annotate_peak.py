"""Megabytes that annotating a file adds at its peak, and whether adapters' library was imported.

``python -m tests.scimilarity.annotate_peak``: a process of its own, everything called once before.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from benchmarks.peak import MB, peak_bytes
from clip_align.scimilarity.annotate import annotate_file


def added_mb(run: Path, query: Path, small: Path) -> float:
    """Of ``query``, after the same of a small file."""
    out = query.with_name("out.h5ad")
    annotate_file(run, small, out, overwrite=True)
    with contextlib.suppress(OSError):  # Linux: the peak so far is forgotten
        Path("/proc/self/clear_refs").write_text("5")
    before = peak_bytes()
    annotate_file(run, query, out, overwrite=True)
    return (peak_bytes() - before) / MB


if __name__ == "__main__":
    print(added_mb(*map(Path, sys.argv[1:])), "peft" in sys.modules)
