"""``report`` and ``doctor``: what they write, and one clear line for what they cannot do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from matplotlib.image import imread

from representations import report as reporting
from representations.cli import main
from representations.doctor import Check
from representations.errors import InputError
from representations.genes import gene_table


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
    options = ["--only", "pca", "--labels", "type", "--batch", "batch", "--siblings", "a:b"]
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
