"""Arms of one split through the annotators of the suite: what is written, what is refused."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from anndata import AnnData
from threadpoolctl import threadpool_info

from benchmarks import annotation_judge, annotation_outputs, attribution_outputs, cli
from benchmarks.annotators import Cells, Lesson, _desk, on_features, tuned
from benchmarks.stats import holm
from clip_align.scimilarity import attribution_figure, evaluation_folder, known_markers
from clip_align.scimilarity.folder import load_source
from representations.errors import InputError
from representations.threads import torch_threads
from tests.scimilarity.tiny_files import GENES, TYPES, cells, contents, source

ARMS = ("frozen+linear", "lora_ce", "frozen+logreg", "pca+logreg")


class Split:
    """Tiny cells in the place of a data set's."""

    def __init__(self, train: str, test: str, seed: int) -> None:
        self.train, self.test, self.seed = train, test, seed
        known, held, query = (as_cells(cells(n, seed=s)) for n, s in ((90, 0), (30, 1), (60, 2)))
        self.lesson = Lesson(
            known=known, held=held, types=TYPES, seed=seed, source=lambda: load_source("model")
        )
        self.query = query

    def check(self) -> None:
        """Nothing is shared."""


def as_cells(adata: AnnData) -> Cells:
    return Cells(adata=adata, type_n=np.array([TYPES.index(t) for t in adata.obs["cell_type"]]))


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    source(tmp_path / "model")
    monkeypatch.setattr(annotation_outputs, "AnnotationCells", Split)
    for module in (
        annotation_outputs, annotation_judge, attribution_outputs, _desk, on_features, tuned,
    ):  # fmt: skip
        monkeypatch.setattr(module, "LEAST_GENES", 20)
    monkeypatch.setattr(evaluation_folder, "umap_figure", lambda spaces, *_: picture(spaces))
    return tmp_path


def picture(spaces: dict[str, np.ndarray]) -> SimpleNamespace:
    """A figure that writes what it was asked to show."""
    told = json.dumps({name: z_ne.shape for name, z_ne in spaces.items()})
    return SimpleNamespace(savefig=lambda path, **_: Path(path).write_text(told))


def test_every_arm_is_judged_on_the_same_cells(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["annotation", "--arms", *ARMS, "--seed", "3", "--out", "results"])
    folder = Path("results/annotation/teaseq-teaseq")
    told = capsys.readouterr().out.split()
    assert {Path(path).name for path in told} == set(contents(folder))
    table = pd.read_csv(folder / "summary.csv").set_index("arm")
    assert table.index.tolist() == list(ARMS)
    assert (table["n"] == 60).all()
    on_encoder = [name for name in ARMS if name != "pca+logreg"]
    for name in ("triplet", "reconstruction_mse", "ms_per_sample_batch1", "ms_per_sample_batch256"):
        assert table[name].notna().tolist() == [arm in on_encoder for arm in ARMS]
    frozen = table.loc[["frozen+linear", "frozen+logreg"], ["triplet", "reconstruction_mse"]]
    assert frozen.nunique().eq(1).all()
    assert list(json.loads((folder / "sanity.json").read_text())) == ["lora_ce"]
    shown = json.loads((folder / "umap.png").read_text())
    assert shown == {"Before: frozen encoder": [60, 8], "After: lora_ce": [60, 8]}
    page = (folder / "report.md").read_text()
    assert page.startswith("# Annotation: teaseq to teaseq\n\n- taught by `teaseq@")
    assert "2 threads" in page


def test_its_figures_are_those_of_the_records(tiny: Path) -> None:
    split = Split("teaseq", "teaseq", 0)
    arm = annotation_outputs.annotators.create("frozen+logreg").fit(split.lesson)
    answers = [
        arm.annotate(part.adata) for part in (split.query, split.lesson.held, split.lesson.known)
    ]
    told = annotation_judge.judge(
        answers[0], split.query, split.lesson, dataset="teaseq", held=answers[1], known=answers[2]
    )
    annotation_outputs.write_annotation(
        Path("out"), "teaseq", "teaseq", seed=0, arms=["frozen+logreg"]
    )
    row = pd.read_csv("out/summary.csv").iloc[0]
    names = {
        "accuracy": "accuracy", "balanced_accuracy": "balanced_accuracy", "macro_f1": "macro_f1",
        "macro_precision": "macro_precision", "macro_recall": "macro_recall", "ece": "ece",
        "top3": "top3_accuracy", "triplet": "triplet", "reconstruction_mse": "reconstruction",
        "classes_hit": "classes_hit",
    }  # fmt: skip
    for name, theirs in names.items():
        assert row[name] == pytest.approx(told[theirs].value, rel=1e-4), name


def test_markers_are_tested_among_expressed_genes_and_over_types(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each type's own genes stand for its markers; of two genes no cell that is asked has any."""
    pytest.importorskip("captum")
    ids = dict(zip(TYPES, ("CL:0000236", "CL:0000623", "CL:0000084"), strict=True))
    own = {ids[name]: frozenset(GENES[20 * t : 20 * t + 9]) for t, name in enumerate(TYPES)}
    monkeypatch.setattr(known_markers, "known_markers", own.__getitem__)
    monkeypatch.setattr(attribution_figure, "known_markers", own.__getitem__)
    terms = {name: SimpleNamespace(ontology_id=cl_id) for name, cl_id in ids.items()}
    split, silent = Split("teaseq", "teaseq", 0), (0, 25)
    counts_ng = split.query.adata.X.toarray()
    counts_ng[:, silent] = 0
    split.query.adata.X = sp.csr_matrix(counts_ng)
    arm = annotation_outputs.annotators.create("lora_ce").fit(split.lesson)
    data = SimpleNamespace(get=lambda _: SimpleNamespace(terms=terms))
    monkeypatch.setattr(attribution_outputs, "datasets", data)
    attribution_outputs.write_attribution(tiny, arm, split)
    genes = pd.read_csv(tiny / attribution_outputs.GENES)
    assert not set(genes["gene"]) & {GENES[g] for g in silent}
    assert set(genes["present"]) <= {True, False}
    table = pd.read_csv(tiny / attribution_outputs.MARKERS)
    assert (table["n_measured"] == len(GENES) - 5 - len(silent)).all()
    by_type = table.groupby("type")["n_known"].first().to_dict()
    assert by_type.items() <= {"B": 8, "NK": 8, "T": 9}.items()  # those named right at all
    assert by_type
    for _, part in table.groupby("baseline"):
        tested = part.dropna(subset="p_value")
        assert tested["p_holm"].tolist() == pytest.approx(
            holm(tested["p_value"].tolist()), rel=1e-4
        )
        assert part["p_holm"].isna().equals(part["p_value"].isna())
        assert part["p_value"].isna().equals(part["n_cells"] < 10)


def test_types_that_are_not_tested_do_not_count_among_those_corrected_for() -> None:
    p_value = pd.DataFrame({"type": list("abc"), "p_value": [0.01, np.nan, 0.04], "n_known": 3})
    table = attribution_outputs._corrected(p_value)
    assert list(table) == ["type", "p_value", "p_holm", "n_known"]
    np.testing.assert_allclose(table["p_holm"], [0.02, np.nan, 0.04])
    assert list(attribution_outputs._corrected(p_value[:0])) == list(table)


def threads() -> tuple[int, int]:
    """Those of torch, and the most of any BLAS."""
    blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return torch.get_num_threads(), max(blas)


def test_all_but_the_timing_is_on_one_thread(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the suite makes its records: sums in another order differ in their last digits."""
    seen: dict[str, set[tuple[int, int]]] = {}

    def watch(module: object, name: str) -> None:
        real = getattr(module, name)

        def watched(*args: object, **kw: object) -> object:
            seen.setdefault(name, set()).add(threads())
            return real(*args, **kw)

        monkeypatch.setattr(module, name, watched)

    watch(tuned.TunedArm, "fit")
    watch(tuned.TunedArm, "annotate")
    for name in ("embed_cells", "reconstruction_errors", "write_evaluation", "ms_per_cell"):
        watch(annotation_outputs, name)
    if find_spec("captum"):
        watch(attribution_outputs, "attribute")
    with torch_threads(2):
        free = threads()
        annotation_outputs.write_annotation(Path("out"), "teaseq", "teaseq", arms=["lora_ce"])
    assert seen.pop("ms_per_cell") == {free}
    assert len(seen) >= 5
    for name, found in seen.items():
        assert found == {(1, 1)}, name


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--arms", "lora_ec"], "lora_ce"),
        (["--arms", "lora_ce", "lora_ce"], "name each arm once"),
        (["--train", "teasec"], "teaseq"),
        (["--out", "file"], "is a file"),
    ],
)
def test_what_cannot_be_done_is_one_line_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine")
    monkeypatch.setattr(annotation_outputs, "AnnotationCells", lambda *_: pytest.fail("worked"))
    with pytest.raises(InputError, match=told) as error:
        cli.main(["annotation", *options])
    assert "\n" not in str(error.value)
    assert contents(tmp_path) == {"file": b"mine"}
