"""Standard output and standard error, and the errors a command may end with."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.text import Text


class Refused(Exception):
    """The input or the command line is wrong: exit code 2. The first line says what and where, others what to do."""

    def __init__(self, *lines: str):
        super().__init__("\n".join(lines))
        self.lines = lines


def never_fail_to_encode() -> None:
    """A character that the terminal's encoding lacks is written as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def put(text: str) -> None:
    """A line on standard output."""
    _write(sys.stdout, f"{printable(text)}\n")


def put_json(data: Any) -> None:
    """One JSON object on standard output."""
    # ASCII, so that it is JSON in every encoding
    _write(sys.stdout, json.dumps(data, indent=2, allow_nan=False) + "\n")


def put_styled(lines: Iterable[Text]) -> None:
    """Lines on standard output, in colour if it is a terminal."""
    from rich.console import Console

    # lines are not wrapped, so that any width does, but for one of 0, which COLUMNS may say and which leaves nothing
    drawn = Console(file=io.StringIO(), force_terminal=on_terminal(sys.stdout), width=80)
    with drawn.capture() as captured:
        for line in lines:
            drawn.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)
    _write(sys.stdout, captured.get())


def say(text: str) -> None:
    """A line on standard error."""
    with contextlib.suppress(OSError):  # there would be nowhere left to say so
        _write(sys.stderr, f"{printable(text)}\n")


def complain(first: str, *more: str) -> None:
    """An error message on standard error, further lines indented."""
    say(f"Error: {first}")
    for line in more:
        say(f"  {line}")


def complain_of(what: str, problems: Sequence[str]) -> None:
    """One error message for all problems; `what` heads them where there are several."""
    if len(problems) == 1:
        complain(problems[0])
    else:
        complain(what, *problems)


def on_terminal(stream: TextIO | None) -> bool:
    """Whether someone may be looking at a stream."""
    return stream is not None and stream.isatty()


def printable(text: str) -> str:
    """The text with control characters spelt out: a name in a file must not steer the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        # the stream keeps what it could not write and would fail again when the interpreter ends
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
        # whoever read a pipe and left has seen enough
        if not isinstance(error, BrokenPipeError):
            raise OSError(error.errno, f"cannot write the output: {error.strerror}") from error
