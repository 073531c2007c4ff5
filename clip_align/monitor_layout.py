"""The order of TensorBoard's tab Custom Scalars: collapse first, everything else closed below."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from clip_align.collapse_figures import CONFUSION, LINEAGE, SIBLINGS

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

# The tab as an address opens it; smoothing would hide how fast a collapse came.
TAB = "#custom_scalars&_smoothingWeight=0"

# A tag that ends in a slash stands for all below it, in one chart.
CATEGORIES: Mapping[str, Mapping[str, str]] = {
    "Collapse, by epoch: is it there? (beside the run: random init, shuffled pairs)": {
        "Signs of collapse: 0 is healthy": "collapse/signs",
        "RankMe, cells, in dimensions: falls towards 1 in collapse": "collapse/rankme_cell",
        "Uniformity, cells: rises to 0 in collapse": "collapse/uniformity_cell",
        "Effective rank, cells: in dimensions, below 1.5 collapsed": "collapse/effective_rank_cell",
        "Centred cosine within lineages: near 1 they are fused": f"collapse/{LINEAGE}",
        "Centred cosine of siblings: near 1 they are fused": f"collapse/{SIBLINGS}",
        "Sibling confusion: 0.5 is chance": f"collapse/{CONFUSION}",
        "Modality gap: above 1 the sides are islands": "collapse/modality_gap",
        "Alignment: squared distance of true pairs": "collapse/alignment",
    },
    "Collapse: marker side": {
        "RankMe, markers, in dimensions": "collapse/rankme_marker",
        "Uniformity, markers": "collapse/uniformity_marker",
        "Effective rank, markers, in dimensions": "collapse/effective_rank_marker",
    },
    "Lineages and siblings one by one": {
        "Centred cosine within each lineage": f"{LINEAGE}/",
        "Centred cosine of each pair of siblings": f"{SIBLINGS}/",
        "Confusion of each pair of siblings": f"{CONFUSION}/",
    },
    "Retrieval on validation": {
        "Pair accuracy: 0.5 is chance": "val/pair_accuracy",
        "Recall at 10: share of cells": "val/recall@10",
        "Recall at 1: share of cells": "val/recall@1",
        "Mean reciprocal rank": "val/mrr",
        "Validation loss, in nats": "val/loss",
    },
    "Training": {
        "Training loss, in nats": "train/loss",
        "Logit scale: 1 / temperature, 100 at most": "train/logit_scale",
        "Logit scale, deviation over cells": "train/logit_scale_spread",
        "Gradient norm, before clipping": "train/grad_norm",
        "Learning rate": "train/learning_rate",
    },
    "Cache of hard negatives": {
        "Hit rate: share of pairs served from an earlier list": "train/cache_hits",
        "False-negative rate: share of negatives of the pair's own type": "train/cache_false",
        "Age of embeddings, in steps": "train/cache_age",
        "Staleness: share of a renewed list that is new": "train/cache_stale",
        "Kept: share of listed embeddings that are still there": "train/cache_there",
    },
}
OPEN = 1
CACHED = "train/cache_"  # its figures are known as soon as there are lists to tell of


def layout(tags: Sequence[str]) -> Summary:
    """The layout, with the charts for which there are ``tags`` in the first epoch, or will be."""
    from tensorboard.compat.proto import summary_pb2, tensor_pb2
    from tensorboard.plugins.custom_scalar import layout_pb2, metadata

    found, tags = layout_pb2.Layout(), list(tags)
    if any(tag.startswith(CACHED) for tag in tags):
        known = (tag for charts in CATEGORIES.values() for tag in charts.values())
        tags += (tag for tag in known if tag.startswith(CACHED))
    for number, (title, charts) in enumerate(CATEGORIES.items()):
        here = {name: tag for name, tag in charts.items() if any(map(_matches(tag), tags))}
        if here:
            category = found.category.add(title=title, closed=number >= OPEN)
            for name, tag in here.items():
                category.chart.add(title=name).multiline.tag.append(_regex(tag))
    # tensorboard's own way to write it asks for tensorflow
    tensor = tensor_pb2.TensorProto(dtype="DT_STRING", string_val=[found.SerializeToString()])
    value = summary_pb2.Summary.Value(
        tag=metadata.CONFIG_SUMMARY_TAG, tensor=tensor, metadata=metadata.create_summary_metadata()
    )
    return summary_pb2.Summary(value=[value])


def _regex(tag: str) -> str:
    """TensorBoard matches from the start only: without an end recall@1 would draw recall@10."""
    return f"^{re.escape(tag)}" + ("" if tag.endswith("/") else "$")


def _matches(tag: str) -> Callable[[str], object]:
    return re.compile(_regex(tag)).match
