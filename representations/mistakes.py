"""Mistakes on a command line, in one line: tyro draws a box of up to eleven lines for each."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr

RULE = re.compile(r"^[│─╰╯\s-]+$")
HELP = re.compile(r"\S.*--help")


@contextmanager
def held_back(into: io.StringIO) -> Iterator[None]:
    """Collect what tyro prints of a mistake, and nothing else that goes to standard error."""
    try:
        from tyro._errors import on_parse_error
    except ImportError:  # not part of tyro's stable interface: without it, the box is shown
        yield
        return
    with ExitStack() as stack:

        def hold(_: object) -> None:
            stack.enter_context(redirect_stderr(into))
            stack.enter_context(_wide())

        stack.enter_context(on_parse_error(hold))
        yield


@contextmanager
def _wide() -> Iterator[None]:
    """A terminal so wide that no path is broken in two."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "10000"
    try:
        yield
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before


def in_one_line(box: str) -> str:
    """The text of tyro's box: the mistake, what may have been meant, and where help is."""
    parts, hint = [], ""
    for section in _sections(box):
        first, rest = section[0].strip(), section[1:]
        # The help text of an argument stands deeper than its name.
        names = [line.strip() for line in rest if line.startswith("    ") and line[4] != " "]
        if first.startswith("For full helptext"):
            found = HELP.search(" ".join(map(str.strip, rest)) or first.partition(", ")[2][4:])
            hint = f"; see {found[0]}" if found else ""
        elif first.startswith("Missing from"):
            parts.append(f"missing {', '.join(name.split(', ')[-1] for name in names)}")
        elif first == "Perhaps you meant:":
            parts.append(f"did you mean {names[0].split()[0]}?" if names else "")
        elif first != "Argument helptext:":
            parts.append(" ".join(line.strip() for line in section).rstrip("."))
    return ("; ".join(filter(None, parts)) or " ".join(box.split())) + hint


def _sections(box: str) -> list[list[str]]:
    """Lines between the rules of a box."""
    sections: list[list[str]] = [[]]
    for line in box.splitlines()[1:]:  # below the title
        inside = line[2:].rstrip("│ ")  # sides are blank where the terminal has no lines to draw
        if RULE.match(line):
            sections.append([])
        elif inside:
            sections[-1].append(inside)
    return [section for section in sections if section]
