"""What a run is judged by: gates that passed, cells it has seen, what it is compared with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clip_align.documents import CONFIG
from clip_align.scimilarity.baseline import BASELINE, Baseline, read_baseline
from clip_align.scimilarity.run import SANITY
from clip_align.scimilarity.run_config import check_digest, read_config
from clip_align.scimilarity.seen_cells import SEEN, SeenCells, read_seen
from representations.errors import InputError


def load_seen(folder: str | Path) -> SeenCells:
    """Cells that a run has seen; ``InputError`` naming the file that does not say it."""
    folder = Path(folder)
    seen = read_seen(folder / SEEN)
    check_digest(folder / SEEN, read_config(folder / CONFIG).sha256.seen)
    return seen


def load_sanity(folder: str | Path) -> dict[str, Any]:
    """What the gates found; ``InputError`` where one is closed, or that is not what was found."""
    path = Path(folder) / SANITY
    check_digest(path, read_config(Path(folder) / CONFIG).sha256.sanity)
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if document.get("passed") is not True:
        raise InputError(f"{path}: gates are closed, so its figures mean nothing; train it again")
    return document


def load_baseline(folder: str | Path) -> Baseline:
    """What a run is compared with; ``InputError`` naming the file that does not say it."""
    folder = Path(folder)
    config = read_config(folder / CONFIG)
    if config.sha256.baseline is None:
        raise InputError(f"{folder / BASELINE}: the run keeps none; train it again")
    check_digest(folder / BASELINE, config.sha256.baseline)
    return read_baseline(folder / BASELINE, config.layers.latent, len(config.types))
