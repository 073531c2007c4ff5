"""What a row trains: the base of its model, or that with one factor at another level.

A level must change fields that it sets, and nothing else: a row that changes nothing is refused
here, before anything is trained, and again by its figures (``grouping.check_differ``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any, Literal

from benchmarks import baselines
from benchmarks.factors import Fields, factors
from clip_align.config import TrainConfig, bases, panel_share
from clip_align.losses import options_of
from representations.errors import InputError

# What every training of an ablation starts from, beside the base of its model.
BUDGET: Mapping[str, Any] = {"epochs": 10, "patience": 10, "batch_size": 128}
Control = Literal["none", "random_init", "shuffled_pairs"]
DEALT: Mapping[str, str] = {"control": "shuffled_pairs"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A training, and its control: no training at all, or pairs that are none."""

    train: TrainConfig
    control: Control = "none"


def resolve(
    model: str,
    variant: Mapping[str, Any] | None = None,
    start: Mapping[str, Any] | None = None,
) -> Plan:
    """What a row of this model and variant trains; fields of a variant without factor are others'.

    ``start`` are fields of the training in which the base of a task differs from the model's own.

    Raises
    ------
    InputError
        A level that is not known, with the nearest; one that ``model`` has no part for; one that
        changes nothing, or more than it sets; or two factors at once.
    """
    base, named = _base(model, start), factors_in(variant or {})
    if len(named) > 1:
        raise InputError(f"variant {', '.join(sorted(named))}: a row changes one factor")
    for name, level in named.items():
        factor = factors.get(name)
        if factor.models and model not in factor.models:
            raise InputError(f"{name}={level}: for {', '.join(factor.models)}, not for {model}")
        sets = factor.level(level)
        plan: Plan = with_fields(base, sets)
        check(base, plan, sets, what=f"{model}, {name}={level}")
        return plan
    return base


def _base(model: str, start: Mapping[str, Any] | None) -> Plan:
    return Plan(train=replace(bases.get(model), **(start or {})))


def factors_in(variant: Mapping[str, Any]) -> dict[str, str]:
    """The factors that a variant names, and their levels."""
    return {key: str(value) for key, value in variant.items() if key in factors.names()}


def is_dealt(model: str, variant: Mapping[str, Any]) -> bool:
    """Whether a baseline learns from pairs dealt anew, the one control that it can have."""
    return model in baselines.names() and factors_in(variant) == DEALT


def check(base: Plan, plan: Plan, sets: Fields, *, what: str) -> None:
    """Refuse a plan that is the base's, or that differs from it in a field not in ``sets``."""
    changed = differing(base, plan)
    if not changed:
        raise InputError(f"{what}: changes nothing of the base, so it is no row of a comparison")
    beside = [key for key in changed if not any(f"{key}.".startswith(f"{x}.") for x in sets)]
    if beside:
        raise InputError(f"{what}: also changes {', '.join(beside)}; a row changes what it names")


def differing(one: Plan, other: Plan) -> list[str]:
    """Dotted names of the fields in which two plans differ, as they run."""
    ours, theirs = effective(one), effective(other)
    return sorted(
        key for key in ours.keys() | theirs.keys() if ours.get(key, "") != theirs.get(key, "")
    )


def effective(plan: Plan) -> dict[str, Any]:
    """Every field by its dotted name, as it runs."""
    return _flat(asdict(replace(plan, train=as_run(plan.train))))


def as_run(config: TrainConfig) -> TrainConfig:
    """A training with every default filled in: options of the loss, share of a panel dropped."""
    options = options_of(config.loss, config.loss_options)
    return replace(config, loss_options=options, panel_dropout=panel_share(config))


def rows_of(factor: str, model: str, start: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Levels of a factor that are rows of a model: all but the one that its base has."""
    base = base_level(factor, model, start)
    known = factors.get(factor)
    return tuple(x for x in known.levels if x != base) if has(factor, model) else ()


def has(factor: str, model: str) -> bool:
    """Whether a model has the part that a factor changes."""
    models = factors.get(factor).models
    return not models or model in models


def base_level(factor: str, model: str, start: Mapping[str, Any] | None = None) -> str | None:
    """The level that the base of a model has, None where it has none of them.

    Raises ``InputError`` where it has several, since all but one of them change nothing.
    """
    base = _base(model, start)
    levels = factors.get(factor).levels if has(factor, model) else {}
    same = [name for name, sets in levels.items() if not differing(base, with_fields(base, sets))]
    if len(same) > 1:
        raise InputError(f"{factor}: {' and '.join(same)} both are the base of {model}")
    return same[0] if same else None


def with_fields(config: Any, sets: Fields) -> Any:
    """A frozen configuration with dotted fields set; ``InputError`` for one it has not."""
    for dotted, value in sets.items():
        name, _, rest = dotted.partition(".")
        if not is_dataclass(config) or name not in {field.name for field in fields(config)}:
            raise InputError(f"{dotted}: no such field of {type(config).__name__}")
        inner = with_fields(getattr(config, name), {rest: value}) if rest else value
        config = replace(config, **{name: inner})  # type: ignore[type-var]
    return config


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat
