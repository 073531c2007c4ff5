"""What a row of an alignment suite sets, and the configuration its record is known by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

from pydantic import TypeAdapter, ValidationError

from benchmarks import adaptation, baselines, matchers
from benchmarks.adaptation import Adaptation
from benchmarks.answers import EPSILON, Answer
from benchmarks.factors import factors
from benchmarks.method import method
from benchmarks.plans import DEALT, as_run, factors_in, is_dealt, resolve
from benchmarks.resample import N_REPLICATES
from benchmarks.siblings import AXES
from benchmarks.suites import Row
from benchmarks.suites.representations import BLOCKS
from clip_align.markers import tables_revision
from clip_align.models import models
from representations.base import Statistics
from representations.errors import InputError
from representations.family import Family
from representations.integrated_config import IntegratedConfig

PROTOCOL = 2
INTEGRATED = "X_integrated"
LATER = ("adaptation", "answer")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The base of the table; a row's variant changes single fields.

    ``blocks`` and ``weights`` are of ``X_integrated``: its own choice, every block (``all``) or
    those named (``pca+residual``), weighted by its own rule, alike, or as validation pairs have it.
    ``adaptation="matched"`` learns the query from its own cells and profiles, unpaired;
    ``answer="plan"`` gives each of its profiles the same share (:mod:`benchmarks.answers`).
    """

    panel_genes: Literal["removed", "kept"] = "removed"
    query_statistics: Statistics = "own"
    basis: Literal["train", "own"] = "train"
    blocks: str = "default"
    weights: Literal["default", "equal", "tuned"] = "default"
    adaptation: Literal["none"] | Adaptation = "none"
    answer: Answer = "cosine"


_SETTINGS = TypeAdapter(Setting)


def setting_of(row: Row) -> Setting:
    """Effective setting. Within one data set the query is scaled by training statistics.

    A variant may name a factor beside, which is for what is trained (``benchmarks.plans``).
    """
    base: dict[str, Any] = {"query_statistics": "train" if row.train == row.test else "own"}
    known: Family[object] = Family("field of an alignment row")
    for name in (*asdict(Setting()), *factors.names()):
        known.add(name, name)
    for name in row.variant:
        known.get(name)
    named = factors_in(row.variant)
    if named and row.model not in models.names() and not is_dealt(row.model, row.variant):
        raise InputError(f"variant {', '.join(named)}: {row.model} is not trained as a model is")
    given = {**base, **{k: v for k, v in row.variant.items() if k not in named}}
    try:
        return _SETTINGS.validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{first['loc'][0]}={first['input']}: {first['msg']}") from error


def settings_of(row: Row) -> dict[str, Any]:
    """A setting as records name it, less what came after the first of them and is not used."""
    setting, plain = asdict(setting_of(row)), Setting()
    for name in LATER:
        if setting[name] == getattr(plain, name):
            del setting[name]
    return setting


def config_of(row: Row, view: str, budget: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Resolved configuration of a row; its hash tells whether a record is still current.

    Code is not in it: a change that moves figures is a new ``PROTOCOL``, or a new ``revision`` of
    the representation. ``budget`` are fields that every training of a task starts from.
    """
    setting = settings_of(row)
    if row.representation != INTEGRATED:
        for name in ("blocks", "weights"):
            del setting[name]
    config: dict[str, Any] = {
        "protocol": PROTOCOL, "view": view, "n_replicates": N_REPLICATES,
        "setting": setting, "model": row.model, "siblings": _axes(),
        "markers": tables_revision(),
    }  # fmt: skip
    if row.model in baselines.names():
        config["baseline"] = baselines.settings(row.model)
        config |= DEALT if is_dealt(row.model, row.variant) else {}
    if row.model in matchers.names():
        refuse_unread(row, LATER)
        config["matcher"] = matchers.create(row.model).settings()
    if row.representation != "none":
        blocks, made = blocks_of(setting_of(row)), None
        if "+" in setting.get("blocks", ""):  # named: their own settings decide, not the defaults'
            made = IntegratedConfig(blocks=cast(tuple[str, ...], blocks))
        config["representation"] = method(row.representation, blocks, config=made)
    if row.model in models.names():
        config["train"] = trained_as(row.model, row.variant, budget)
        control = resolve(row.model, row.variant, budget).control
        config |= {} if control == "none" else {"control": control}
    if "adaptation" in setting:
        config["adaptation"] = adaptation.identity(setting["adaptation"])
    if "answer" in setting:
        config["answer"] = {"epsilon": EPSILON}
    return config


def refuse_unread(row: Row, names: Sequence[str]) -> None:
    """Raise ``InputError`` where a variant names what the row's model does not read."""
    if named := [name for name in names if name in row.variant]:
        raise InputError(f"variant {named[0]}: {row.model} does not read it; leave it out")


def trained_as(
    model: str,
    variant: Mapping[str, Any] | None = None,
    budget: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Configuration of a training, as it runs: a model's base unless told."""
    run = as_run(resolve(model, variant, budget).train)
    return _given(asdict(run) | {"panel_dropout": run.panel_dropout or None})


def _given(config: dict[str, Any]) -> dict[str, Any]:
    """Less what is not used: a part that a model could have and has not is not in its identity."""
    nested = {
        key: _given(value) if isinstance(value, dict) else value for key, value in config.items()
    }
    return {key: value for key, value in nested.items() if value not in (None, {})}


def blocks_of(setting: Setting) -> tuple[str, ...] | None:
    """Names of the blocks of ``X_integrated``, None where they are its own choice."""
    if setting.blocks == "default":
        return None
    return every_block() if setting.blocks == "all" else tuple(setting.blocks.split("+"))


def every_block() -> tuple[str, ...]:
    """Names of all blocks but the one that is made of them."""
    return tuple(block.removeprefix("X_") for block in BLOCKS if block != INTEGRATED)


def _axes() -> list[list[str]]:
    return [
        [axis.first, *sorted(axis.first_types), axis.second, *sorted(axis.second_types)]
        for axis in AXES
    ]
