"""Task ``lineage``: pseudotime, branches and groups of marrow beside published results and peers.

Shapes: ``n`` cells, ``l`` lineages, ``s`` reruns.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.edges import edge_metrics
from benchmarks.haematopoiesis import LINEAGES, MARKERS, THRESHOLD, TREE
from benchmarks.lineage_fits import Fit, Fits
from benchmarks.lineage_rows import OURS, asked, of_ours, peer_of
from benchmarks.lineages import Figures, one_direction, quantiles
from benchmarks.method import method
from benchmarks.peers import version_of
from benchmarks.records import MetricValue
from benchmarks.resample import N_REPLICATES
from benchmarks.suites import Row
from benchmarks.tasks import Outcome, tasks
from benchmarks.timing import exactly
from benchmarks.within import WithinDataset

Metrics = dict[str, MetricValue]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A seed fits on ``share`` of the cells, drawn by it, and is judged on them.

    ``stability`` is over the first ``reruns`` seeds and stands in the record of seed 0 alone.
    Version 1 judged the cells that were placed, too, which no peer can do, and had five reruns.
    """

    version: int = 2
    share: float = 0.9
    reruns: int = 10
    marker_roots: tuple[str, ...] = ("CD34+AVP", "MPO", "GATA1")


PROTOCOL = Protocol()


@tasks.register("lineage")
class Lineage(WithinDataset):
    """Agreement with published pseudotime and fates, stability, and edges by marker genes."""

    told = "lineages are judged within"

    def __init__(self, train: str, test: str, seed: int, *, logs: str | None = None) -> None:
        super().__init__(train, test, seed, logs=logs)
        self._kept: dict[str, Fit] = {}

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Protocol, settings of the method, and the rule by which markers name things."""
        config = {
            **asdict(PROTOCOL), "choice": asked(row), "n_replicates": N_REPLICATES,
            "representation": method(row.representation),
            "markers": MARKERS, "lineages": LINEAGES, "threshold": THRESHOLD,
            "tree": sorted(sorted(pair) for pair in TREE),
        }  # fmt: skip
        return config if row.model == OURS else config | {"peer": peer_of(row).settings()}

    def run(self, row: Row) -> Outcome:
        """Fit on this seed's draw and judge; seed 0 also fits the other draws."""
        asked(row)
        versions = {} if row.model == OURS else version_of(peer_of(row))
        started = time.perf_counter()
        judge = {
            "X_dpt": self._pseudotime, "X_branch": self._branches, "X_paga": self._groups,
        }  # fmt: skip
        metrics, facts = judge[row.representation](row)
        seconds = time.perf_counter() - started
        return Outcome(metrics=metrics, timings={"run_s": seconds}, facts=facts | versions)

    @cached_property
    def fits(self) -> Fits:
        """Fits on draws of the data set."""
        return Fits(
            datasets.load(self.name),
            name=self.name, share=PROTOCOL.share, marker_roots=PROTOCOL.marker_roots,
        )  # fmt: skip

    def _fit(self, row: Row, seed: int) -> Fit:
        """Kept, since a peer's row is also compared with ours."""
        key = json.dumps([row.representation, row.model, dict(row.variant), seed])
        if key not in self._kept:
            self._kept[key] = self._fresh(row, seed)
        return self._kept[key]

    def _fresh(self, row: Row, seed: int) -> Fit:
        variant, ours = asked(row), row.model == OURS
        if row.representation == "X_dpt":
            if ours:
                return self.fits.pseudotime(variant["anchors"], seed)
            return self.fits.pseudotime_of(peer_of(row), seed)
        if ours:
            return self.fits.branches(variant["ends"], seed)
        return self.fits.branches_of(peer_of(row), variant["ends"], seed)

    def _pseudotime(self, row: Row) -> tuple[Metrics, dict[str, str]]:
        """Against Monocle 2; without anchors given, the direction is arbitrary."""
        fit, unsigned = self._fit(row, self.seed), asked(row)["anchors"] == "label-free"
        theirs_n = self.fits.adata.obsm["monocle2"]["pseudotime"].to_numpy(float)
        name = "abs_spearman_monocle2" if unsigned else "spearman_monocle2"
        metrics = {}
        for suffix, on_n in (("", fit.fitted_n), ("[placed]", fit.placed_n)):
            if on_n.any():
                figures = self._figures(on_n)
                judge = figures.abs_spearman if unsigned else figures.spearman
                metrics[name + suffix] = judge(fit.x_nl[on_n, 0], theirs_n[on_n])
        if row.model != OURS:
            ours = self._fit(of_ours(row), self.seed)
            both_n = fit.fitted_n & ours.fitted_n
            pair = (fit.x_nl[both_n, 0], ours.x_nl[both_n, 0])
            metrics["spearman_ours"] = self._figures(both_n).spearman(*pair)
        if self.seed == 0:
            name = "stability_unsigned" if unsigned else "stability"
            metrics[name] = self._stability(row, unsigned=unsigned)
        return metrics, fit.facts

    def _branches(self, row: Row) -> tuple[Metrics, dict[str, str]]:
        """Against FateID and, for a peer, against ours: lineage by lineage, and their mean."""
        fit = self._fit(row, self.seed)
        fate = self.fits.adata.obsm["fateid"]
        fate_nl = fate[list(fit.names)].to_numpy(float)
        metrics: Metrics = {}
        for suffix, on_n in (("", fit.fitted_n), ("_placed", fit.placed_n)):
            if on_n.any():
                metrics |= self._alike(f"fateid{suffix}", fit, fate_nl, on_n)
        if row.model != OURS:
            ours = self._fit(of_ours(row), self.seed)
            metrics |= self._alike("ours", fit, ours.x_nl, fit.fitted_n & ours.fitted_n)
        n = int(fit.fitted_n.sum())
        metrics["branches"] = exactly(len(fit.facts["branches"].split()), n)
        metrics["lineages_apart"] = exactly(_apart(fit), len(fit.names))
        if self.seed == 0:
            metrics["stability"] = self._stability(row)
        return metrics, fit.facts

    def _alike(self, whom: str, fit: Fit, other_nl: np.ndarray, on_n: np.ndarray) -> Metrics:
        figures, found = self._figures(on_n), Metrics()
        for kind in ("pearson", "spearman"):
            judge = getattr(figures, kind)
            columns = zip(fit.names, fit.x_nl[on_n].T, other_nl[on_n].T, strict=True)
            each = {f"{kind}_{whom}[{name}]": judge(x_n, y_n) for name, x_n, y_n in columns}
            found |= {**each, f"{kind}_{whom}": figures.mean(list(each.values()))}
        return found

    def _groups(self, row: Row) -> tuple[Metrics, dict[str, str]]:
        """Edges kept, and whether those between groups of two classes are in the known tree."""
        groups, kind = self.fits.groups(self.seed), asked(row).get("edges", "shown")
        return edge_metrics(groups, self.name, kind=kind), groups.facts(kind)

    def _stability(self, row: Row, *, unsigned: bool = False) -> MetricValue:
        """Over cells that two reruns or more are fitted on; pseudotimes as quantiles."""
        fits = [self._fit(row, seed) for seed in range(PROTOCOL.reruns)]
        has_sn = np.stack([fit.fitted_n for fit in fits])
        x_snl = np.stack(
            [
                np.where(has[:, None], fit.x_nl, np.nan)
                for has, fit in zip(has_sn, fits, strict=True)
            ]
        )
        if row.representation == "X_dpt":
            for x_nl, has_n in zip(x_snl, has_sn, strict=True):
                x_nl[has_n, 0] = quantiles(x_nl[has_n, 0])
            if unsigned:
                x_snl = one_direction(x_snl[:, :, 0])[:, :, None]
        often_n = has_sn.sum(axis=0) >= 2
        return self._figures(often_n).deviation(x_snl[:, often_n])

    def _figures(self, on_n: np.ndarray) -> Figures:
        cells = self.fits.cells[on_n]
        return Figures(cells, dataset=self.name, n_replicates=N_REPLICATES)


def _apart(fit: Fit) -> int:
    """How many different branches the lineages take."""
    return len({fit.facts[f"branch of {lineage}"] for lineage in fit.names})
