"""Factors of an ablation: named axes, their levels, and the fields that each level sets.

A level is one line. What a row makes of it, and what is refused, is in ``benchmarks.plans``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clip_align.augment import augmentations
from clip_align.config import PLAIN
from clip_align.losses import losses
from clip_align.models import OPTIMIZED
from representations.family import Family

Fields = Mapping[str, Any]
# What is not there yet is left out, and is a row as soon as it is.
AUGMENTATIONS = (
    ("none", 0.0), ("gaussian", 0.1), ("gaussian", 0.3), ("dropout", 0.2), ("masking", 0.2),
    ("thinning", 0.2),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Factor:
    """An axis: its title for a reader, and by level the dotted fields of a plan that it sets.

    ``models`` have such a part; all do where none is named.
    """

    title: str
    levels: Mapping[str, Fields]
    models: tuple[str, ...] = ()

    def level(self, name: str) -> Fields:
        """Fields of a level, or ``InputError`` with the nearest."""
        known: Family[Fields] = Family(f"level of {self.title!r}")
        for level, sets in self.levels.items():
            known.add(level, sets)
        return known.get(name)


factors: Family[Factor] = Family("factor")


def _add(name: str, title: str, levels: Mapping[str, Fields], models: tuple[str, ...] = ()) -> None:
    factors.add(name, Factor(title=title, levels=levels, models=models))


def _train(**sets: Any) -> Fields:
    """Fields of a training; two underscores are a dot."""
    return {f"train.{name.replace('__', '.')}": value for name, value in sets.items()}


def _towers(**sets: Any) -> Fields:
    """Fields of both towers."""
    towers = ("cell", "marker")
    return {f"train.model.{tower}.{name}": sets[name] for tower in towers for name in sets}


def _cache(**sets: Any) -> Fields:
    return {f"train.model.cache.{name}": value for name, value in sets.items()}


def _numbers(field: str, *values: int) -> dict[str, Fields]:
    return {str(value): {f"train.{field}": value} for value in values}


_add("batch_size", "batch size", _numbers("batch_size", 32, 64, 128, 256, 1024))
_add(
    "learning_rate",
    "learning rate",
    {name: _train(learning_rate=float(name)) for name in ("1e-4", "3e-4", "1e-3")},
)
_add(
    "encoder",
    "encoder of both towers",
    {
        "mlp-2": _towers(encoder="mlp", depth=2),
        "mlp-4": _towers(encoder="mlp", depth=4),
        "resnet-2": _towers(encoder="resnet", depth=2),
        "transformer-3": _towers(encoder="transformer", depth=3),
        "transformer-6": _towers(encoder="transformer", depth=6),
    },
)
_add(
    "marker_encoder",
    "encoder of the marker tower",
    {
        "mlp": _train(model__marker__encoder="mlp", panel_dropout=None),
        "set": _train(model__marker__encoder="set", panel_dropout=0.5),  # what it is there for
        "set-whole": _train(model__marker__encoder="set", panel_dropout=0.0),
    },
)
_add("head", "projection head", {name: _towers(head=name) for name in ("linear", "mlp", "skip")})
_add(
    "members",
    "towers a side that count together",
    {str(k or 1): _train(model__members=k) for k in (None, 2, 4)},
)
_add(
    "hierarchy",
    "marker tower reads the hierarchy",
    {name: _train(model__hierarchy=on) for name, on in (("no", None), ("yes", True))},
)
_add("embed_dim", "embedding dimensions", _numbers("model.embed_dim", 32, 64, 128, 256, 512))
_add(
    "loss",
    "loss",
    {name: _train(loss=name, loss_options={}) for name in losses.names()}
    | {"label_smoothing": _train(loss="label_smoothing", loss_options={"smoothing": 0.1})},
)
_add(
    "augmentation",
    "augmentation and its strength",
    {
        f"{name}-{strength}" if strength else name: _train(
            augmentation=name, augmentation_strength=strength
        )
        for name, strength in AUGMENTATIONS
        if name in augmentations.names()
    },
)
_add(
    "temperature",
    "temperature",
    {name: _train(model__temperature=name) for name in ("fixed", "learned", "adaptive")},
)
_add(
    "hard_negatives",
    "cache of hard negatives",
    {"no": _train(model__cache=None), "yes": _train(model__cache=OPTIMIZED.cache)},
    (PLAIN,),
)
_add(
    "cache",
    "cache: who is spared as a negative",
    {
        "no cache": _train(model__cache=None),
        "duplicates": _cache(spared="duplicates"),
        "alike": _cache(spared="alike"),
        "alike-0.3": _cache(spared="alike", likeness=0.3),
        "type": _cache(spared="type"),
        "lineage": _cache(spared="lineage"),
    },
    (OPTIMIZED.name,),
)
_add(
    "negatives",
    "cache: hard negatives of a pair",
    _numbers("model.cache.negatives", 4, 16, 64),
    (OPTIMIZED.name,),
)
_add(
    "mined_weight",
    "cache: how many negatives of the batch a mined one counts as",
    {"by chance": _cache(weight=0.0), "1": _cache(weight=1.0)},
    (OPTIMIZED.name,),
)
_add("control", "control", {name: {"control": name} for name in ("random_init", "shuffled_pairs")})
