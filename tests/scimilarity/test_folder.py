"""Model folders: of SCimilarity v1.1 and our own. Nothing in one is run; what is wrong is named."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from clip_align.scimilarity import folder as folder_module
from clip_align.scimilarity.folder import (
    GENES,
    SIZES,
    SOURCE,
    check_source_folder,
    load_source,
    save_source,
)
from clip_align.scimilarity.network import embed
from representations.errors import InputError
from tests.scimilarity import small
from tests.scimilarity.tiny_files import contents

OWN = ("encoder.safetensors", "decoder.safetensors", SIZES, GENES, SOURCE)


def save_v1(folder: Path) -> None:
    """The files of SCimilarity v1.1 that are read, as its ``save_all`` writes them."""
    folder.mkdir()
    for name, part in (("encoder", small.encoder()), ("decoder", small.decoder())):
        torch.save({"state_dict": part.state_dict()}, folder / f"{name}.ckpt")
    sizes = {name: list(tensor.size()) for name, tensor in small.encoder().state_dict().items()}
    (folder / SIZES).write_text(json.dumps(sizes))
    (folder / GENES).write_text("\n".join(small.GENES))


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    save_v1(tmp_path / "model_v1.1")
    return tmp_path / "model_v1.1"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    save_source(small.model(), tmp_path / "own")
    return tmp_path / "own"


def test_a_folder_of_scimilarity_embeds_as_the_modules_it_was_made_of(v1: Path) -> None:
    before = torch.random.get_rng_state()
    model = load_source(v1)
    assert torch.equal(before, torch.random.get_rng_state())
    assert (model.genes, model.encoder.layers) == (small.GENES, small.LAYERS)
    assert model.name == "SCimilarity folder model_v1.1"
    x_ng = small.expression()
    z_ne = embed(model.encoder, x_ng)
    assert torch.equal(z_ne, embed(small.encoder(), x_ng))
    assert torch.equal(model.decoder(z_ne), small.decoder()(z_ne).detach())


@pytest.mark.parametrize("hidden", [(6,), (9, 8, 7, 6, 5, 4, 3, 6, 5, 4, 3)])
def test_layers_are_read_in_order_of_their_depth(hidden: tuple[int, ...], tmp_path: Path) -> None:
    """The tenth after the second, whatever the order of the file."""
    layers = replace(small.LAYERS, hidden=hidden)
    save_source(
        replace(small.model(), encoder=small.encoder(layers), decoder=small.decoder(layers)),
        tmp_path,
    )
    sizes = json.loads((tmp_path / SIZES).read_text())
    (tmp_path / SIZES).write_text(json.dumps(dict(sorted(sizes.items(), reverse=True))))
    assert load_source(tmp_path).encoder.layers == layers


def test_what_is_saved_comes_back_bit_by_bit(tmp_path: Path) -> None:
    about = {"data": {"x": "1a2b"}, "history": [{"held/nearest": 0.1}], "n_cells": 3, "é": None}
    model = small.model(**about)
    save_source(model, tmp_path / "made" / "on the way")
    again = load_source(tmp_path / "made" / "on the way")
    assert small.same_weights(again.encoder, model.encoder)
    assert small.same_weights(again.decoder, model.decoder)
    assert (again.genes, again.about) == (model.genes, {"name": "a small one", **about})
    assert (again.name, again.digest) == ("a small one", model.digest)


def test_a_loaded_model_is_frozen_and_in_evaluation_mode(v1: Path, own: Path) -> None:
    for place in (v1, own):
        model = load_source(place)
        for part in (model.encoder, model.decoder):
            assert not any(module.training for module in part.modules())
            assert not any(weight.requires_grad for weight in part.parameters())


def test_our_folder_holds_data_alone_and_saving_twice_gives_the_same_bytes(
    own: Path, tmp_path: Path
) -> None:
    save_source(small.model(), tmp_path / "again")
    assert sorted(path.name for path in own.iterdir()) == sorted(OWN)
    for name in OWN:
        held = (own / name).read_bytes()
        assert not held.startswith((b"PK", b"\x80"))  # a zip or a pickle
        assert held == (tmp_path / "again" / name).read_bytes()


def test_source_json_goes_first_and_comes_last(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real = Path.replace

    def watched(path: Path, target: Path) -> Path:
        if target.parent == own:
            assert not (own / SOURCE).exists()  # the old one is gone before anything changes
            order.append(target.name)
        return real(path, target)

    monkeypatch.setattr(Path, "replace", watched)
    save_source(small.model(), own)
    assert sorted(order) == sorted(OWN)
    assert order[-1] == SOURCE


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
@pytest.mark.parametrize("last", OWN)
def test_a_write_that_fails_leaves_the_old_model_whole(
    last: str, fault: BaseException, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every file: it is written, then the disk is full or somebody loses patience."""
    was, real = contents(tmp_path), folder_module.atomic_write

    def failing(path: Path, data: Any) -> None:
        real(path, data)
        if path.name == last:
            raise fault

    monkeypatch.setattr(folder_module, "atomic_write", failing)
    other = replace(small.model(), encoder=small.encoder(seed=9), about={"name": "another"})
    for place in (own, tmp_path / "new" / "deep"):
        with pytest.raises((InputError, KeyboardInterrupt)):
            save_source(other, place)
    assert contents(tmp_path) == was
    assert [path.name for path in tmp_path.iterdir()] == ["own"]
    assert (load_source(own).name, load_source(own).digest) == ("a small one", small.model().digest)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_model_of_scimilarity_is_never_replaced(v1: Path, overwrite: bool) -> None:
    with pytest.raises(InputError, match=r"holds decoder\.ckpt, as a SCimilarity model"):
        check_source_folder(v1, overwrite=overwrite)


@pytest.mark.parametrize("name", OWN)
def test_a_file_that_would_be_replaced_is_refused_unless_told(name: str, tmp_path: Path) -> None:
    check_source_folder(tmp_path / "new", overwrite=False)
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=f"holds a {name} already; .* --overwrite"):
        check_source_folder(tmp_path, overwrite=False)
    check_source_folder(tmp_path, overwrite=True)


def test_a_model_without_a_name_is_not_saved(own: Path) -> None:
    with pytest.raises(KeyError, match="name"):
        save_source(replace(small.model(), about={}), own)
    assert load_source(own).name == "a small one"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match=r"taken: cannot be written .*; "):
        save_source(small.model(), tmp_path / "taken")


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_the_digest_changes_with_one_weight_and_with_a_gene(part: str) -> None:
    model, digests = small.model(), {small.model().digest}
    for name, tensor in getattr(model, part).state_dict().items():
        flat, before = tensor.view(-1), tensor.view(-1)[-1].clone()
        flat[-1] = torch.nextafter(before, before + 1) if before.is_floating_point() else before + 1
        digests.add(replace(model).digest)  # an object remembers its own
        flat[-1] = before
        assert replace(model).digest == small.model().digest, name
    assert len(digests) == 1 + len(getattr(model, part).state_dict())
    assert replace(model, genes=(*small.GENES[1:], small.GENES[0])).digest not in digests
    assert replace(model, about={"name": "another"}).digest in digests


def test_the_digest_is_of_what_is_in_the_folder_not_of_its_format(v1: Path, own: Path) -> None:
    assert load_source(v1).digest == load_source(own).digest == small.model().digest


def refused(place: Path, text: str) -> None:
    """One line, with the name of the file or folder and a remedy."""
    with pytest.raises(InputError, match=text) as caught:
        load_source(place)
    line = str(caught.value)
    assert line.startswith(str(place))
    assert "\n" not in line
    assert len(line) < 200 + 2 * len(str(place)) + 100


def test_every_missing_file_is_named_in_one_line(v1: Path, tmp_path: Path) -> None:
    every = (
        r"layer_sizes\.json, gene_order\.tsv, encoder\.safetensors or encoder\.ckpt, "
        r"decoder\.safetensors or decoder\.ckpt; name an unpacked SCimilarity model"
    )
    refused(tmp_path / "nowhere", every)
    refused(v1 / SIZES, every)  # a file
    (v1 / "decoder.ckpt").unlink()
    refused(v1, r"model_v1\.1: no model folder, it lacks decoder\.safetensors or decoder\.ckpt; ")
    (v1 / GENES).unlink()
    refused(v1, r"it lacks gene_order\.tsv, decoder\.safetensors or decoder\.ckpt; ")


def test_a_training_that_did_not_end_is_told_from_a_folder_of_scimilarity(own: Path) -> None:
    (own / SOURCE).unlink()
    refused(own, r"own: source\.json is missing: its training did not end; run it again")


def edit(path: Path, change: Callable[[Any], None]) -> None:
    held = json.loads(path.read_text())
    change(held)
    path.write_text(json.dumps(held))


GENE_FILES = {
    "too few": ("\n".join(small.GENES[:-1]), "11 genes, but the encoder reads 12; take both"),
    "too many": ("\n".join([*small.GENES, "X"]), "13 genes, but the encoder reads 12"),
    "none": ("", "0 genes, but the encoder reads 12"),
    "twice": ("\n".join([*small.GENES[:-1], small.GENES[0]]), "a gene occurs twice; take the file"),
    "no text": (b"G0\nG1\xff\xfe\n", "damaged; take the file of the model"),
}


@pytest.mark.parametrize("case", GENE_FILES)
def test_a_gene_order_of_another_model_is_refused(case: str, v1: Path) -> None:
    held, text = GENE_FILES[case]
    (v1 / GENES).write_bytes(held if isinstance(held, bytes) else held.encode())
    refused(v1, rf"gene_order\.tsv: {text}")


def test_line_ends_of_another_system_are_no_part_of_a_gene(v1: Path) -> None:
    (v1 / GENES).write_bytes("\r\n".join([*small.GENES, ""]).encode())
    assert load_source(v1).genes == small.GENES


FIRST, SECOND, LAST = "network.0.1.weight", "network.1.1.weight", "network.2.weight"
SIZE_FILES: dict[str, Any] = {
    "empty": "", "half": '{"network.0.1.weight": [7,', "a list": "[1, 2]", "a number": "3",
    "null": "null", "no layer": "{}", "no text": b"\xff\xfe\x00",
    "one layer": {FIRST: [5, 12]}, "no number": {FIRST: ["a", "b"], LAST: [5, 7]},
    "null sizes": {FIRST: [None, None], LAST: [5, 7]}, "no sizes": {FIRST: 3, LAST: [5, 7]},
    "sizes by name": {FIRST: {"a": 7, "b": 12}, LAST: [5, 7]},
    "endless": {FIRST: [7, math.inf], LAST: [5, 7]}, "nan": {FIRST: [7, 12], LAST: [math.nan, 7]},
    "below zero": {FIRST: [-7, 12], LAST: [5, -7]}, "zero": {FIRST: [0, 12], LAST: [5, 0]},
    "no embedding": {FIRST: [7, 12], LAST: [0, 7]},
}  # fmt: skip


@pytest.mark.parametrize("case", SIZE_FILES)
def test_damaged_sizes_are_one_line(case: str, v1: Path) -> None:
    held = SIZE_FILES[case]
    held = held if isinstance(held, str | bytes) else json.dumps(held)
    (v1 / SIZES).write_bytes(held if isinstance(held, bytes) else held.encode())
    refused(v1, r"layer_sizes\.json: damaged; take the file of the model")


def test_sizes_of_another_model_do_not_fit_its_weights(v1: Path) -> None:
    edit(v1 / SIZES, lambda sizes: sizes.update({SECOND: [6, 8]}))
    refused(v1, r"encoder\.ckpt: damaged, of other layers, or more than weights")
    edit(v1 / SIZES, lambda sizes: sizes.pop(SECOND))
    refused(v1, r"encoder\.ckpt: damaged, of other layers, or more than weights")


def test_an_encoder_does_not_pass_for_a_decoder(v1: Path, own: Path) -> None:
    for place, name in ((v1, "ckpt"), (own, "safetensors")):
        (place / f"encoder.{name}").replace(place / f"decoder.{name}")
        save = torch.save if name == "ckpt" else save_file
        save(small.encoder().state_dict(), place / f"encoder.{name}")
        refused(place, rf"decoder\.{name}: damaged, of other layers, or more than weights")


def test_a_checkpoint_of_weights_without_a_wrapper_is_read(v1: Path) -> None:
    torch.save(small.encoder().state_dict(), v1 / "encoder.ckpt")
    assert load_source(v1).digest == small.model().digest


@pytest.mark.parametrize("kept", [0, 1, 7, 100, -1])
@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_truncated_weights_are_one_line(part: str, kept: int, v1: Path, own: Path) -> None:
    for place, name in ((v1, f"{part}.ckpt"), (own, f"{part}.safetensors")):
        path = place / name
        path.write_bytes(path.read_bytes()[:kept])
        refused(place, rf"{name}: damaged, of other layers, or more than weights")


@pytest.mark.parametrize("held", ["a text", 3, None, [1], {"state_dict": 3}, {"state_dict": {}}])
def test_a_checkpoint_of_something_else_is_one_line(held: Any, v1: Path) -> None:
    torch.save(held, v1 / "encoder.ckpt")
    refused(v1, r"encoder\.ckpt: damaged, of other layers, or more than weights")


def test_a_missing_and_an_unknown_tensor_are_refused(own: Path) -> None:
    path = own / "decoder.safetensors"
    whole = load_file(path)
    for held in (
        {name: tensor for name, tensor in whole.items() if name != "network.2.bias"},
        {**whole, "network.9.bias": torch.ones(3)},
    ):
        save_file(held, path)
        refused(own, r"decoder\.safetensors: damaged, of other layers, or more than weights")


class Code:
    """An object that makes a file where it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.target), "w")


@pytest.mark.filterwarnings("ignore:unclosed file")
@pytest.mark.parametrize("part", ["encoder", "decoder"])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "older format"])
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside the weights"])
def test_a_checkpoint_that_holds_code_is_refused_and_not_run(
    part: str, legacy: bool, beside: bool, v1: Path, tmp_path: Path
) -> None:
    mark, path = tmp_path / "was run", v1 / f"{part}.ckpt"
    held: dict[str, Any] = {"state_dict": Code(mark)}
    if beside:
        held = {"state_dict": getattr(small, part)().state_dict(), "callback": Code(mark)}
    torch.save(held, path, _use_new_zipfile_serialization=not legacy)
    torch.load(path, weights_only=False)
    assert mark.exists()  # the trap is one
    mark.unlink()
    refused(v1, rf"{part}\.ckpt: damaged, of other layers, or more than weights, of which nothing")
    assert not mark.exists()


@pytest.mark.parametrize("held", ["", "{", "[]", "3", "null", '"name"', "{}", '{"data": 1}'])
def test_a_damaged_source_json_is_one_line(held: str, own: Path) -> None:
    (own / SOURCE).write_text(held)
    refused(own, r"source\.json: damaged; train the model again")


def test_of_both_formats_ours_is_read(own: Path) -> None:
    torch.save({"state_dict": small.encoder(seed=9).state_dict()}, own / "encoder.ckpt")
    assert load_source(own).digest == small.model().digest
