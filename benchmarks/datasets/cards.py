"""A dataset's facts as markdown, without loading it."""

from __future__ import annotations

from collections import Counter

from benchmarks.datasets.base import get


def card(name: str) -> str:
    """Markdown card of a dataset; raises as ``get``."""
    dataset = get(name)
    coarse = Counter(term.coarse for term in dataset.terms.values())
    lines = [
        f"## {dataset.name}",
        "",
        dataset.title,
        "",
        f"- revision: `{dataset.revision[:12]}`",
        f"- marker views: {', '.join(dataset.views)}",
        f"- citation: {dataset.citation}",
        f"- licence: {dataset.licence}",
        f"- labels: {len(dataset.terms)}, in {len(coarse)} coarse types ({', '.join(coarse)})",
        "",
        "Sources:",
        "",
        *(f"- `{s.filename}` from {s.origin}, sha256 `{s.sha256}`" for s in dataset.sources),
        "",
        "Caveats:",
        "",
        *(f"- {caveat}" for caveat in dataset.caveats),
    ]
    return "\n".join(lines) + "\n"
