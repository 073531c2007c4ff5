"""Settings of a configuration from a command line: ``KEY=VALUE``, dots for what is nested."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from representations.errors import InputError


def configured(config: Any, settings: Sequence[str]) -> Any:
    """``config`` with settings such as ``roots=cell_1,cell_2`` or ``pca.n_components=20``.

    Raises ``InputError`` for a field that is unknown or a value that does not fit it.
    """
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not (key and equals):
            raise InputError(f"--set {setting}: write KEY=VALUE")
        config = _changed(config, key.split("."), value, setting)
    return config


def _changed(config: Any, path: list[str], value: str, setting: str) -> Any:
    name, rest = path[0], path[1:]
    if isinstance(config, dict):  # configurations of blocks by their names
        known = list(config)
    elif is_dataclass(config):
        known = [field.name for field in fields(config)]
    else:
        raise InputError(f"--set {setting}: nothing is nested there; give a field of its own")
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" (is it {near[0]!r}?)" if near else ""
        raise InputError(f"--set {setting}: no field {name!r}{hint}; known: {', '.join(known)}")
    if isinstance(config, dict):
        return {**config, name: _changed(config[name], rest or [""], value, setting)}
    if rest:
        return replace(config, **{name: _changed(getattr(config, name), rest, value, setting)})
    return replace(config, **{name: _read(get_type_hints(type(config))[name], value, setting)})


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
