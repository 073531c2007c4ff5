"""Task ``lineage``: pseudotime, branches and groups of marrow beside published results."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.edges import edge_metrics
from benchmarks.haematopoiesis import LINEAGES, MARKERS, THRESHOLD, TREE
from benchmarks.lineage_fits import Fit, Fits
from benchmarks.lineages import Figures, one_direction, quantiles
from benchmarks.records import MetricValue
from benchmarks.resample import N_REPLICATES
from benchmarks.suites import Row
from benchmarks.tasks import Outcome, tasks
from benchmarks.timing import exactly
from representations import registry
from representations.errors import InputError

Metrics = dict[str, MetricValue]
CHOICES = {
    "X_dpt": ("anchors", ("start", "start+terminals", "markers", "label-free")),
    "X_branch": ("ends", ("given", "found", "free")),
}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A seed fits on ``share`` of the cells, drawn by it, and places the others.

    ``stability`` is over the first ``reruns`` seeds and stands in the record of seed 0 alone.
    """

    version: int = 1
    share: float = 0.9
    reruns: int = 5
    marker_roots: tuple[str, ...] = ("CD34+AVP", "MPO", "GATA1")


PROTOCOL = Protocol()


@tasks.register("lineage")
class Lineage:
    """Agreement with published pseudotime and fates, stability, and edges by marker genes."""

    def __init__(self, train: str, test: str, seed: int, *, logs: str | None = None) -> None:
        if train != test:
            raise InputError(f"{train} -> {test}: lineages are judged within one data set")
        self.name, self.seed, self.logs = train, seed, logs

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Protocol, defaults of the representation, and the rule by which markers name things."""
        return {
            **asdict(PROTOCOL), "choice": choice_of(row), "n_replicates": N_REPLICATES,
            "representation": asdict(registry.get(row.representation).Config()),
            "markers": MARKERS, "lineages": LINEAGES, "threshold": THRESHOLD,
            "tree": sorted(sorted(pair) for pair in TREE),
        }  # fmt: skip

    def run(self, row: Row) -> Outcome:
        """Fit on this seed's draw and judge; seed 0 also fits the other draws."""
        choice, started = choice_of(row), time.perf_counter()
        judge = {
            "X_dpt": self._pseudotime, "X_branch": self._branches, "X_paga": self._groups,
        }  # fmt: skip
        metrics, facts = judge[row.representation](choice)
        seconds = time.perf_counter() - started
        return Outcome(metrics=metrics, timings={"run_s": seconds}, facts=facts)

    @cached_property
    def fits(self) -> Fits:
        """Fits on draws of the data set."""
        return Fits(
            datasets.load(self.name),
            name=self.name, share=PROTOCOL.share, marker_roots=PROTOCOL.marker_roots,
        )  # fmt: skip

    def _pseudotime(self, anchors: str) -> tuple[Metrics, dict[str, str]]:
        """Against Monocle 2; without anchors given, the direction is arbitrary."""
        fit, unsigned = self.fits.pseudotime(anchors, self.seed), anchors == "label-free"
        figures = self._figures(fit.reached_n)
        theirs_n = self.fits.adata.obsm["monocle2"]["pseudotime"].to_numpy(float)
        pair = (fit.x_nl[fit.reached_n, 0], theirs_n[fit.reached_n])
        metrics = (
            {"abs_spearman_monocle2": figures.abs_spearman(*pair)}
            if unsigned
            else {"spearman_monocle2": figures.spearman(*pair)}
        )
        if self.seed == 0:
            more = [self.fits.pseudotime(anchors, seed) for seed in range(1, PROTOCOL.reruns)]
            name = "stability_unsigned" if unsigned else "stability"
            metrics[name] = self._stability([fit, *more], time=True, unsigned=unsigned)
        return metrics, fit.facts

    def _branches(self, ends: str) -> tuple[Metrics, dict[str, str]]:
        """Against FateID, lineage by lineage."""
        fit = self.fits.branches(ends, self.seed)
        figures = self._figures(fit.reached_n)
        fate = self.fits.adata.obsm["fateid"][fit.reached_n]
        metrics: Metrics = {}
        for column, lineage in enumerate(fit.names):
            pair = (fit.x_nl[fit.reached_n, column], fate[lineage].to_numpy(float))
            metrics[f"pearson_fateid[{lineage}]"] = figures.pearson(*pair)
            metrics[f"spearman_fateid[{lineage}]"] = figures.spearman(*pair)
        metrics["branches"] = exactly(len(fit.facts["branches"].split()), int(fit.reached_n.sum()))
        metrics["lineages_apart"] = exactly(_apart(fit), len(fit.names))
        if self.seed == 0:
            more = [self.fits.branches(ends, seed) for seed in range(1, PROTOCOL.reruns)]
            metrics["stability"] = self._stability([fit, *more])
        return metrics, fit.facts

    def _groups(self, _: str) -> tuple[Metrics, dict[str, str]]:
        """Edges kept, and whether those between groups of two classes are in the known tree."""
        groups = self.fits.groups(self.seed)
        return edge_metrics(groups, self.name), groups.facts

    def _stability(
        self, fits: Sequence[Fit], *, time: bool = False, unsigned: bool = False
    ) -> MetricValue:
        """Over cells that every rerun reaches; pseudotimes as quantiles, so that scales agree."""
        reached_n = np.logical_and.reduce([fit.reached_n for fit in fits])
        x_snl = np.stack([fit.x_nl[reached_n] for fit in fits])
        if time:
            x_sn = np.stack([quantiles(x_n) for x_n in x_snl[:, :, 0]])
            x_snl = (one_direction(x_sn) if unsigned else x_sn)[:, :, None]
        return self._figures(reached_n).deviation(x_snl)

    def _figures(self, reached_n: np.ndarray) -> Figures:
        cells = self.fits.cells[reached_n]
        return Figures(cells, dataset=self.name, n_replicates=N_REPLICATES)


def choice_of(row: Row) -> str:
    """What a row's variant chooses; "" where its representation has no choice."""
    if row.representation == "X_paga" and not row.variant:
        return ""
    key, known = CHOICES.get(row.representation, ("", ()))
    value = row.variant.get(key)
    if set(row.variant) != {key} or value not in known:
        raise InputError(
            f"{row.representation} {dict(row.variant)} is no lineage row: give X_dpt with anchors, "
            "X_branch with ends, or X_paga with no variant"
        )
    return str(value)


def _apart(fit: Fit) -> int:
    """How many different branches the lineages take."""
    return len({fit.facts[f"branch of {lineage}"] for lineage in fit.names})
