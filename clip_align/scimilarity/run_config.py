"""``config.json`` of an annotation run, and the hashes that tie the other files to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from clip_align.documents import CONFIG, read_document
from clip_align.origin import file_sha256
from clip_align.scimilarity.network import Layers
from clip_align.scimilarity.probabilities import check_temperature
from representations.errors import InputError, naming

RUN = "annotation run"


@dataclass(frozen=True, kw_only=True)
class Digests:
    """SHA-256 of files that mean nothing beside those of another run."""

    genes: str
    model: str
    seen: str
    sanity: str
    baseline: str | None = None  # none of a run that was made by hand


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """``config.json``."""

    kind: Literal["scimilarity annotation"] = "scimilarity annotation"
    layers: Layers
    head: str
    types: tuple[str, ...]
    terms: tuple[str, ...]
    temperature: float
    sha256: Digests
    about: dict[str, Any]
    versions: dict[str, str]


def read_config(path: Path) -> RunConfig:
    """Read and check it; ``InputError`` naming the file."""
    config = read_document(path, RunConfig, run=RUN)
    if len(config.terms) != len(config.types):
        raise InputError(f"{path}: {len(config.terms)} terms of {len(config.types)} types")
    with naming(path):
        check_temperature(config.temperature)
    return config


def check_digest(path: Path, sha256: str) -> None:
    """Refuse a file that is missing, or is not the one that was written with ``config.json``."""
    try:
        found = file_sha256(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: missing; the run is incomplete, train it again") from error
    except OSError as error:
        raise InputError(f"{path}: damaged; train the run again") from error
    if found != sha256:
        raise InputError(
            f"{path}: damaged, or of another run than the {CONFIG} beside it; train the run again"
        )
