"""What a run folder keeps to be judged by: the cells it has seen, and what it is compared with."""

from __future__ import annotations

from pathlib import Path

from clip_align.documents import CONFIG
from clip_align.scimilarity.baseline import BASELINE, Baseline, read_baseline
from clip_align.scimilarity.run_config import check_digest, read_config
from clip_align.scimilarity.seen_cells import SEEN, SeenCells, read_seen
from representations.errors import InputError


def load_seen(folder: str | Path) -> SeenCells:
    """Cells that a run has seen; ``InputError`` naming the file that does not say it."""
    folder = Path(folder)
    seen = read_seen(folder / SEEN)
    check_digest(folder / SEEN, read_config(folder / CONFIG).sha256.seen)
    return seen


def load_baseline(folder: str | Path) -> Baseline:
    """What a run is compared with; ``InputError`` naming the file that does not say it."""
    folder = Path(folder)
    config = read_config(folder / CONFIG)
    if config.sha256.baseline is None:
        raise InputError(f"{folder / BASELINE}: the run keeps none; train it again")
    check_digest(folder / BASELINE, config.sha256.baseline)
    return read_baseline(folder / BASELINE, config.layers.latent, len(config.types))
