"""JSON files of run folders, read as the dataclass that wrote them."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from representations.errors import InputError

CONFIG = "config.json"
VERSIONED = (
    "clip_align", "torch", "scanpy", "anndata", "faiss-cpu", "numpy", "scikit-learn", "peft",
)  # fmt: skip
T = TypeVar("T")


def versions() -> dict[str, str]:
    """Versions of the packages that decide a result, as far as they are known."""
    known = {}
    for name in VERSIONED:
        with suppress(importlib.metadata.PackageNotFoundError):  # faiss has other names in conda
            known[name] = importlib.metadata.version(name)
    return known


def read_document(path: Path, kind: type[T], *, run: str = "run") -> T:
    """A JSON file as the dataclass ``kind``: every key known, every value of its type.

    Parameters
    ----------
    run
        What the folder is of, for who gave another.

    Raises
    ------
    InputError
        The file is missing, damaged, of another kind of run or of another version.
    """
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        value = TypeAdapter(kind).validate_python(given)
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: missing; name the folder of a finished {run} (it holds {CONFIG})"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise InputError(
            f"{path}: not of this version's {run} ({where}: {first['msg']})"
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: damaged ({line(error)}); train the run again") from error
    if strangers := list(_strangers(given, TypeAdapter(kind).dump_python(value))):
        raise InputError(f"{path}: not of this version's {run} (unknown key {strangers[0]})")
    return value


def line(error: BaseException) -> str:
    """The text of an error in one line of at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _strangers(given: Any, known: Any, at: str = "") -> Iterator[str]:
    """Keys that reading has dropped, as dotted paths."""
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            if key not in known:
                yield f"{at}{key}"
            else:
                yield from _strangers(value, known[key], f"{at}{key}.")
