"""Settings of a configuration from a command line: ``KEY=VALUE``, dots for what is nested."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from representations.errors import InputError

Change = tuple[list[str], str, str]  # path, value, and the setting as it was written


def configured(config: Any, settings: Sequence[str]) -> Any:
    """``config`` with settings such as ``roots=cell_1,cell_2`` or ``pca.n_components=20``.

    All at once, since one may need another: ``encode_batch=true batch_key=donor``. Raises
    ``InputError`` for a field that is unknown or a value that does not fit it.
    """
    parted = [(setting, *setting.partition("=")) for setting in settings]
    for setting, key, equals, _ in parted:
        if not (key and equals):
            raise InputError(f"--set {setting}: write KEY=VALUE")
    return _changed(config, [(key.split("."), value, s) for s, key, _, value in parted])


def _changed(config: Any, changes: Sequence[Change]) -> Any:
    """Fields first, what is nested in them after: a new list of blocks has others nested."""
    flat = {path[0]: (value, s) for path, value, s in changes if len(path) == 1}
    if flat:
        for name, (_, setting) in flat.items():
            _check_field(name, _known(config, setting), setting)
        if isinstance(config, dict):
            (name, (_, setting)), *_ = flat.items()
            raise InputError(f"--set {setting}: {name!r} has fields; give one of them, with a dot")
        hints = get_type_hints(type(config))
        config = replace(config, **{k: _read(hints[k], v, s) for k, (v, s) in flat.items()})
    nested: dict[str, list[Change]] = {}
    for path, value, setting in changes:
        if len(path) > 1:
            _check_field(path[0], _known(config, setting), setting)
            nested.setdefault(path[0], []).append((path[1:], value, setting))
    if not nested:
        return config
    if isinstance(config, dict):  # configurations of blocks by their names
        return {**config, **{name: _changed(config[name], own) for name, own in nested.items()}}
    own = {name: _changed(getattr(config, name), changes) for name, changes in nested.items()}
    return replace(config, **own)


def _known(config: Any, setting: str) -> list[str]:
    if isinstance(config, dict):
        return list(config)
    if not is_dataclass(config):
        raise InputError(f"--set {setting}: nothing is nested there; give a field of its own")
    return [field.name for field in fields(config)]


def _check_field(name: str, known: list[str], setting: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" (is it {near[0]!r}?)" if near else ""
        raise InputError(f"--set {setting}: no field {name!r}{hint}; known: {', '.join(known)}")


def _read(hint: Any, text: str, setting: str) -> Any:
    """The value that a field of this type gets; commas separate where there may be several."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    several = str(hint).startswith("tuple")
    if several and not isinstance(value, list):
        value = text.split(",")
    elif isinstance(value, int | float) and not isinstance(value, bool) and "str" in str(hint):
        value = text  # a cell may be called 12
    try:
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]["msg"]
        raise InputError(f"--set {setting}: {text!r} does not fit ({first})") from error
