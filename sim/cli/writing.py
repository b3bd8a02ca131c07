"""Files that a command writes: the whole of it or nothing, and tried before there is work to lose."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sim.cli.console import Refused, say

if TYPE_CHECKING:
    from sim.report.experiment import Experiment

PAGES = (".html", ".htm")
"""How the name of a page ends."""


def check_page(path: Path | None, option: str, beside: Path | None = None) -> None:
    """Whether a page could be written there; None is fine.

    Args:
        option: what asks for it.
        beside: a directory that the command makes before it works; the page may go there.

    Raises:
        BadParameter: the name is none of a page, so that no slip of the hand replaces a scenario or a table.
        Refused: it could not be written.
    """
    if path is None:
        return
    if path.suffix.lower() not in PAGES:
        raise typer.BadParameter(f"{str(path)!r}: expected a name that ends in .html", param_hint=f"'{option}'")
    if beside is None or beside.exists() or path.absolute().parent != beside.absolute():
        check_file(path)


def write_report(path: Path | None, found: Experiment, *, quiet: bool) -> None:
    """The page of an experiment, if one is asked for.

    Raises:
        Refused: it cannot be written.
    """
    if path is None:
        return
    from sim.report import experiment_report

    write_file(path, experiment_report(found))
    if not quiet:
        say(f"wrote {path}")


def check_file(path: Path) -> None:
    """Whether `write_file` could write there, found out by trying; nothing is left behind.

    Raises:
        Refused: it could not.
    """
    if os.path.lexists(path) and not path.is_file():
        raise Refused(f"{path}: is there and is no file", "give the name of a new file")
    place = path.resolve()
    if not place.parent.is_dir():
        raise Refused(f"{path}: there is no directory {path.parent}", f"mkdir -p {shlex.quote(str(path.parent))}")
    try:
        descriptor, draft = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    os.close(descriptor)
    os.unlink(draft)


def write_file(path: Path, content: str | bytes) -> None:
    """Give a file its content in one step; a link is followed.

    Raises:
        Refused: it cannot be written.
    """
    try:
        _write(path.resolve(), content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> Refused:
    return Refused(f"{path}: cannot be written: {error.strerror or error}")


def _write(path: Path, content: bytes) -> None:
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(draft, path.stat().st_mode if path.exists() else 0o666 & ~mask)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
