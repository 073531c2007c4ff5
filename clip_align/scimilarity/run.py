"""Run folders of annotation: enough to annotate new cells elsewhere, nothing that runs code.

``config.json`` ``model.safetensors`` (encoder with adapters merged, head, abstention)
``gene_order.tsv`` ``seen_cells.tsv`` (which cells it learnt from and was checked by) ``adapter/``
(the adapters alone) ``baseline.safetensors`` (what it is compared with) ``sanity.json``
``metrics.json``.
``config.json`` is written last: a folder without it is not a run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from clip_align.documents import CONFIG, line, versions
from clip_align.scimilarity.baseline import BASELINE, Baseline
from clip_align.scimilarity.classifier import Classifier
from clip_align.scimilarity.conformal import Conformal
from clip_align.scimilarity.heads import heads
from clip_align.scimilarity.network import Encoder
from clip_align.scimilarity.run_config import Digests, RunConfig, check_digest, read_config
from clip_align.scimilarity.seen_cells import SEEN, SeenCells
from clip_align.seeding import seeded
from representations.errors import InputError
from representations.io import atomic_write, explained_disk_errors

MODEL, GENES = "model.safetensors", "gene_order.tsv"
SANITY, METRICS, ADAPTER = "sanity.json", "metrics.json", "adapter"
FILES = (CONFIG, MODEL, GENES, SEEN, BASELINE, SANITY, METRICS)
PARTS = ("encoder", "head", "abstention")


def save_classifier(
    folder: str | Path,
    classifier: Classifier,
    *,
    head: str,
    sanity: Mapping[str, Any],
    metrics: Mapping[str, Any],
    seen: SeenCells = SeenCells(),  # noqa: B008 - frozen
    baseline: Baseline | None = None,
) -> None:
    """Write a run folder; each file is replaced in one step.

    Parameters
    ----------
    head
        Name of the head in its family.
    seen
        Cells of its training; none where it was made by hand.
    baseline
        What an evaluation compares it with.

    Raises
    ------
    InputError
        The folder cannot be written; it then holds no ``config.json``.
    """
    folder = Path(folder)
    states: dict[str, Mapping[str, Any]] = {
        "encoder": classifier.encoder.state_dict(),
        "head": classifier.head.state_dict(),
        "abstention": {
            k: torch.from_numpy(np.array(v)) for k, v in classifier.abstention.state().items()
        },
    }
    tensors = {f"{p}.{k}": v.contiguous() for p, state in states.items() for k, v in state.items()}
    model, genes, cells = save(tensors), "\n".join(classifier.genes) + "\n", seen.text()
    plain = None if baseline is None else baseline.content()
    gates = json.dumps(dict(sanity), indent=1)
    config = RunConfig(
        layers=classifier.encoder.layers, head=head, types=classifier.types,
        terms=classifier.terms, temperature=classifier.temperature,
        sha256=Digests(
            genes=_sha256(genes.encode()), model=_sha256(model), seen=_sha256(cells.encode()),
            sanity=_sha256(gates.encode()),
            baseline=None if plain is None else _sha256(plain),
        ),
        about=dict(classifier.about), versions=versions(),
    )  # fmt: skip
    with explained_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG).unlink(missing_ok=True)
        atomic_write(folder / MODEL, model)
        atomic_write(folder / GENES, genes)
        atomic_write(folder / SEEN, cells)
        if plain is not None:
            atomic_write(folder / BASELINE, plain)
        atomic_write(folder / SANITY, gates)
        atomic_write(folder / METRICS, json.dumps(dict(metrics), indent=1))
        atomic_write(folder / CONFIG, json.dumps(asdict(config), indent=1))


def load_classifier(folder: str | Path) -> Classifier:
    """Read a run folder without executing anything in it.

    Raises
    ------
    InputError
        Naming the file that is missing, damaged or does not fit the others.
    """
    folder = Path(folder)
    config = read_config(folder / CONFIG)
    check_digest(folder / GENES, config.sha256.genes)
    genes = tuple((folder / GENES).read_text(encoding="utf-8").split())
    with _blamed_on(folder / CONFIG):
        if len(genes) != config.layers.n_genes:
            raise ValueError(f"{config.layers.n_genes} genes, {GENES} has {len(genes)}")
        with seeded(0):  # of no consequence: every weight is replaced
            encoder = Encoder(config.layers)
            head = heads.get(config.head)(config.layers.latent, len(config.types))
    check_digest(folder / MODEL, config.sha256.model)
    with _blamed_on(folder / MODEL):
        parts = _parts(load_file(folder / MODEL))
        encoder.load_state_dict(parts["encoder"])
        head.load_state_dict(parts["head"])
        arrays = {name: tensor.numpy() for name, tensor in parts["abstention"].items()}
        abstention = Conformal.from_state(arrays)
        if abstention.n_types != len(config.types):
            raise ValueError(f"abstention among {abstention.n_types} of {len(config.types)} types")
    return Classifier(
        encoder=encoder.eval().requires_grad_(False), head=head.eval().requires_grad_(False),
        genes=genes, types=config.types, terms=config.terms, temperature=config.temperature,
        abstention=abstention, about=config.about,
    )  # fmt: skip


@contextmanager
def _blamed_on(path: Path) -> Iterator[None]:
    """One line that names the file; readers of weights raise many kinds."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:
        raise InputError(f"{path}: damaged, or not of this run ({line(error)})") from error


def _parts(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    found: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        found[part][rest] = tensor
    return found


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
