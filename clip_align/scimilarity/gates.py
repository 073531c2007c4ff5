"""What must hold before a figure of an adapted encoder is believed; any failure fails the run.

Each gate stands for a fault that a published comparison had: an adapter that was never loaded, a
baseline that was the tuned encoder, statistics that moved, a baseline head of three steps, weights
that were copied by position instead of by gene.

Shapes: ``n`` cells, ``k`` genes that they measure, ``e`` embedding dimensions.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn import functional

from clip_align.scimilarity.lora import load_adapter, merged, save_adapter
from clip_align.scimilarity.network import Encoder, embed
from clip_align.scimilarity.sanity import Gate, Sanity
from clip_align.scimilarity.tune import Labelled, TuneConfig, Tuned

MERGED_WITHIN = 1e-5  # largest entry of a difference of unit vectors, by rounding alone
DIFFERS_BY = 1e-4  # mean length of the difference of two embeddings of a cell
SAME_LOSS = 1e-6  # of a cross-entropy that is computed again
SHOWN, SHOWN_WHOLE = 512, 64  # cells that are compared; on all genes of the source model


@dataclass(frozen=True, kw_only=True)
class Whole:
    """The source model's encoder over all its genes, and which of them the cells measure."""

    encoder: Encoder
    columns_k: Tensor


def statistics_digest(module: nn.Module) -> str:
    """Hash of every BatchNorm buffer, in order."""
    found = hashlib.sha256()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            for buffer in part.buffers():
                found.update(buffer.contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def examine(
    whole: Whole, adapted: Tuned, baseline: Tuned, known: Labelled, held: Labelled
) -> Sanity:
    """Ask every gate of an adapted classifier and its baseline, on the cells of their training.

    Parameters
    ----------
    whole
        The source model before anything was tuned.
    adapted, baseline
        The arm with adapters, and that of the head alone; the same settings but for what learns.
    """
    frozen = whole.encoder.on_genes(whole.columns_k)
    x_nk = known.x_nk[torch.linspace(0, len(known) - 1, min(SHOWN, len(known))).long()]
    before_ne, after_ne = embed(frozen, x_nk), adapted.embed(x_nk)
    distance = float((after_ne - before_ne).norm(dim=1).mean())
    heads = _head_difference(adapted.head, baseline.head)
    gates = (
        *_of_adapters(frozen, adapted, x_nk, before_ne, after_ne),
        *_of_whole(whole, adapted, x_nk[:SHOWN_WHOLE], after_ne[:SHOWN_WHOLE]),
        _equal("baseline is the frozen encoder", baseline.embed(x_nk), before_ne),
        *_of_heads(frozen, adapted, baseline, held),
        _above("the arm differs from its baseline", distance, DIFFERS_BY),
        _above("the arm's head is not the baseline's", heads, 0.0),
    )
    said = [arm.logits(arm.embed(held.x_nk)).argmax(dim=1) for arm in (adapted, baseline)]
    return Sanity(
        gates=gates,
        distance=distance,
        cosine=float(functional.cosine_similarity(after_ne, before_ne).mean()),
        prediction_parity=float((said[0] == said[1]).float().mean()),
        head_difference=heads,
    )


def _of_adapters(
    frozen: Encoder, adapted: Tuned, x_nk: Tensor, before_ne: Tensor, after_ne: Tensor
) -> Iterator[Gate]:
    model = adapted.encoder
    there = isinstance(model, PeftModel)
    yield Gate(name="adapters are there", passed=there, value=type(model).__name__, must="peft's")
    off = adapted.off_at_start
    yield Gate(
        name="adapters change nothing at step 0", passed=off == 0, value=off, must="0, bit for bit"
    )
    if not isinstance(model, PeftModel):
        return
    with model.disable_adapter():
        off_ne = embed(model, x_nk)
    yield _equal("adapters off are the frozen encoder", off_ne, before_ne)
    digests = statistics_digest(model), statistics_digest(frozen)
    yield Gate(
        name="BatchNorm statistics are kept", passed=digests[0] == digests[1],
        value=digests[0], must=digests[1],
    )  # fmt: skip
    yield _equal("merged is unmerged", embed(merged(model), x_nk), after_ne, MERGED_WITHIN)
    every_k = torch.arange(frozen.layers.n_genes)
    loaded = _saved_and_loaded(model, adapted.config, frozen, every_k)
    yield _equal("saved and loaded is the same", embed(loaded, x_nk), after_ne)


def _of_whole(whole: Whole, adapted: Tuned, x_nk: Tensor, after_ne: Tensor) -> Iterator[Gate]:
    """What a run folder holds, on cells over all genes: each weight must be at its own gene."""
    model = adapted.encoder
    if not isinstance(model, PeftModel):
        return
    x_ng = x_nk.new_zeros(len(x_nk), whole.encoder.layers.n_genes)
    x_ng[:, whole.columns_k] = x_nk
    run = adapted.among(whole.encoder, whole.columns_k)
    kept = _saved_and_loaded(model, adapted.config, whole.encoder, whole.columns_k)
    yield _equal("the run on all genes is the same", embed(run, x_ng), after_ne, MERGED_WITHIN)
    yield _equal("its adapters on all genes too", embed(kept, x_ng), after_ne, MERGED_WITHIN)


def _saved_and_loaded(
    model: PeftModel, config: TuneConfig, encoder: Encoder, columns_k: Tensor
) -> PeftModel:
    with tempfile.TemporaryDirectory() as folder:
        save_adapter(
            model, config.lora, folder, columns_k=columns_k, n_genes=encoder.layers.n_genes
        )  # fmt: skip
        return load_adapter(encoder, folder)


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
    yield Gate(
        name="the baseline's head is of its own embeddings", passed=abs(now - then) <= SAME_LOSS,
        value=now, must=f"the {then:.7g} of its training",
    )  # fmt: skip


def _equal(name: str, one_ne: Tensor, other_ne: Tensor, within: float = 0.0) -> Gate:
    off = float((one_ne - other_ne).abs().max())
    must = f"at most {within:g}" if within else "0, bit for bit"
    return Gate(name=name, passed=off <= within, value=off, must=must)


def _above(name: str, value: float, least: float) -> Gate:
    return Gate(name=name, passed=value > least, value=value, must=f"above {least:g}")


def _head_difference(one: nn.Module, other: nn.Module) -> float:
    """Mean absolute difference of the weights."""
    mine, theirs = (
        torch.cat([p.flatten() for p in head.state_dict().values()]) for head in (one, other)
    )
    return float((mine - theirs).abs().mean())
