"""The folder of a saved representation: what it is as JSON, what it learned as safetensors."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from representations.errors import InputError
from representations.io import atomic_write, explained_disk_errors
from representations.output import check_folder

META_FILE = "representation.json"
ARRAY_FILE = "arrays.safetensors"
META_KEYS = ("name", "config", "record", "arrays_sha256")


def check_saved(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that cannot be written, or whose files would be replaced unasked."""
    check_folder(folder, (META_FILE, ARRAY_FILE), overwrite=overwrite)


def write_saved(folder: str | Path, meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write both files; the first holds the digest of the second, so a mixed pair is noticed."""
    folder = Path(folder)
    data = save({key: np.ascontiguousarray(value) for key, value in arrays.items()})
    meta = {**meta, "arrays_sha256": hashlib.sha256(data).hexdigest()}
    text = json.dumps(meta, indent=1)
    check_saved(folder, overwrite=True)
    with explained_disk_errors(folder):
        atomic_write(folder / ARRAY_FILE, data)
        atomic_write(folder / META_FILE, text)


def read_saved(folder: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What :func:`write_saved` wrote. Raises ``InputError`` when it is missing or damaged."""
    folder = Path(folder)
    try:
        meta = json.loads((folder / META_FILE).read_text(encoding="utf-8"))
        data = (folder / ARRAY_FILE).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        path = error.filename or folder
        raise InputError(f"{path}: no saved representation there; give its folder") from error
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # neither UTF-8 nor JSON
        raise damaged(folder, f"{META_FILE}: {error}") from error
    if not isinstance(meta, dict) or any(key not in meta for key in META_KEYS):
        raise damaged(folder, f"{META_FILE} lacks one of {', '.join(META_KEYS)}")
    if not isinstance(meta["name"], str):
        raise damaged(folder, f"{META_FILE}: the name is no text")
    if hashlib.sha256(data).hexdigest() != meta["arrays_sha256"]:
        raise damaged(folder, f"{ARRAY_FILE} is not the one {META_FILE} was saved with")
    try:
        return meta, load(data)
    except SafetensorError as error:
        raise damaged(folder, f"{ARRAY_FILE}: {error}") from error


def prefixed(prefix: str, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The state of a part, for the state of the whole."""
    return {f"{prefix}.{key}": value for key, value in state.items()}


def part(prefix: str, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Inverse of :func:`prefixed`."""
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}


def damaged(folder: str | Path, what: str) -> InputError:
    """The error of a folder that does not hold what was saved."""
    return InputError(f"{folder}: damaged representation ({what}); save it again")
