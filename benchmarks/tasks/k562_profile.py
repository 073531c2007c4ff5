"""Task ``k562_profile``: what an activation does to the panel's genes, by what it does to others.

Learnt from immune cells. An adapted row starts from ridge regression of those, whatever its model:
contrastive models alone carry less over, as their rows show. From there it learns from the
effects themselves, unpaired; its student sees no immune cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np

from benchmarks import baselines, datasets
from benchmarks.adaptation import identity_of, learnt
from benchmarks.alignment import AlignmentTask
from benchmarks.baselines.base import Cosines, cosine
from benchmarks.effect_cells import COMPONENTS, OWN_COMPONENTS, EffectCells, screen
from benchmarks.joined import members
from benchmarks.relatives import by_relatives, in_own_units
from benchmarks.set_cells import LIMIT
from benchmarks.setting import LATER, Setting, refuse_unread
from benchmarks.suites import Row
from benchmarks.task_cells import TaskCells
from benchmarks.tasks import Outcome, tasks
from clip_align.adapt import STUDENT, AdaptConfig, Sides
from clip_align.models import models
from clip_align.pairs import PairedCells
from representations.errors import InputError

PROTOCOL = 1
START, SHUFFLED, RELATIVES = "ridge", "shuffled_pairs", "relatives"
# Chosen on marrow: 190 means of like cells, asked of a model of `kang` and `pbmc3k`.
ADAPT = AdaptConfig(
    epsilon=0.1, rounds=5, train=replace(STUDENT, batch_size=64, learning_rate=1e-3)
)


@tasks.register("k562_profile")
class K562Profile(AlignmentTask):
    """Effects on other genes against effects on the panel's genes."""

    view = "rna"
    Cells: ClassVar[type[EffectCells]] = EffectCells

    def __init__(self, train: str, test: str, seed: int, *, logs: str | None = None) -> None:
        super().__init__(train, test, seed, logs=logs)
        self.effects = self.Cells(train, test, seed)
        self.cells = cast(TaskCells, self.effects)  # as far as a row asks

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Configuration of an alignment row, and how effects are met."""
        effects: dict[str, Any] = {
            "protocol": PROTOCOL, "limit": LIMIT, "marker": cls.Cells.marker,
        }  # fmt: skip
        config = super().config(row)
        if "representation" in config:  # of genes in one unit, not of counts
            config["representation"] = {"components": COMPONENTS}
        if config.pop("adaptation", None):
            effects |= {"own": OWN_COMPONENTS, "start": START, "adaptation": identity_of(ADAPT)}
        return config | {"effects": effects}

    @cached_property
    def _terms(self) -> dict[str, str]:
        known = [datasets.get(name).terms for name in members(self.train_name)]
        return {label: term.ontology_id for terms in known for label, term in terms.items()}

    def run(self, row: Row) -> Outcome:
        """Fit and judge one row; there is one cell type, so nothing is said of types."""
        outcome = super().run(row)
        kept = {k: v for k, v in outcome.metrics.items() if not k.startswith("type_match")}
        return replace(outcome, metrics=kept)

    def _similarity(
        self, row: Row, setting: Setting, test: PairedCells
    ) -> Callable[[np.ndarray], np.ndarray]:
        if row.model != RELATIVES:
            return super()._similarity(row, setting, test)
        refuse_unread(row, LATER)
        one_nd, other_nd = self._by_relatives(test)
        return lambda rows: cosine(one_nd[rows], other_nd[rows])

    def _by_relatives(self, test: PairedCells) -> Sides:
        """Both sides where the marker side is as activations that share a gene have it."""
        return self._said(test, self.effects.genes.marker), test.marker_nm

    def _said(self, test: PairedCells, genes: Sequence[str]) -> np.ndarray:
        adata = screen(self.test_name)
        return in_own_units(*by_relatives(adata, genes, adata.obs_names.get_indexer(test.ids_n)))

    def _sides(self, row: Row, setting: Setting, test: PairedCells) -> Sides:
        if setting.adaptation == "none":
            return super()._sides(row, setting, test)
        if setting.adaptation != "matched":
            raise InputError(
                f"adaptation={setting.adaptation}: effects have a schedule of their own; "
                "use adaptation=matched"
            )
        if row.model not in (START, *models.names()):
            raise InputError(f"adaptation=matched: for {START} and models, not for {row.model}")
        ridge = self._start(row, setting)
        return learnt(
            lambda shown_nm: ridge.sides(test.cell_nd, shown_nm),
            self.effects.own_features(setting), test.marker_nm,
            replace(ADAPT, train=replace(ADAPT.train, seed=self.seed)),
            seed=self.seed, student=row.model != START,
        )  # fmt: skip

    def _start(self, row: Row, setting: Setting) -> Cosines:
        """Ridge regression, of pairs that are none where the row is that control."""
        known, held = self.cells.known_pairs(row.representation, setting)
        if row.variant.get("control") == SHUFFLED:
            known = known.dealt(self.seed)
        start = baselines.create(START).fit(
            known.cell_nd, known.marker_nm, held.cell_nd, held.marker_nm,
            rng=np.random.default_rng(self.seed),
        )  # fmt: skip
        if not isinstance(start, Cosines):
            raise TypeError(f"{START} has no sides")
        return start
