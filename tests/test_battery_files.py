"""Every registered representation: files give back the same bits, or are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from representations import registry
from representations.errors import InputError
from representations.saved import ARRAY_FILE, META_FILE
from tests.battery import case, cells, every, fitted, fresh, kind, line


@case
def test_save_and_load_give_the_same_bits(name, tmp_path):
    rep, new = fitted(name), cells(40, seed=5)
    rep.save(tmp_path)
    for loaded in (registry.load(tmp_path), kind(name).load(tmp_path)):
        assert type(loaded) is type(rep)
        assert loaded.config == rep.config
        assert loaded.record == rep.record
        assert loaded.genes == rep.genes
        np.testing.assert_array_equal(loaded.transform(new), rep.transform(new))
    assert {path.name for path in tmp_path.rglob("*")} == {META_FILE, ARRAY_FILE}  # and no pickle
    json.loads((tmp_path / META_FILE).read_text())
    loaded.save(tmp_path / "again")
    for file in (META_FILE, ARRAY_FILE):
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / file).read_bytes()


@every
def test_annotations_survive_a_file(name, tmp_path):
    adata = cells(50, seed=4)
    fitted(name).annotate(adata)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    import anndata

    read = anndata.read_h5ad(tmp_path / "cells.h5ad")
    np.testing.assert_array_equal(read.obsm[f"X_{name}"], adata.obsm[f"X_{name}"])
    assert json.loads(read.uns[f"X_{name}"]["params"]) == fitted(name).record.params
    assert list(read.uns[f"X_{name}"]["labels_used"]) == list(fitted(name).record.labels_used)


@every
@pytest.mark.parametrize("file", [META_FILE, ARRAY_FILE])
@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_bytes(b"\xff\x00" + path.read_bytes()),
        lambda path: path.write_bytes(b"[1, 2]"),
    ],
    ids=["missing", "empty", "cut", "garbled", "foreign"],
)
def test_a_damaged_folder_is_refused(name, file, harm, tmp_path):
    fitted(name).save(tmp_path)
    harm(tmp_path / file)
    with pytest.raises(InputError, match=str(tmp_path)) as error:
        registry.load(tmp_path)
    line(error)


@every
def test_what_an_earlier_revision_saved_is_refused(name, tmp_path, monkeypatch):
    fitted(name).save(tmp_path)
    monkeypatch.setattr(kind(name), "revision", kind(name).revision + 1)
    with pytest.raises(InputError, match="fit it again") as error:
        registry.load(tmp_path)
    assert line(error).startswith(f"{tmp_path}: saved by revision {kind(name).revision - 1} of")


def test_a_block_of_an_earlier_revision_is_refused(tmp_path, monkeypatch):
    fitted("integrated").save(tmp_path)
    monkeypatch.setattr(kind("diffmap"), "revision", 7)
    with pytest.raises(
        InputError, match="saved by revision 2 of 'diffmap', which is at 7"
    ) as error:
        registry.load(tmp_path)
    assert "damaged" not in line(error)


@every
@pytest.mark.parametrize("drop", ["name", "config", "record", "arrays_sha256"])
def test_an_incomplete_description_is_refused(name, drop, tmp_path):
    fitted(name).save(tmp_path)
    meta = json.loads((tmp_path / META_FILE).read_text())
    for broken in ({k: v for k, v in meta.items() if k != drop}, {**meta, drop: ["?"]}):
        (tmp_path / META_FILE).write_text(json.dumps(broken))
        with pytest.raises(InputError, match=str(tmp_path)) as error:
            registry.load(tmp_path)
        line(error)


@every
def test_files_of_two_saves_do_not_mix(name, tmp_path):
    fitted(name).save(tmp_path / "a")
    fresh(name).fit(cells(200, seed=1)).save(tmp_path / "b")
    (tmp_path / "b" / ARRAY_FILE).replace(tmp_path / "a" / ARRAY_FILE)
    with pytest.raises(InputError, match="damaged"):
        registry.load(tmp_path / "a")


@every
def test_one_changed_bit_is_noticed(name, tmp_path):
    fitted(name).save(tmp_path)
    data = bytearray((tmp_path / ARRAY_FILE).read_bytes())
    data[-100] ^= 1
    (tmp_path / ARRAY_FILE).write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        registry.load(tmp_path)


@every
def test_a_folder_of_another_class_is_refused(name, tmp_path):
    other = next(n for n in registry.names() if n != name)
    fitted(other).save(tmp_path)
    with pytest.raises(InputError, match=f"'{other}'.*'{name}'") as error:
        kind(name).load(tmp_path)
    assert str(tmp_path) in line(error)


@every
def test_absent_folders_and_files_in_their_place(name, tmp_path):
    with pytest.raises(InputError, match="no saved representation") as error:
        kind(name).load(tmp_path / "nowhere")
    line(error)
    (tmp_path / "file").write_text("")
    for use in (registry.load, fitted(name).save):
        with pytest.raises(InputError, match="file") as error:
            use(tmp_path / "file")
        line(error)
