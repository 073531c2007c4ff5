"""Cells and marker profiles in one space: coordinates kept as CSV, from which the figure is drawn.

Shapes: ``n`` test cells, ``e`` embedding dimensions.
"""

from __future__ import annotations

import importlib.metadata
import io
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from einops import pack

from benchmarks import datasets
from benchmarks.commit import git_commit
from benchmarks.run import identify
from benchmarks.suites import OURS, Row
from benchmarks.tasks.align_adt import AlignAdt
from representations.errors import InputError
from representations.io import atomic_write

FILE = Path("joint_umap/coordinates.csv")
ROW = Row(task="align_adt", train="teaseq", test="teaseq", representation="X_pca", model=OURS)
CELL, MARKERS = "cell", "markers"
COLUMNS = ("id", "type", "modality", "x", "y")
N_NEIGHBORS, MIN_DIST = 15, 0.3


@dataclass(frozen=True, kw_only=True)
class Coordinates:
    """``points``: a row a cell and one a marker profile; ``about``: where they come from."""

    points: pd.DataFrame
    about: dict[str, str]

    required: ClassVar[tuple[str, ...]] = ("dataset", "n", "model", "representation", "seed")


def coordinates(row: Row = ROW, *, seed: int = 0) -> Coordinates:
    """Train on the training split, embed both sides of the test split, lay them out together.

    Returns
    -------
    Fine names of the types; coordinates to three decimals.
    """
    pairs = AlignAdt(row.train, row.test, seed).embeddings(row)
    terms = datasets.get(row.test).terms
    both_ne, _ = pack([pairs.cell_nd, pairs.marker_nm], "* e")
    x, y = np.round(layout(both_ne, seed=seed), 3).T
    points = pd.DataFrame(
        {
            "id": np.tile(pairs.ids_n, 2),
            "type": np.tile([terms[label].fine for label in pairs.types_n], 2),
            "modality": np.repeat([CELL, MARKERS], len(pairs)),
            "x": x,
            "y": y,
        }
    )
    identity = identify("joint_umap", row, seed)
    about = {
        "dataset": identity.test,
        "model": row.model,
        "representation": row.representation,
        "view": AlignAdt.view,
        "seed": str(seed),
        "config_hash": identity.config_hash,
        "n": str(len(pairs)),
        "umap": f"cosine, {N_NEIGHBORS} neighbours, min_dist {MIN_DIST}",
        "umap-learn": importlib.metadata.version("umap-learn"),
        "git_commit": str(git_commit()),
    }
    return Coordinates(points=points, about=about)


def layout(both_ne: np.ndarray, *, seed: int) -> np.ndarray:
    """UMAP (McInnes 2018) of unit vectors by cosine, ``(n, 2)``; one thread, so reproducible."""
    from umap import UMAP  # slow to import, and only this needs it

    umap = UMAP(
        metric="cosine", n_neighbors=N_NEIGHBORS, min_dist=MIN_DIST, random_state=seed, n_jobs=1
    )
    return np.asarray(umap.fit_transform(both_ne), dtype=np.float64)


def write(found: Coordinates, path: Path) -> Path:
    """CSV under a head of ``# key: value`` lines."""
    head = "".join(f"# {key}: {value}\n" for key, value in found.about.items())
    body = found.points.to_csv(index=False, float_format="%.3f", lineterminator="\n")
    atomic_write(path, head + body)
    return path


def read(path: Path) -> Coordinates:
    """What :func:`write` wrote.

    Raises
    ------
    InputError
        A column or a line of the head is missing, a line is there twice, or a coordinate is not a
        number.
    """
    try:
        return _parse(path)
    except InputError:
        raise
    except ValueError as error:  # pandas' and Unicode's errors are among them
        first = str(error).splitlines()[0]
        raise InputError(f"{path}: {first}; write it again by `benchmarks umap`") from error


def _parse(path: Path) -> Coordinates:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    head = list(takewhile(lambda line: line.startswith("# "), lines))
    about = dict(line[2:].rstrip("\n").split(": ", 1) for line in head if ": " in line)
    text = {"id": str, "type": str, "modality": str}
    points = pd.read_csv(io.StringIO("".join(lines[len(head) :])), dtype=text)
    missing = [name for name in COLUMNS if name not in points.columns]
    missing += [name for name in Coordinates.required if name not in about]
    if missing:
        raise InputError(f"{path}: no {', '.join(missing)}; write it again by `benchmarks umap`")
    if not np.isfinite(points[["x", "y"]].to_numpy(dtype=np.float64)).all():
        raise InputError(f"{path}: x or y is not a number; write it again by `benchmarks umap`")
    if points.duplicated(["id", "modality"]).any():
        raise InputError(f"{path}: a line is there twice; write it again by `benchmarks umap`")
    return Coordinates(points=points, about=about)
