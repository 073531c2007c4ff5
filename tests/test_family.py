"""Names are unique, near misses are named, files and other distributions join by themselves."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from dataclasses import asdict, dataclass, field

import pytest

from representations import registry
from representations.base import Coordinates, Representation
from representations.errors import InputError
from representations.family import Family
from representations.pca import Pca, PcaConfig
from representations.rebuilt import rebuilt


def test_members_are_found_by_name():
    family: Family[int] = Family("number")
    family.add("two", 2)
    assert family.register("one")(1) == 1
    assert family.names() == ("one", "two")
    assert family.get("two") == 2


def test_a_name_is_taken_once():
    family: Family[object] = Family("thing")
    member = object()
    family.add("a", member)
    family.add("a", member)  # the same one again: a module imported twice
    with pytest.raises(ValueError, match="thing 'a' is registered twice"):
        family.add("a", object())
    assert family.get("a") is member


def test_a_near_miss_is_named():
    with pytest.raises(InputError, match="did you mean 'diffmap'") as error:
        registry.get("difmap")
    assert "\n" not in str(error.value)
    assert "pca" in str(error.value)
    with pytest.raises(InputError, match="no representation 'xyz'; known: ") as error:
        registry.get("xyz")
    assert "did you mean" not in str(error.value)


def package(tmp_path, monkeypatch, name: str, **modules: str) -> None:
    (tmp_path / name).mkdir()
    for module, text in {"__init__": "", **modules}.items():
        (tmp_path / name / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


def test_adding_a_member_is_adding_a_file(tmp_path, monkeypatch):
    family: Family[int] = Family("shelf", package="shelf_a")
    monkeypatch.setattr("builtins.SHELF", family, raising=False)
    package(
        tmp_path, monkeypatch, "shelf_a",
        one="SHELF.add('one', 1)", _private="raise RuntimeError", two="SHELF.names()",
    )  # fmt: skip
    assert family.names() == ("one",)


def test_a_file_that_fails_keeps_failing(tmp_path, monkeypatch):
    package(tmp_path, monkeypatch, "shelf_b", broken="raise RuntimeError('broken file')")
    family: Family[int] = Family("shelf", package="shelf_b")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="broken file"):
            family.names()


NUMBER = 3


class Tiny(Representation):
    """A representation of another distribution."""

    name = "tiny"
    Config = PcaConfig

    def _fit(self, adata):
        raise NotImplementedError

    def _place(self, adata, statistics):
        raise NotImplementedError

    def _state(self):
        return {}

    def _load_state(self, state):
        pass


def offer(monkeypatch, **members: str) -> Family:
    """A family to which another distribution offers members."""

    def entry_points(*, group):
        assert group == registry.ENTRY_POINTS
        return [importlib.metadata.EntryPoint(k, v, group) for k, v in members.items()]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    monkeypatch.setitem(sys.modules, "elsewhere", sys.modules[__name__])
    return Family("representation", entry_points=registry.ENTRY_POINTS)


def test_other_distributions_can_offer_members(monkeypatch, tmp_path):
    family = offer(monkeypatch, tiny="elsewhere:Tiny", pca="representations.pca:Pca")
    family.add("pca", Pca)  # offered and registered, and the same
    monkeypatch.setattr(registry, "_FAMILY", family)
    assert registry.names() == ("pca", "tiny")
    assert registry.get("X_tiny") is Tiny


def test_an_offer_may_not_take_a_known_name(monkeypatch):
    family = offer(monkeypatch, pca="elsewhere:Tiny")
    family.add("pca", Pca)
    assert family.get("pca") is Pca
    assert "registered twice" in family.unusable()["pca"]


@pytest.mark.parametrize("target", ["no_such_module:Tiny", "elsewhere:Missing"])
def test_an_offer_that_cannot_be_imported_is_refused_where_it_is_asked_for(monkeypatch, target):
    family = offer(monkeypatch, tiny=target, other="elsewhere:Tiny")
    monkeypatch.setattr(registry, "_FAMILY", family)
    assert registry.names() == ("other",)  # which is as it was
    with pytest.raises(InputError, match=f"'tiny', offered as {target}") as error:
        registry.get("tiny")
    assert "\n" not in str(error.value)
    assert "uninstall" in str(error.value)
    assert list(registry.unusable()) == ["tiny"]


def test_an_offer_must_be_what_its_name_says(monkeypatch):
    family = offer(monkeypatch, small="elsewhere:Tiny", number="elsewhere:NUMBER")
    family._check = registry._unfit
    assert family.names() == ()
    assert "called 'small', the class 'tiny'" in family.unusable()["small"]
    assert "no subclass of Representation" in family.unusable()["number"]


def test_coordinates_are_keyword_only():
    with pytest.raises(TypeError):
        Coordinates(None, None)


@dataclass(frozen=True, kw_only=True)
class Inner:
    genes: tuple[str, ...] = ()
    depth: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    spare: Inner | None = None
    names: tuple[str, ...] = ("a",)
    free: dict[str, int] = field(default_factory=dict)


def test_a_configuration_comes_back_from_json_however_deep():
    config = Outer(inner=Inner(genes=("x", "y")), spare=Inner(depth=2.0), free={"k": 1})
    assert rebuilt(Outer, json.loads(json.dumps(asdict(config)))) == config
    assert rebuilt(Outer, asdict(config) | {"gone": 1}) == config
    assert rebuilt(Outer, {"spare": None}) == Outer()
