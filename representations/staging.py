"""Several files of a folder at once: all of them or none."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from representations.errors import InputError
from representations.io import explained_disk_errors


@contextmanager
def staged(folder: Path, files: Sequence[str]) -> Iterator[Path]:
    """A folder to write into; its ``files`` replace those of ``folder`` when the block ends well.

    One that is not written is taken away from ``folder``. The first of ``files`` goes first and
    comes last: where it is, the others are whole and of the same making.

    Raises
    ------
    InputError
        The disk is full or the folder cannot be written; it is then as it was.
    """
    with set_apart(folder) as staging:
        yield staging
        for name in files:
            if not (staging / name).exists() or name == files[0]:
                (folder / name).unlink(missing_ok=True)
        for name in reversed(files):
            if (staging / name).exists():
                (folder / name).parent.mkdir(exist_ok=True)
                (staging / name).replace(folder / name)


@contextmanager
def set_apart(folder: Path, name: str = "staged") -> Iterator[Path]:
    """An empty folder inside ``folder``, so on its disk, that is gone when the block ends.

    So is ``folder`` where it was made for it and nothing was put there.

    Raises
    ------
    InputError
        As the block raises it, of its kind and with ``folder`` in the place of the one inside; or
        the disk is full, or ``folder`` cannot be written.
    """
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    inside = folder / f".{name}-{secrets.token_hex(4)}"
    try:
        with explained_disk_errors(folder):
            inside.mkdir(parents=True)
            yield inside
    except InputError as error:
        raise type(error)(str(error).replace(str(inside), str(folder))) from error
    finally:
        shutil.rmtree(inside, ignore_errors=True)
        for place in made:
            with suppress(OSError):  # a folder that holds something stays
                place.rmdir()
