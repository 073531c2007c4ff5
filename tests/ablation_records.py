"""Records of the suite ``ablation`` as a run leaves them, without a run."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from benchmarks.records import MetricValue, Record
from benchmarks.run import identify
from benchmarks.suites import Row, suites
from clip_align.models import OPTIMIZED, models

SHARED = np.random.default_rng(0).normal(0, 0.004, 50)
FAR = {"random_init": 0.5, "shuffled_pairs": 0.5}


def some_records(seeds: int = 2, rows: tuple[Row, ...] | None = None) -> list[Record]:
    """Every row of the suite, figures drawn at random near what such rows give."""
    rng = np.random.default_rng(1)
    made = []
    for row in rows or suites.get("ablation").rows:
        level = {"chance": 0.5, "ridge": 0.92}.get(row.model, 0.94 + rng.normal(0, 0.004))
        level = FAR.get(str(row.variant.get("control")), level)
        for seed in range(seeds):
            made.append(record_of(row, seed, level + rng.normal(0, 0.001), rng))
    return made


def record_of(
    row: Row, seed: int, level: float, rng: np.random.Generator, suite: str = "ablation"
) -> Record:
    recall = max(5 * (level - 0.9), 0.011)
    metrics = {"pair_accuracy": figure_of(level, 0.5), "recall@10": figure_of(recall, 0.011)}
    metrics["type_match@1"] = figure_of(level - 0.2, 0.2)
    for pair in ("CD4 T|CD8 T", "CD4 naive|CD4 memory", "CD8 naive|CD8 memory"):
        metrics[f"sibling_confusion[{pair}]"] = figure_of(1.05 - level, 0.5)
    facts = {}
    if row.model in models.names():
        names = ("rankme", "centred_cosine[T]", "centred_cosine[CD4 T|CD8 T]")
        metrics |= {name: figure_of(rng.uniform(0.2, 0.6), None) for name in names}
        facts = {"steps": "100", "epochs": "20", "best_epoch": "18", "parameters": "700000"}
        if row.model == OPTIMIZED.name and row.variant.get("cache") != "no cache":
            metrics["cache[hits]"] = figure_of(rng.uniform(0.6, 0.8), None)
    return Record(
        **identify(suite, row, seed).model_dump(),
        metrics=metrics,
        timings={"train_s": 10 + rng.uniform(0, 5)},
        versions=facts,
        created=datetime(2026, 8, 1, tzinfo=UTC),
    )


def figure_of(value: float, chance: float | None) -> MetricValue:
    replicates = tuple(float(f"{x:.6g}") for x in value + SHARED)
    low, high = np.quantile(replicates, [0.025, 0.975])
    return MetricValue(
        value=value, low=low, high=high, chance=chance, n=947, pool=947, replicates=replicates
    )
