"""What must hold before a figure of an adapted encoder is believed; any failure fails the run.

Each gate stands for a fault that a published comparison had: an adapter that was never loaded, a
baseline that was the tuned encoder, statistics that moved, a baseline head of three steps.

Shapes: ``n`` cells, ``e`` embedding dimensions.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn import functional

from clip_align.scimilarity.lora import add_adapters, load_adapter, merged, save_adapter
from clip_align.scimilarity.network import Encoder, embed
from clip_align.scimilarity.tune import Labelled, Tuned
from representations.errors import InputError

MERGED_WITHIN = 1e-5  # largest entry of a difference of unit vectors, by rounding alone
DIFFERS_BY = 1e-4  # mean length of the difference of two embeddings of a cell
SAME_LOSS = 1e-6  # of a cross-entropy that is computed again
SHOWN = 512  # cells that are compared


class GateError(InputError):
    """A gate is closed: the run's figures would not be what they are called."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One condition, what was measured for it, and what that must be."""

    name: str
    passed: bool
    value: float | str
    must: str


@dataclass(frozen=True, kw_only=True)
class Sanity:
    """All gates, and how far apart both encoders are; ``sanity.json`` of a run."""

    gates: tuple[Gate, ...]
    distance: float
    cosine: float
    prediction_parity: float
    head_difference: float

    @property
    def passed(self) -> bool:
        """Whether every gate is open."""
        return all(gate.passed for gate in self.gates)

    def require(self) -> None:
        """Raise :class:`GateError` naming the first gate that is closed."""
        for gate in self.gates:
            if not gate.passed:
                raise GateError(f"gate {gate.name} is closed: {gate.value}, must be {gate.must}")

    def document(self) -> dict[str, Any]:
        """As it is written."""
        return {**asdict(self), "passed": self.passed}


def statistics_digest(module: nn.Module) -> str:
    """Hash of every BatchNorm buffer, in order."""
    found = hashlib.sha256()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            for buffer in part.buffers():
                found.update(buffer.contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def examine(
    frozen: Encoder, adapted: Tuned, baseline: Tuned, known: Labelled, held: Labelled
) -> Sanity:
    """Ask every gate of an adapted classifier and its baseline, on the cells of their training.

    Parameters
    ----------
    frozen
        The encoder before anything was tuned.
    adapted, baseline
        The arm with adapters, and that of the head alone; the same settings but for what learns.
    """
    model, x_nk = adapted.encoder, known.x_nk[:SHOWN]
    before_ne, after_ne = embed(frozen, x_nk), embed(model, x_nk)
    base_ne = embed(baseline.encoder, x_nk)
    gates = [
        *_of_adapters(frozen, adapted, x_nk, before_ne, after_ne),
        _equal("baseline is the frozen encoder", base_ne, before_ne),
        *_of_heads(frozen, adapted, baseline, held),
    ]
    distance = float((after_ne - before_ne).norm(dim=1).mean())
    gates.append(
        Gate(
            name="the arm differs from its baseline", passed=distance > DIFFERS_BY,
            value=distance, must=f"above {DIFFERS_BY:g} in mean distance",
        )
    )  # fmt: skip
    said = [t.logits(z).argmax(dim=1) for t, z in ((adapted, after_ne), (baseline, base_ne))]
    return Sanity(
        gates=tuple(gates),
        distance=distance,
        cosine=float(functional.cosine_similarity(after_ne, before_ne).mean()),
        prediction_parity=float((said[0] == said[1]).float().mean()),
        head_difference=_head_difference(adapted.head, baseline.head),
    )


def _of_adapters(
    frozen: Encoder, adapted: Tuned, x_nk: Tensor, before_ne: Tensor, after_ne: Tensor
) -> Iterator[Gate]:
    model = adapted.encoder
    there = isinstance(model, PeftModel)
    yield Gate(name="adapters are there", passed=there, value=type(model).__name__, must="peft's")
    if not isinstance(model, PeftModel):
        return
    fresh = add_adapters(frozen, adapted.config.lora, seed=adapted.config.seed)
    yield _equal("adapters change nothing at step 0", embed(fresh, x_nk), before_ne)
    with model.disable_adapter():
        off_ne = embed(model, x_nk)
    yield _equal("adapters off are the frozen encoder", off_ne, before_ne)
    digests = statistics_digest(model), statistics_digest(frozen)
    yield Gate(
        name="BatchNorm statistics are kept", passed=digests[0] == digests[1],
        value=digests[0], must=digests[1],
    )  # fmt: skip
    yield _equal("merged is unmerged", embed(merged(model), x_nk), after_ne, MERGED_WITHIN)
    with tempfile.TemporaryDirectory() as folder:
        every_k = torch.arange(frozen.layers.n_genes)
        save_adapter(
            model, adapted.config.lora, folder, columns_k=every_k, n_genes=len(every_k)
        )  # fmt: skip
        loaded_ne = embed(load_adapter(frozen, folder), x_nk)
    yield _equal("saved and loaded is the same", loaded_ne, after_ne)


def _of_heads(frozen: Encoder, adapted: Tuned, baseline: Tuned, held: Labelled) -> Iterator[Gate]:
    steps = adapted.steps, baseline.steps
    yield Gate(
        name="both heads had the same steps", passed=steps[0] == steps[1] > 0,
        value=f"{steps[1]} of the baseline's", must=f"{steps[0]}",
    )  # fmt: skip
    # On frozen embeddings the head must do what it did when it was trained: another's does not.
    logit_nt = baseline.logits(embed(frozen, held.x_nk))
    now = float(functional.cross_entropy(logit_nt, held.type_n))
    then = baseline.history[baseline.best_epoch]["held/cross_entropy"]
    own = abs(now - then) <= SAME_LOSS and _head_difference(adapted.head, baseline.head) > 0
    yield Gate(
        name="the baseline's head is of its own embeddings", passed=own,
        value=now, must=f"the {then:.7g} of its training, by a head that is not the arm's",
    )  # fmt: skip


def _equal(name: str, one_ne: Tensor, other_ne: Tensor, within: float = 0.0) -> Gate:
    off = float((one_ne - other_ne).abs().max())
    must = f"at most {within:g}" if within else "0, bit for bit"
    return Gate(name=name, passed=off <= within, value=off, must=must)


def _head_difference(one: nn.Module, other: nn.Module) -> float:
    """Mean absolute difference of the weights."""
    mine, theirs = (
        torch.cat([p.flatten() for p in head.state_dict().values()]) for head in (one, other)
    )
    return float((mine - theirs).abs().mean())
