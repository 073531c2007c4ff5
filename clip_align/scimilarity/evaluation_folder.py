"""An evaluation as a folder: tables, figures and a page; all of it or nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from clip_align.documents import CONFIG
from clip_align.scimilarity.evaluation import Arm, check_arms, misclassified, per_class, summary
from clip_align.scimilarity.evaluation_figures import (
    calibration_figure,
    confusion_figure,
    types_in_order,
)
from clip_align.scimilarity.evaluation_map import LEAST_CELLS, umap_figure
from clip_align.scimilarity.evaluation_page import page
from representations.errors import InputError
from representations.io import atomic_path, atomic_write
from representations.output import check_folder
from representations.staging import staged

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "report.md"
ALWAYS = (PAGE, "summary.csv", "misclassified_top5.csv", "calibration.png")
SOMETIMES = ("umap.png", "sanity.json")
OF_ARM = ("per_class_{}.csv", "confusion_{}.png")
STRANGE = re.compile(r"[^A-Za-z0-9._=+-]")


def write_evaluation(
    folder: str | Path,
    arms: Sequence[Arm],
    type_n: np.ndarray,
    types: Sequence[str],
    *,
    before: np.ndarray | None = None,
    after: np.ndarray | None = None,
    after_name: str = "adapted encoder",
    title: str = "Evaluation",
    about: Sequence[str] = (),
    overwrite: bool = False,
) -> list[Path]:
    """Write what arms say of the same cells into ``folder``; returns the paths, the page first.

    The files of an earlier evaluation are replaced once all of this one are made; one that this
    evaluation does not have is taken away.

    Parameters
    ----------
    before, after
        Embeddings ``(n, e)`` by the frozen encoder and by one that was tuned, for the map; there is
        none of fewer than 30 cells.
    about
        Lines said first on the page.

    Raises
    ------
    InputError
        The arms cannot be judged or two have one file name, the folder holds an evaluation and
        ``overwrite`` was not said, or it cannot be written; it is then as it was.
    """
    folder = Path(folder)
    check_arms(arms, type_n, types)
    names = _file_names(arms)
    check_evaluation(folder, overwrite=overwrite)
    files = [*ALWAYS, *SOMETIMES, *(f.format(name) for name in names for f in OF_ARM)]
    files += [name for name in _arms_of(folder) if name not in files]
    spaces = {"Before: frozen encoder": before, f"After: {after_name}": after}
    shown = {name: z_ne for name, z_ne in spaces.items() if z_ne is not None}
    tables = {"summary.csv": summary(arms, type_n, types), **_tables(arms, type_n, types, names)}
    with staged(folder, files) as staging:
        for name, table in tables.items():
            text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
            atomic_write(staging / name, text)
        for name, figure in _figures(arms, type_n, types, names):
            _save(figure, staging / name)
        if shown and len(type_n) >= LEAST_CELLS:
            _save(umap_figure(shown, type_n, types), staging / "umap.png")
        if gates := {arm.name: dict(arm.sanity) for arm in arms if arm.sanity is not None}:
            atomic_write(staging / "sanity.json", json.dumps(gates, indent=1))
        drawn = [name for name in files if name.endswith(".png") and (staging / name).exists()]
        wrong = tables["misclassified_top5.csv"]
        atomic_write(
            staging / PAGE, page(tables["summary.csv"], wrong, drawn, title=title, about=about)
        )
    return [folder / name for name in files if (folder / name).exists()]


def check_evaluation(folder: Path, *, overwrite: bool) -> None:
    """Refuse, before any work, a folder that holds an evaluation or cannot be written.

    And one of a run, even when told: both have a sanity.json.
    """
    if (folder / CONFIG).exists():
        raise InputError(f"{folder}: holds a {CONFIG}, as a run does; name another folder")
    check_folder(folder, (*ALWAYS, *SOMETIMES), overwrite=overwrite)


def _file_names(arms: Sequence[Arm]) -> list[str]:
    """Names of the arms as they stand in those of files."""
    names = [STRANGE.sub("_", arm.name) for arm in arms]
    if len({name.lower() for name in names}) < len(names):  # a disk may not tell cases apart
        raise InputError(f"arms {', '.join(names)}: two have one file name; rename one")
    return names


def _arms_of(folder: Path) -> list[str]:
    """Files of the arms of an earlier evaluation."""
    if not (folder / PAGE).exists():
        return []
    return sorted(path.name for f in OF_ARM for path in folder.glob(f.format("*")))


def _tables(
    arms: Sequence[Arm], type_n: np.ndarray, types: Sequence[str], names: Sequence[str]
) -> dict[str, pd.DataFrame]:
    wrong = [misclassified(arm, type_n, types).assign(arm=arm.name) for arm in arms]
    columns = ["arm", "true", "predicted", "count", "share"]
    of_class = {
        OF_ARM[0].format(name): per_class(arm, type_n, types)
        for arm, name in zip(arms, names, strict=True)
    }
    return {"misclassified_top5.csv": pd.concat(wrong)[columns], **of_class}


def _figures(
    arms: Sequence[Arm], type_n: np.ndarray, types: Sequence[str], names: Sequence[str]
) -> Iterator[tuple[str, Figure]]:
    yield "calibration.png", calibration_figure(arms, type_n)
    order = types_in_order(arms, type_n, types)
    for arm, name in zip(arms, names, strict=True):
        yield OF_ARM[1].format(name), confusion_figure(arm, type_n, types, order)


def _save(figure: Figure, path: Path) -> None:
    with atomic_path(path) as partial:
        figure.savefig(
            partial, format="png", dpi=150, facecolor="white", metadata={"Software": None}
        )
