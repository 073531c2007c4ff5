"""What TensorBoard shows of a run: collapse first, beside the controls, in the same charts.

A control is a run of its own below the run, ``control/<name>``, with the same tags: every tab
then draws it into the chart of the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_align.collapse_figures import CONFUSION, Figures
from clip_align.monitor_layout import layout
from clip_align.monitor_pictures import confusion_picture, spectrum_picture
from clip_align.projector import write_projector
from representations.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter

    from clip_align.config import TrainConfig
    from clip_align.validation import Judged, Validation

CONTROL = "control"
SHUFFLED_TRAINING = "shuffled_training"
FINAL = ("pair_accuracy", "recall@10"), ("rankme_cell", "effective_rank_cell", "uniformity_cell")


@dataclass(frozen=True, kw_only=True)
class MonitorConfig:
    """What is drawn beside the scalars."""

    spectrum_every: int = 1
    """Epochs between two pictures of the spectrum."""
    projector_cells: int = 5000
    """Points of the projector at most: half cells, half their marker profiles; 0 for none."""
    shuffled_training: bool = False
    """Train a second model on shuffled pairs first, as a control: twice the time."""

    def __post_init__(self) -> None:
        for name, least in (("spectrum_every", 1), ("projector_cells", 0)):
            if getattr(self, name) < least:
                raise InputError(f"monitor.{name}={getattr(self, name)}: choose {least} or more")


class Monitor:
    """Event files in one folder, made at the first figure; a context manager that closes them."""

    def __init__(self, folder: str | Path, config: MonitorConfig | None = None) -> None:
        self.folder, self.config = Path(folder), config or MonitorConfig()
        self._writers: dict[str, SummaryWriter] = {}

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writers.values():
            writer.close()

    def scalars(self, values: Mapping[str, float], epoch: int, *, control: str = "") -> None:
        """Write one point for each tag, so that a reader sees it at once."""
        writer = self._writer(control)
        for tag, value in values.items():
            writer.add_scalar(tag, value, epoch)
        writer.flush()

    def text(self, tag: str, text: str) -> None:
        """Write a block of Markdown."""
        self._writer().add_text(tag, text)

    def epoch(self, scalars: Figures, judged: Judged, epoch: int) -> None:
        """One epoch of a run and of its controls; every few epochs the spectrum."""
        if "" not in self._writers:
            self._summary(layout([*scalars, *judged.own]))
        self.scalars(scalars, epoch)
        for name, figures in judged.controls.items():
            self.scalars(figures, epoch, control=name)
        if epoch % self.config.spectrum_every == 0:
            self._spectrum(judged, None, epoch)

    def end(
        self,
        best: Judged,
        validation: Validation,
        config: TrainConfig,
        epoch: int,
        reasons: tuple[str, ...],
    ) -> None:
        """What is shown of the last word on a run, the model that is kept or one that collapsed.

        Pictures, projector, settings with figures, a verdict.
        """
        self._spectrum(best, validation.random_init, epoch)
        confused = {
            name: {tag: value for tag, value in figures.items() if tag.startswith(f"{CONFUSION}/")}
            for name, figures in {"run": best.own, **best.controls}.items()
        }
        if confused["run"]:
            self._picture("collapse/siblings", confusion_picture(confused), epoch)
        if most := self.config.projector_cells:
            write_projector(self.folder, best, validation.pairs, validation.related, most)
        self._hparams(config, best.own, epoch)
        listed = "".join(f"- {reason}\n" for reason in reasons)
        told = f"**Collapsed.**\n\n{listed}" if reasons else "No sign of collapse."
        self.text("collapse/verdict", f"The model of epoch {epoch + 1}: {told}")

    def _writer(self, control: str = "") -> SummaryWriter:
        from torch.utils.tensorboard import SummaryWriter

        if control not in self._writers:
            folder = self.folder / CONTROL / control if control else self.folder
            self._writers[control] = SummaryWriter(str(folder))
        return self._writers[control]

    def _summary(self, summary: Any) -> None:
        """One that ``SummaryWriter`` has no method for."""
        file_writer: Any = self._writer().file_writer
        file_writer.add_summary(summary)

    def _spectrum(self, judged: Judged, start: Judged | None, epoch: int) -> None:
        self._picture("collapse/spectrum", spectrum_picture(judged, start), epoch)

    def _picture(self, tag: str, picture: Figure, epoch: int) -> None:
        canvas: Any = picture.canvas
        canvas.draw()
        image_hwc = np.asarray(canvas.buffer_rgba())[..., :3]
        self._writer().add_image(tag, image_hwc, epoch, dataformats="HWC")

    def _hparams(self, config: TrainConfig, own: Figures, epoch: int) -> None:
        from torch.utils.tensorboard.summary import hparams

        val, collapse = FINAL
        tags = [f"val/{name}" for name in val] + [f"collapse/{name}" for name in collapse]
        final = {f"final/{tag.partition('/')[2]}": own[tag] for tag in tags if tag in own}
        for summary in hparams(flat(asdict(config)), final):
            self._summary(summary)
        self.scalars(final, epoch)


def flat(options: Mapping[str, Any], above: str = "") -> dict[str, float | str | bool]:
    """Nested options with dotted names; what is neither number nor text is told as text."""
    found: dict[str, float | str | bool] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{above}{name}.")
        else:
            plain = isinstance(value, bool | int | float | str)
            found[f"{above}{name}"] = value if plain else str(value)
    return found
