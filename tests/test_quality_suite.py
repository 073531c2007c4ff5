"""The quality suite: test cells alone are judged, and records make its table and its page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from matplotlib.image import imread

from benchmarks import datasets, figures, records, stats, tables, task_cells
from benchmarks.guard import LeakError
from benchmarks.quality import quality_metrics, sibling_pairs
from benchmarks.run import run_suite
from benchmarks.splits import split
from benchmarks.suites import Row, suites
from benchmarks.tasks import tasks
from benchmarks.tasks.quality import Quality
from representations import page, stability
from representations.base import Coordinates, Representation
from representations.errors import InputError
from representations.held import Held

N, G = 480, 160
KINDS = ("CD4 T cells", "CD8 T cells", "B cells")


def row(representation="X_pca", **variant):
    where = {"task": "quality", "train": "kang", "test": "kang", "model": "ours"}
    return Row(**where, representation=representation, variant=variant)


@pytest.fixture
def tiny(monkeypatch):
    """Three types in two batches, under the name of kang."""
    rng = np.random.default_rng(0)
    mixture_np, batch_n = rng.dirichlet([0.4] * 3, N), rng.integers(2, size=N)
    kind_n = mixture_np.argmax(axis=1)
    rate_pg = np.random.default_rng(1).lognormal(0, 1, size=(3, G))
    adata = AnnData(sp.csr_matrix(rng.poisson(mixture_np @ rate_pg).astype(np.float32)))
    adata.obs_names = [f"c{i}" for i in range(N)]
    adata.var_names = ["CD3E", "CD4", "CD8A", *(f"G{i}" for i in range(G - 3))]
    adata.obs["cell_type"] = np.array(KINDS)[kind_n]
    adata.obs["batch"] = np.array(["ctrl", "stim"])[batch_n]
    monkeypatch.setattr(datasets, "load", lambda name, progress=True: adata)
    task_cells._load.cache_clear()
    yield adata
    task_cells._load.cache_clear()


def test_no_test_cell_is_in_any_fit_and_only_they_are_judged(tiny, monkeypatch):
    fitted, placed = [], []
    honest_fit, honest_place = Representation.fit_transform, Representation.place

    def fit_transform(self, adata):
        fitted.append(set(adata.obs_names))
        return honest_fit(self, adata)

    def place(self, adata, **options):
        placed.append(set(adata.obs_names))
        return honest_place(self, adata, **options)

    monkeypatch.setattr(Representation, "fit_transform", fit_transform)
    monkeypatch.setattr(Representation, "place", place)
    outcome = Quality("kang", "kang", 0).run(row())
    test = set(split(tiny, seed=0).test)
    assert [len(seen) for seen in fitted] == [N - 2 * len(test) + s for s in (0, 0)] + [
        round(stability.KEPT * len(fitted[0]))
    ]
    assert not any(seen & test for seen in fitted)
    assert placed == [test] * 3
    assert outcome.metrics["reached"].n == len(test)
    assert outcome.facts["unreached"] == "0"


def test_a_second_fit_that_saw_a_test_cell_fails_the_run(tiny, monkeypatch):
    task = Quality("kang", "kang", 0)
    honest = stability.again

    def leaky(rep, train, kind, *, seed):
        return honest(rep, tiny[:, train.var_names], kind, seed=seed)

    monkeypatch.setattr(stability, "again", leaky)
    with pytest.raises(LeakError, match="X_pca saw"):
        task.run(row())


def test_records_make_a_table_and_a_page(tiny, tmp_path):
    root = tmp_path / "records"
    rows = [row("X_pca"), row("X_diffmap")]
    run_suite("quality", rows, [0, 1], root=root, progress=False)
    found = records.load_all("quality", root)
    assert len(found) == 4
    for record in found:
        for name in ("purity", "probe_macro_f1", "purity[CD4 T|CD8 T]"):
            metric = record.metrics[name]
            assert metric.low <= metric.value <= metric.high
            assert metric.value > metric.chance + 0.2, name
        assert {"ilisi", "bras", "graph_connectivity", "pcr_comparison"} <= set(record.metrics)
        assert record.metrics["purity[CD4 T|CD8 T]"].n < record.metrics["purity"].n
        assert record.versions["mixing"] in ("own", "scib-metrics")
        assert all(len(metric.replicates) == 200 for metric in record.metrics.values())
    tables.write_tables(root, tmp_path / "tables")
    text = (tmp_path / "tables" / "quality.md").read_text()
    assert "purity[CD4 T" in text
    assert suites.get("quality").note in text
    (picture,) = figures.write_figures(root, tmp_path / "figures")
    assert picture.name == "representations_quality.png"
    assert imread(picture).std() > 0.05


def test_a_block_is_fitted_again_once_by_whatever_name(tiny, monkeypatch):
    """Its own row and the joined space share what was learned."""
    kinds = []
    honest = Representation.fit_transform

    def fit_transform(self, adata):
        kinds.append(self.name)
        return honest(self, adata)

    monkeypatch.setattr(Representation, "fit_transform", fit_transform)
    task = Quality("kang", "kang", 0)
    task.run(row("X_pca"))
    assert task._again("pca", "seed") is task._again("X_pca", "seed")
    assert task.cells.fitted("pca", "removed") is task.cells.fitted("X_pca", "removed")
    assert kinds == ["pca"] * 3


def test_what_is_no_quality_row_is_refused():
    with pytest.raises(InputError, match="within one data set"):
        Quality("teaseq", "kang", 0)
    with pytest.raises(InputError, match="no variant"):
        Quality.config(row("X_pca", k=3))
    assert tasks.get("quality") is Quality
    assert len(suites.get("quality").rows) == len({str(r) for r in suites.get("quality").rows})


def test_sibling_pairs_are_of_the_labels_of_a_data_set():
    fine = {"t4": "CD4 T naive", "m4": "CD4 T memory", "e8": "CD8 T effector", "b": "B naive"}
    named = {name: (a, b) for a, b, name in sibling_pairs(fine)}
    assert named["CD4 naive|CD4 memory"] == (frozenset(["t4"]), frozenset(["m4"]))
    assert named["CD4 T|CD8 T"] == (frozenset(["t4", "m4"]), frozenset(["e8"]))
    assert "B naive|B activated" not in named


def test_replicates_pair_two_representations_on_the_same_cells():
    """Two spaces that differ in nothing but scale: no difference, in every replicate."""
    rng = np.random.default_rng(0)
    types_n = rng.choice(list("ab"), 120)
    x_nd = rng.normal(size=(120, 3)) + 3 * (types_n == "a")[:, None]
    cells = np.array([f"c{i}" for i in range(120)])
    found = []
    for scale in (1.0, 7.0):
        placed = Coordinates(x_nd=scale * x_nd, reached_n=np.ones(120, dtype=bool))
        held = Held(placed=placed, expression_ng=x_nd, types_n=types_n)
        found.append(quality_metrics(held, cells, dataset="kang", k=5, folds=3, seed=0))
    a, b = (one["purity"] for one in found)
    gap = stats.paired_difference([a.replicates], [a.value], [b.replicates], [b.value])
    assert (gap.value, gap.low, gap.high) == (0, 0, 0)
    assert a.low < a.value < a.high


def test_a_fit_that_reaches_hardly_a_cell_is_judged_by_that_alone():
    rng, reached_n = np.random.default_rng(0), np.arange(90) < 10
    placed = Coordinates(x_nd=rng.normal(size=(90, 3)), reached_n=reached_n)
    held = Held(placed=placed, expression_ng=rng.normal(size=(90, 9)), types_n=np.full(90, "a"))
    cells = np.array([f"c{i}" for i in range(90)])
    found = quality_metrics(held, cells, dataset="kang", k=5, folds=3, seed=0)
    assert list(found) == ["reached"]
    assert found["reached"].value == pytest.approx(10 / 90)


def table(names=("X_pca", "X_scvi", "X_paga"), sets=("one", "two")) -> pd.DataFrame:
    values = {"purity": 0.2, "trustworthiness": 0.6, "effective_rank": 12.0, "reached": 1.0}
    return pd.DataFrame(
        {
            "representation": name, "metric": metric, "value": value + 0.1 * i * (value < 1),
            "low": value if value == 1 else value - 0.05, "high": value + 0.1 * i * (value < 1),
            "chance": 0.1 if metric == "purity" else np.nan, "n": 100, "folds": 3, "set": one,
        }
        for one in sets
        for i, name in enumerate(names)
        for metric, value in values.items()
    )  # fmt: skip


def test_the_page_has_one_order_one_scale_and_no_label_on_another():
    drawn = page.page(table(), title="Title", note="a note")
    drawn.canvas.draw()
    panels = [ax for part in drawn.subfigs for ax in part.axes if ax.axison]
    assert [ax.get_title(loc="left") for ax in panels] == [
        "neighbours of the cell's type", "trustworthiness of neighbours", "columns in effect",
    ]  # reached is 1 everywhere  # fmt: skip
    named = [ax for ax in panels if any(t.get_text() for t in ax.get_yticklabels())]
    for ax in named:  # the best at the top
        assert [t.get_text() for t in ax.get_yticklabels()] == ["pca", "scvi", "paga"]
    assert panels[0].get_xlim() == panels[1].get_xlim() != panels[2].get_xlim()
    for ax in panels:
        boxes = [t.get_window_extent() for t in ax.texts]
        assert len(boxes) == 6
        overlapping = [
            (a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.padded(-1).overlaps(b)
        ]
        assert not overlapping
        marks = [line for line in ax.lines if line.get_color() == page.CHANCE]
        assert len(marks) == (6 if ax is panels[0] else 0)
