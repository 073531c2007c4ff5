"""The course of a training: epoch by epoch, which one is kept, and whether it collapses."""

from __future__ import annotations

import copy
import math

from torch import Tensor, nn
from tqdm.auto import tqdm

from clip_align.collapse_detector import (
    FEWEST_ROWS,
    Collapse,
    CollapseError,
    CollapseWatch,
    collapse_reasons,
)
from clip_align.collapse_figures import Figures
from clip_align.monitor import Monitor
from clip_align.trainer import NonFiniteError, Trainer
from clip_align.validation import Judged, Validation, selections


class Course:
    """Epochs until patience ends, the best of them, and whether they collapse."""

    def __init__(
        self,
        trainer: Trainer,
        pool: Validation,
        monitor: Monitor | None,
        *,
        fail_on_collapse: bool,
    ) -> None:
        self.trainer, self.pool, self.monitor = trainer, pool, monitor
        self.fail_on_collapse = fail_on_collapse
        self.history: list[Figures] = []
        self.collapse: Collapse | None = None
        self.watch = CollapseWatch(trainer.config.warmup * trainer.config.epochs)

    def run(self, *, progress: bool) -> None:
        """Train until patience ends and go back to the best epoch."""
        config = self.trainer.config
        sign, best_value, best_state = selections.get(config.monitor), -math.inf, {}
        bar = tqdm(
            range(config.epochs), desc="training", unit="epoch", leave=False,
            disable=None if progress else True,
        )  # fmt: skip
        for epoch in bar:
            judged = self._epoch(epoch)
            figure = judged.own[config.monitor]
            bar.set_postfix({config.monitor: f"{figure:.3f}"})
            if sign * figure > best_value:
                best_value, best_state = sign * figure, _weights(self.trainer.model)
                self.best_epoch, self.best = epoch, judged
            elif epoch - self.best_epoch >= config.patience:
                break
        self.trainer.model.load_state_dict(best_state)
        self.trainer.model.eval()
        self._end()

    def _epoch(self, epoch: int) -> Judged:
        trained = self.trainer.epoch()
        judged = self.pool.judge(self.trainer.model)
        reasons, finite = self._reasons(judged), math.isfinite(sum(judged.own.values()))
        self.history.append(trained | judged.own | {"collapse/signs": float(len(reasons))})
        if self.monitor is not None:
            self.monitor.epoch(self.history[-1], judged, epoch)
        self.collapse = self.collapse or self.watch.see(epoch, reasons, finite=finite)
        if self.collapse is not None and self.fail_on_collapse:
            if finite:
                self._show(judged, epoch, reasons)
            raise CollapseError(self.collapse)
        if not finite:
            raise NonFiniteError(f"epoch {epoch + 1}: {reasons[0]}")
        return judged

    def _end(self) -> None:
        """The model that is kept is judged whenever its epoch was."""
        reasons = self._reasons(self.best)
        self._show(self.best, self.best_epoch, reasons)
        if reasons and self.collapse is None:
            self.collapse = Collapse(epoch=self.best_epoch, reasons=reasons)
        if self.collapse is not None and self.fail_on_collapse:
            raise CollapseError(self.collapse)

    def _show(self, judged: Judged, epoch: int, reasons: tuple[str, ...]) -> None:
        if self.monitor is not None:
            self.monitor.end(judged, self.pool, self.trainer.config, epoch, reasons)

    def _reasons(self, judged: Judged) -> tuple[str, ...]:
        if len(self.pool.pairs) < FEWEST_ROWS:
            return ()  # so few rows have few directions, whatever the model
        start, e = self.pool.random_init, self.trainer.config.model.out_dim
        return collapse_reasons(judged.own, start.own if start else None, embed_dim=e)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(model.state_dict())
