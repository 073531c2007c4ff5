"""Gating phrases: ``CD3+ CD4+ CD8- CD45RA+`` to markers with a state each, and back."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

from clip_align.markers import antibodies, find_antibody, load_panel
from clip_align.markers.profile import View
from representations.errors import InputError

Find: TypeAlias = Callable[[str], str | None]
State: TypeAlias = Literal["-", "lo", "int", "+", "hi"]
SPELLINGS: dict[State, tuple[str, ...]] = {
    "int": ("+/-", "intermediate", "int", "mid", "med"),
    "hi": ("+++", "++", "bright", "high", "hi"),
    "lo": ("low", "lo", "dim"),
    "+": ("+", "positive", "pos"),
    "-": ("--", "-", "negative", "neg"),
}
_STATE_OF = {spelling: state for state, known in SPELLINGS.items() for spelling in known}
_ANY = "|".join(map(re.escape, sorted(_STATE_OF, key=len, reverse=True)))
_STATE = re.compile(rf"[\s_]*({_ANY})", re.IGNORECASE)
_BETWEEN = re.compile(r"(?:[\s,;&|/]|\band\b)+", re.IGNORECASE)
_WORD = re.compile(r"[^\s,;&|]+")
_SIGNS = str.maketrans("⁺＋⁻−–—‐‑", "++------")
LONGEST_NAME, LONGEST, SHOWN = 40, 500, 100  # letters of a marker, of a phrase, in a message


@dataclass(frozen=True, order=True)
class GateTerm:
    """A marker by its canonical name, and how much of it."""

    marker: str
    state: State

    def __str__(self) -> str:
        return f"{self.marker}{self.state}"


def parse_gate(phrase: str, *, view: View = "adt") -> tuple[GateTerm, ...]:
    """Markers and states of a phrase, in its order; one named twice alike counts once.

    Markers are antibodies in any spelling of the table, or genes of the panel and their aliases
    with view ``rna``. States: ``+``, ``-``, ``hi`` (``high bright ++``), ``lo`` (``low dim``),
    ``int`` (``mid +/-``), ``pos``, ``neg``. Spaces, commas or nothing between them. Where a name
    could end at a hyphen or go on (``HLA-DR+``), the longest known name is meant.

    Raises
    ------
    InputError
        Naming the first word that is not understood, the nearest marker and what to write; or a
        marker that is asked to be two things.

    Examples
    --------
    >>> " ".join(map(str, parse_gate("HLA-DR+CD14dim, PD-1 neg")))
    'HLA-DR+ CD14lo CD279-'
    """
    text = phrase.translate(_SIGNS).strip()
    if not _BETWEEN.sub("", text) or len(text) > LONGEST:
        raise InputError(
            f"gate of {len(text)} letters: write 1 to {LONGEST}, such as 'CD3+ CD4+ CD8-'"
        )
    parsed, stuck = _terms(text, _finder(view))
    if parsed is None:
        raise InputError(f"gate {phrase[:SHOWN]!r}: {_trouble(text[stuck:], view)}")
    states: dict[str, State] = {}
    for term in parsed:
        if states.setdefault(term.marker, term.state) != term.state:
            raise InputError(
                f"gate {phrase[:SHOWN]!r}: {term.marker} is to be both {states[term.marker]} and "
                f"{term.state}; keep one"
            )
    return tuple(GateTerm(*item) for item in states.items())


def _terms(text: str, find: Find) -> tuple[tuple[GateTerm, ...] | None, int]:
    """Terms of the whole text, or None, and how far it could be read."""
    furthest = 0

    @cache
    def rest(start: int) -> tuple[GateTerm, ...] | None:
        nonlocal furthest
        between = _BETWEEN.match(text, start)
        start = between.end() if between else start
        furthest = max(furthest, start)
        if start == len(text):
            return ()
        for term, end in _readings(text, start, find):
            if (more := rest(end)) is not None:
                return (term, *more)
        return None

    return rest(0), furthest


def _readings(text: str, start: int, find: Find) -> Iterator[tuple[GateTerm, int]]:
    """Terms that may begin here and where each ends, the longest name first."""
    for end in range(min(start + LONGEST_NAME, len(text) - 1), start, -1):
        state = _STATE.match(text, end)
        if state and (marker := find(text[start:end])) is not None:
            yield GateTerm(marker, _STATE_OF[state[1].casefold()]), state.end()


def _finder(view: View) -> Find:
    """Canonical marker of a name, None where it is none."""
    look_up = _antibody if view == "adt" else _gene

    @cache
    def find(name: str) -> str | None:
        if "+" in name or name != name.strip() or re.search(r"-\s", name):
            return None  # a hyphen before a space is a state: CD51- CD61+
        found = look_up(name)
        # What a vendor writes behind a name (CD3-16) would be a marker here: none is taken off.
        joined = re.sub(r"[\s-]", "", name)
        return found if found in (name, look_up(joined)) else None

    return find


def _antibody(name: str) -> str | None:
    antibody = find_antibody(name)
    return None if antibody is None or antibody.isotype else antibody.marker


def _gene(name: str) -> str | None:
    """Gene of the panel by symbol or alias; else the first there that an antibody's name means."""
    panel = load_panel()
    spelled = {alias.casefold(): m.symbol for m in panel.markers for alias in m.aliases}
    spelled |= {symbol.casefold(): symbol for symbol in panel.genes}
    antibody = find_antibody(name)
    genes = antibody.genes if antibody is not None else ()
    meant = (spelled.get(name.casefold()), *(gene for gene in genes if gene in panel.genes))
    return next(filter(None, meant), None)


def _trouble(rest: str, view: View) -> str:
    """Why nothing could be read from here on, and what to write."""
    word = _WORD.match(rest)[0]  # type: ignore[index]  # a separator is never where reading stops
    name = re.sub(rf"[\s_]*(?:{_ANY})$", "", word, flags=re.IGNORECASE)
    if not name:
        return f"{word!r} stands without a marker; write it behind one, such as CD3{word[0]}"
    if (marker := _finder(view)(word)) is not None:
        return f"{word!r} has no state; write {marker}+ or {marker}-"
    if view == "adt" and (control := find_antibody(name)) is not None and control.isotype:
        return f"{name!r} is an isotype control, which marks nothing; leave it out"
    known = (
        [a.marker for a in antibodies() if not a.isotype]
        if view == "adt"
        else list(load_panel().genes)
    )
    folded = {marker.casefold(): marker for marker in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    hint = f"; nearest is {folded[near[0]]!r}" if near else ""
    return (
        f"no marker {name!r}{hint}; write names such as {', '.join(known[7:10])}, each with + or -"
    )
