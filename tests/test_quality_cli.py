"""``report`` and ``doctor``: what they write, and one clear line for what they cannot do."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from matplotlib.image import imread

from representations import query, registry
from representations import report as reporting
from representations.assess import assess
from representations.assess_config import AssessConfig
from representations.base import Representation
from representations.cli import main
from representations.doctor import Check
from representations.errors import InputError
from representations.genes import gene_table
from representations.page import page


@pytest.fixture
def train(tmp_path, monkeypatch) -> Path:
    """200 cells of two types and two batches."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    kind_n = rng.integers(2, size=200)
    rate_pg = np.random.default_rng(1).lognormal(0, 1, size=(2, 150))
    adata = AnnData(sp.csr_matrix(rng.poisson(rate_pg[kind_n]).astype(np.float32)))
    adata.obs_names = [f"c{i}" for i in range(200)]
    adata.var_names = sorted(gene_table().ensembl)[:150]
    adata.obs["type"] = np.array(["a", "b"])[kind_n]
    adata.obs["batch"] = rng.choice(["x", "y"], 200)
    adata.write_h5ad(tmp_path / "train.h5ad")
    return tmp_path / "train.h5ad"


def test_a_report_is_a_table_twice_and_a_page(train, capsys):
    options = ["--only", "pca", "pca", "--labels", "type", "--batch", "batch", "--siblings", "a:b"]
    main(["report", str(train), "-o", "out", "--folds", "2", "--k", "5", *options])
    table = pd.read_csv("out/quality.csv")
    assert set(table["representation"]) == {"pca"}
    asked = {"purity", "purity_of[a]", "probe_macro_f1", "purity[a|b]", "ilisi", "effective_rank"}
    assert asked <= set(table["metric"])
    assert table[["value", "low", "high"]].notna().all(axis=None)
    assert imread("out/quality.png").std() > 0.05
    assert reporting.markdown(table).splitlines()[2].startswith("| pca | 1.000 [1.000, 1.000]")
    text = Path("out/quality.md").read_text()
    assert text.startswith("# Representations of 200 cells")
    assert "purity_of" not in text
    assert "by type:\n\n| | a | b |" in text
    assert "Judged: 200 held-out cells in 2 folds" in capsys.readouterr().out


def short(*options: str) -> list[str]:
    return ["report", "train.h5ad", "-o", "out", "--folds", "2", "--k", "5", *options]


@pytest.fixture
def broken(monkeypatch) -> list[str]:
    """All that there is: one that can be fitted, and those in the list, which cannot."""
    monkeypatch.setattr("representations.quality_cli.names", lambda: ("pca", "paga", "scvi"))
    which, honest = ["paga", "scvi"], Representation.fit_transform

    def fit_transform(self, adata):
        if self.name in which:
            raise InputError(f"X_{self.name} needs what is not here: install it")
        return honest(self, adata)

    monkeypatch.setattr(Representation, "fit_transform", fit_transform)
    return which


def test_a_representation_that_cannot_be_fitted_takes_no_other_with_it(train, broken, capsys):
    main(short())
    assert set(pd.read_csv("out/quality.csv")["representation"]) == {"pca"}
    out, err = capsys.readouterr()
    for name in broken:
        assert f"note: {name} is left out: X_{name} needs what is not here: install it\n" in err
        assert f"Left out: {name} (X_{name} needs what is not here: install it)." in out
    assert "Left out: paga (" in Path("out/quality.md").read_text()
    with pytest.raises(InputError, match="scvi: X_scvi needs what is not here"):
        main(short("--only", "pca", "scvi", "--overwrite"))  # asked for by name
    broken.append("pca")
    with pytest.raises(InputError, match="no representation can be fitted; the reason for pca: X"):
        main(short("--overwrite"))


def test_a_report_outlives_a_stranger_that_breaks(train, monkeypatch, capsys):
    def breaks(*_: object) -> None:
        raise ValueError("two\nlines")

    monkeypatch.setattr(registry, "names", lambda: ("pca", "diffmap"))
    monkeypatch.setattr("representations.quality_cli.names", lambda: ("pca", "diffmap"))
    monkeypatch.setattr(registry.get("diffmap"), "_fit", breaks)
    main(["report", str(train), "-o", "out", "--folds", "2", "--k", "5"])
    assert "diffmap is left out: ValueError: two\n" in capsys.readouterr().err
    assert set(pd.read_csv("out/quality.csv")["representation"]) == {"pca"}


@pytest.mark.parametrize(("name", "value"), [("k", 0), ("cells", 0), ("seed", -1), ("folds", 1)])
def test_a_judgement_of_nothing_is_refused(name, value):
    with pytest.raises(InputError, match=f"{name}={value}: give"):
        AssessConfig(**{name: value})


def test_the_page_names_those_left_out_beside_its_legend(train):
    table = assess(query.prepare(query.read_h5ad(train))[0], ["pca"], config=AssessConfig(k=5))
    title, left = "T" * 60, dict.fromkeys(registry.names(), "no")
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reporting, "page", lambda *a, **k: drawn.append(page(*a, **k)) or drawn[0])
        reporting.write(table, "out", title=title, left_out=left)
    drawn[0].canvas.draw()
    note = next(text for text in drawn[0].texts if text.get_text().startswith("Judged"))
    assert all(name in note.get_text() for name in left)
    box = note.get_window_extent()
    assert box.x1 < drawn[0].bbox.x1
    assert not any(box.overlaps(legend.get_window_extent()) for legend in drawn[0].legends)


def test_a_report_is_replaced_only_when_told_so(train):
    main(short("--only", "pca"))
    before = Path("out/quality.csv").read_bytes()
    with pytest.raises(InputError, match="add --overwrite"):
        main(short("--only", "pca", "--seed", "1"))
    assert Path("out/quality.csv").read_bytes() == before
    main(short("--only", "pca", "--seed", "1", "--overwrite"))
    assert Path("out/quality.csv").read_bytes() != before


def test_settings_reach_the_fit_that_is_judged_or_examined(train, monkeypatch, capsys):
    seen, honest = set(), Representation.fit_transform

    def fit_transform(self, adata):
        seen.add((self.name, self.config.n_components))
        return honest(self, adata)

    monkeypatch.setattr(Representation, "fit_transform", fit_transform)
    main(short("--only", "pca", "--set", "n_components=7"))
    assert seen == {("pca", 7)}
    assert main(["doctor", "pca", "train.h5ad", "--set", "n_components=6", "seed=2"]) == 0
    assert seen == {("pca", 7), ("pca", 6)}


def test_what_is_not_judged_is_said(train, capsys):
    adata = ad.read_h5ad(train)
    adata.obs["type"] = adata.obs["type"].astype(object)
    adata.obs.iloc[:7, adata.obs.columns.get_loc("type")] = np.nan
    adata.obs.iloc[7:12, adata.obs.columns.get_loc("type")] = "rare"
    adata.write_h5ad(train)
    main(short("--only", "pca", "--labels", "type", "--siblings", "a:b", "a:rare"))
    err = capsys.readouterr().err
    assert "7 of 200 cells have no value in obs['type']: its figures leave them out" in err
    assert "siblings a:rare are not judged: one has k cells a fold or fewer" in err
    assert "a:b" not in err
    metrics = pd.read_csv("out/quality.csv", index_col="metric")
    assert "purity_of[nan]" not in metrics.index
    assert metrics.loc["purity", "n"] == 193


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["report", "train.h5ad", "-o", "out", "--only", "pcaa"], "pca"),
        (["report", "train.h5ad", "-o", "out", "--only", "pca", "--labels", "kind"], "kind"),
        (["report", "train.h5ad", "-o", "out", "--siblings", "a-b"], "FIRST:SECOND"),
        (["report", "train.h5ad", "-o", "out", "--only", "pca", "--folds", "1"], "folds=1"),
        (["report", "train.h5ad", "-o", "out", "--only", "pca", "--folds", "50"], "train.h5ad"),
        (["report", "train.h5ad", "-o", "train.h5ad"], "train.h5ad"),
        (["report", "absent.h5ad", "-o", "out"], "absent.h5ad"),
        (short("--siblings", "a:b"), "train.h5ad: siblings are types, and no labels"),
        (short("--labels", "type", "--siblings", "a:d"), "'d' is no type of obs"),
        (short("--set", "n_components=5"), "--set n_components=5: of one representation"),
        (short("--only", "pca", "scvi", "--set", "seed=5"), "--set seed=5: of one"),
        (short("--only", "pca", "--set", "n_comp=5"), "is it 'n_components'"),
        (short("--only", "pca", "--set", "n_components=5000"), "pca: n_components=5000"),
        (["doctor", "pca", "train.h5ad", "--set", "n_comp=5"], "is it 'n_components'"),
        (["doctor", "pcaa", "train.h5ad"], "pca"),
        (["doctor", "pca", "absent.h5ad"], "absent.h5ad"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(train, args, said):
    with pytest.raises(InputError, match=said) as error:
        main(args)
    assert "\n" not in str(error.value)
    assert [path.name for path in Path().iterdir()] == ["train.h5ad"]


def test_the_doctor_exits_with_1_where_there_is_a_fault(train, monkeypatch, capsys):
    found = [Check(name="finite", ok=True, found="0 values are not finite")]
    monkeypatch.setattr("representations.doctor.examine", lambda *_, **__: found)
    assert main(["doctor", "pca", str(train)]) == 0
    found.append(Check(name="shapes", ok=False, found="(3, 2)"))
    assert main(["doctor", "pca", str(train)]) == 1
    assert "FAULT  shapes  (3, 2)" in capsys.readouterr().out
