"""``python -m representations``: what it writes, and how it refuses."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from functools import lru_cache

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

from representations import cli, registry
from representations.console import run_cli
from representations.errors import InputError
from representations.genes import gene_table
from representations.io import explained_disk_errors

G = 300


@lru_cache
def symbols() -> tuple[str, ...]:
    table = gene_table()
    known = [symbol for _, symbol in sorted(table.symbol_of_ensembl.items())]
    return ("SELENOP", "CD4", *[s for s in known if s not in ("SELENOP", "CD4")][: G - 2])


def cells(n: int, *, seed: int = 0) -> AnnData:
    rng = np.random.default_rng(seed)
    mean_pg = np.random.default_rng(1).lognormal(0, 1.0, (3, G))
    x_ng = rng.poisson(rng.lognormal(0, 0.3, (n, 1)) * (rng.dirichlet([0.4] * 3, n) @ mean_pg))
    adata = AnnData(sp.csr_matrix(x_ng, dtype=np.float32))
    adata.obs_names = [f"s{seed}_c{i}" for i in range(n)]
    adata.var_names = list(symbols())
    adata.obs["mine"] = np.arange(n)
    return adata


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A training file, a query that needs work, and a fitted representation."""
    folder = tmp_path_factory.mktemp("cli")
    cells(120).write_h5ad(folder / "train.h5ad")
    query = cells(30, seed=1)[:, : G - 20].copy()
    query.var_names = [f"{gene_table().ensembl[s]}.3" for s in query.var_names]
    query.X = query.X.log1p()
    query.write_h5ad(folder / "query.h5ad")
    cli.main(["fit", "pca", str(folder / "train.h5ad"), "-o", str(folder / "pca")])
    return folder


def fails(*args: object) -> str:
    with pytest.raises(InputError) as error:
        cli.main([str(a) for a in args])
    assert "\n" not in str(error.value)
    return str(error.value)


def test_list_names_each_with_a_line(capsys):
    cli.main(["list"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(registry.names())
    assert all(len(line.split()) > 3 and line.endswith(".") for line in lines)


def test_fit_writes_what_load_reads(files):
    rep = registry.load(files / "pca")
    assert rep.record.cells == tuple(cells(120).obs_names)
    assert rep.config == registry.get("pca").Config()
    assert {p.name for p in (files / "pca").iterdir()} == {
        "representation.json", "arrays.safetensors",
    }  # fmt: skip


@pytest.mark.parametrize("statistics", ["train", "own"])
def test_transform_adds_and_leaves_the_rest(files, tmp_path, capsys, statistics):
    out = tmp_path / "out.h5ad"
    args = ["transform", files / "pca", files / "query.h5ad", "-o", out, "--statistics", statistics]
    cli.main([str(a) for a in args])
    said = capsys.readouterr().err.splitlines()
    assert all(line.startswith("note: ") for line in said)
    for part in ("log-normalised", "gene names are known", "taken at its training mean"):
        assert sum(part in line for line in said) == 1
    before, after = ad.read_h5ad(files / "query.h5ad"), ad.read_h5ad(out)
    assert (before.X != after.X).nnz == 0
    assert before.X.dtype == after.X.dtype
    assert before.var.equals(after.var)
    assert after.obs["mine"].equals(before.obs["mine"])
    assert list(after.obs) == ["mine", "X_pca_reached"]
    assert after.uns["X_pca"]["statistics"] == statistics
    expected = registry.load(files / "pca").transform(
        cells(30, seed=1)[:, : G - 20], statistics=statistics
    )
    np.testing.assert_allclose(after.obsm["X_pca"], expected, atol=1e-3)


def test_key_added(files, tmp_path):
    args = ["transform", files / "pca", files / "query.h5ad", "-o", tmp_path / "o.h5ad"]
    cli.main([*map(str, args), "--key-added", "X_mine"])
    after = ad.read_h5ad(tmp_path / "o.h5ad")
    assert list(after.obsm) == ["X_mine"]
    assert list(after.uns) == ["X_mine"]
    assert "X_mine_reached" in after.obs


def test_excluded_genes_are_left_out_by_any_of_their_names(files, tmp_path, capsys):
    (tmp_path / "panel.txt").write_text("# the panel\nSEPP1\nCD4  # T helper\n\nnot_here\n")
    args = ["fit", "pca", files / "train.h5ad", "-o", tmp_path / "rep"]
    cli.main([*map(str, args), "--exclude-genes", str(tmp_path / "panel.txt")])
    assert "2 of the 3 genes to exclude" in capsys.readouterr().err
    rep = registry.load(tmp_path / "rep")
    assert {"SELENOP", "CD4"}.isdisjoint(rep.genes)  # SEPP1 is the former name of SELENOP
    assert rep.record.params["preprocess"]["exclude"] == ["CD4", "SELENOP", "not_here"]
    whole = registry.load(files / "pca")
    assert {"SELENOP", "CD4"} <= set(whole.genes)


@pytest.mark.parametrize("name", registry.names())
def test_every_representation_can_exclude(name):
    config = registry.get(name).Config()
    changed = cli.excluding(config, ("CD4",))
    assert changed != config
    assert cli.excluding(changed, ()) == config
    with pytest.raises(InputError, match="drop --exclude-genes"):
        cli.excluding(object(), ("CD4",))


@pytest.mark.parametrize(
    ("terminal", "switch", "shown"),
    [(True, [], True), (True, ["--no-progress"], False), (False, [], False)],
)
def test_progress_is_shown_on_a_terminal_unless_told(
    files, tmp_path, monkeypatch, terminal, switch, shown
):
    asked = []
    kind = registry.get("pca")
    honest = kind.fit

    def fit(self, adata):
        asked.append(self.progress)
        return honest(self, adata)

    monkeypatch.setattr(kind, "fit", fit)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    cli.main(["fit", "pca", str(files / "train.h5ad"), "-o", str(tmp_path / "rep"), *switch])
    assert asked == [shown]


def test_refusals_are_one_line_and_write_nothing(files, tmp_path):
    train, query, rep = files / "train.h5ad", files / "query.h5ad", files / "pca"
    out, empty, gone = tmp_path / "out.h5ad", tmp_path / "empty.txt", tmp_path / "gone"
    empty.write_text("# nothing\n")
    assert "did you mean 'pca'" in fails("fit", "pcaa", train, "-o", out)
    assert "gone.h5ad: no such file" in fails("fit", "pca", f"{gone}.h5ad", "-o", out)
    assert "holds no genes" in fails("fit", "pca", train, "-o", out, "--exclude-genes", empty)
    assert "list of genes" in fails("fit", "pca", train, "-o", out, "--exclude-genes", gone)
    message = fails("fit", "diffmap", query, "-o", out)
    assert f"{query}: n_components=50 needs at least 50 training cells" in message
    cells(5)[:, :1].write_h5ad(tmp_path / "few.h5ad")
    message = fails("transform", rep, tmp_path / "few.h5ad", "-o", out)
    assert "few.h5ad: only " in message
    (tmp_path / "few.h5ad").unlink()
    assert "is a file" in fails("fit", "pca", train, "-o", empty)
    assert "no saved representation" in fails("transform", gone, query, "-o", out)
    assert "ending in .h5ad" in fails("transform", rep, query, "-o", tmp_path / "out.txt")
    assert "not a readable" in fails("transform", rep, rep / "representation.json", "-o", out)
    assert list(tmp_path.iterdir()) == [empty]
    assert empty.read_text() == "# nothing\n"


@pytest.mark.parametrize("command", ["transform", "fit"])
def test_a_place_that_cannot_be_written_is_said_before_anything_is_read(
    files, tmp_path, monkeypatch, command
):
    absent = tmp_path / "absent"
    (tmp_path / "text").write_text("mine")
    (tmp_path / "folder.h5ad").mkdir()
    what = ("transform", absent, absent) if command == "transform" else ("fit", "pca", absent)
    for name in ("text/out.h5ad", "text/deep/out.h5ad"):
        assert f"{tmp_path}/text is a file; choose" in fails(*what, "-o", tmp_path / name)
    assert "File name too long" in fails(*what, "-o", tmp_path / f"{'o' * 400}.h5ad")
    if command == "transform":
        assert "is a folder; give a file" in fails(*what, "-o", tmp_path / "folder.h5ad")
    monkeypatch.setattr("representations.output.os.access", lambda *_: False)
    message = fails(*what, "-o", tmp_path / "a" / "out.h5ad")
    assert f"no permission in {tmp_path}; choose a folder" in message
    assert {path.name for path in tmp_path.iterdir()} == {"text", "folder.h5ad"}


def test_the_query_is_never_the_output(files, tmp_path):
    query = tmp_path / "query.h5ad"
    query.write_bytes((files / "query.h5ad").read_bytes())
    (tmp_path / "link.h5ad").symlink_to(query)
    (tmp_path / "hard.h5ad").hardlink_to(query)
    for name in ("query.h5ad", "link.h5ad", "hard.h5ad"):
        message = fails("transform", files / "pca", query, "-o", tmp_path / name)
        assert "is the query itself; give the output another name" in message
    assert query.read_bytes() == (files / "query.h5ad").read_bytes()


def test_what_is_there_is_kept_unless_told(files, tmp_path, capsys):
    out, rep = tmp_path / "out.h5ad", tmp_path / "rep"
    place = [str(a) for a in ("transform", files / "pca", files / "query.h5ad", "-o", out)]
    fit = [str(a) for a in ("fit", "pca", files / "train.h5ad", "-o", rep)]
    (rep / "notes").mkdir(parents=True)
    out.write_text("mine")
    cli.main(fit)  # a folder of other things is no obstacle
    record = (rep / "representation.json").read_bytes()
    (rep / "representation.json").write_text("mine")
    assert "exists already; name another file or add --overwrite" in fails(*place)
    assert "holds a representation.json already; name another" in fails(*fit)
    assert out.read_text() == (rep / "representation.json").read_text() == "mine"
    cli.main([*fit, "--overwrite"])
    assert (rep / "representation.json").read_bytes() == record
    cli.main([*place, "--overwrite"])
    assert "is replaced" not in capsys.readouterr().err
    cli.main([*place[:2], str(out), "-o", str(tmp_path / "again.h5ad")])
    assert "obsm['X_pca'] of the query is replaced" in capsys.readouterr().err


@pytest.mark.parametrize("number", [n for n in sorted(errno.errorcode) if n < 40])
def test_whatever_the_disk_refuses_is_one_line_with_a_remedy(number):
    with pytest.raises(InputError) as error, explained_disk_errors("place"):
        raise OSError(number, os.strerror(number), "another", None, "third")
    assert re.fullmatch(r"place: [^\n]+(; |, or )\w[^\n]+", str(error.value))
    told = r"^place: cannot be written \(odd\); check"
    with pytest.raises(InputError, match=told), explained_disk_errors("place"):
        raise OSError("odd\n")


def test_a_failed_write_leaves_the_old_file(files, tmp_path, monkeypatch):
    out = tmp_path / "out.h5ad"
    out.write_text("old")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("representations.io.os.fsync", full)
    message = fails("transform", files / "pca", files / "query.h5ad", "-o", out, "--overwrite")
    assert "out.h5ad: the disk is full" in message
    assert [p.name for p in tmp_path.iterdir()] == ["out.h5ad"]
    assert out.read_text() == "old"


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (None, 0, ""),
        (InputError("x.h5ad: no X; add it"), 2, "error: x.h5ad: no X; add it\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_run_cli_maps_errors_to_codes(raised, code, said, capsys):
    def main() -> None:
        if raised:
            raise raised

    with pytest.raises(SystemExit) as left:
        run_cli(main)
    assert left.value.code == code
    assert capsys.readouterr().err == said


def test_run_cli_passes_codes_and_bugs_on():
    with pytest.raises(SystemExit) as left:
        run_cli(lambda: 3)
    assert left.value.code == 3

    def bug() -> None:
        raise RuntimeError("a bug is a traceback")

    with pytest.raises(RuntimeError, match="traceback"):
        run_cli(bug)


def process(*args: object, **kwargs) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "representations", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **kwargs)


def test_the_command_itself(files, tmp_path):
    done = process("transform", files / "pca", files / "query.h5ad", "-o", tmp_path / "o.h5ad")
    assert done.returncode == 0
    assert done.stdout == f"{tmp_path / 'o.h5ad'}: 30 cells in obsm['X_pca']\n"
    assert all(line.startswith("note: ") for line in done.stderr.splitlines())
    done = process("transform", tmp_path, files / "query.h5ad", "-o", tmp_path / "p.h5ad")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["o.h5ad"]


def test_a_closed_pipe_is_no_error():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "representations", "list"]
    with os.fdopen(write, "w") as closed:
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, timeout=120)
    assert done.returncode == 0
    assert done.stderr == b""
