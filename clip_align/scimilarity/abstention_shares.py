"""What "unknown" costs and saves on labelled cells."""

from __future__ import annotations

import numpy as np

from clip_align.scimilarity.verdict import Verdict


def abstention_shares(verdict: Verdict, type_n: np.ndarray) -> dict[str, float]:
    """Shares of cells, each of a type that the classifier has.

    ``coverage``: typical, and the true type in the set. ``named``: given one type. ``wrong_name``:
    given a wrong one, of all cells.
    """
    covered_n = verdict.typical_n & verdict.set_nt[np.arange(len(type_n)), type_n]
    wrong_n = verdict.named_n & (verdict.type_n != type_n)
    shares = {"coverage": covered_n, "named": verdict.named_n, "wrong_name": wrong_n}
    return {name: float(true_n.mean()) for name, true_n in shares.items()}
