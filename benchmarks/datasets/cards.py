"""A dataset's facts as markdown, without loading it."""

from __future__ import annotations

from collections import Counter

from benchmarks.datasets.base import Dataset, get


def card(name: str) -> str:
    """Markdown card of a dataset; raises as ``get``."""
    dataset = get(name)
    coarse = Counter(term.coarse for term in dataset.terms.values())
    types = f"{len(dataset.terms)}, in {len(coarse)} coarse types ({', '.join(coarse)})"
    return "\n".join([f"## {dataset.name}", "", *facts(dataset, labels=types)]) + "\n"


def facts(dataset: Dataset, *, labels: str) -> list[str]:
    """Lines of what a description says, ``labels`` being what is said of these."""
    return [
        dataset.title,
        "",
        f"- revision: `{dataset.revision[:12]}`",
        f"- marker views: {', '.join(dataset.views)}",
        f"- values: {dataset.values}",
        f"- citation: {dataset.citation}",
        f"- licence: {dataset.licence}",
        f"- labels: {labels}",
        "",
        "Sources:",
        "",
        *(f"- `{s.filename}` from {s.origin}, sha256 `{s.sha256}`" for s in dataset.sources),
        "",
        "Caveats:",
        "",
        *(f"- {caveat}" for caveat in dataset.caveats),
    ]


def table(*rows: tuple[object, ...]) -> list[str]:
    """Lines of a table, the first row its head."""
    head, *body = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return [head, "|" + "---|" * len(rows[0]), *body]


def quoted(names: list[str]) -> str:
    """Names in code quotes with commas; ``none`` where there are none."""
    return ", ".join(f"`{name}`" for name in names) or "none"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|")
