"""The manners of every command: one line for bad input, exit codes, no traceback."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

from representations.errors import InputError
from representations.mistakes import held_back, in_one_line

BAD_INPUT, INTERRUPTED = 2, 130


def run_cli(main: Callable[[], int | None]) -> NoReturn:
    """Run a command and exit: 0 or what it returns, 2 for bad input, 130 when interrupted."""
    mistake = io.StringIO()
    try:
        with held_back(mistake):
            code = main() or 0
        sys.stdout.flush()  # here, where a closed pipe can still be caught
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        code = BAD_INPUT
    except SystemExit:
        if not mistake.getvalue():
            raise
        print(f"error: {in_one_line(mistake.getvalue())}", file=sys.stderr)
        code = BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:  # the reader, as in `list | head -1`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    raise SystemExit(code)


def say_remarks(remarks: Iterable[str]) -> None:
    """Print what was done to the input, one line each, on standard error."""
    for remark in remarks:
        say(f"note: {remark}")


def say(line: str) -> None:
    """Print a line that is no result, on standard error."""
    print(line, file=sys.stderr, flush=True)
