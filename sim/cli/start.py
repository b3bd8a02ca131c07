"""`init` and `schema`: what one needs before there is a scenario."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.console import Refused, put_json, say

INIT_HELP = """Write a commented scenario to start from: a small generated fleet, or your own.

\b
Examples:
  nixfleet-sim init my.yaml
  nixfleet-sim init my.yaml --from fleet.resolved.json
"""
SCHEMA_HELP = """Print the JSON Schema of scenario files, for editors that complete and check.

\b
Examples:
  nixfleet-sim schema > scenario.schema.json
"""


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")],
    artifact: Annotated[
        Path | None,
        typer.Option("--from", metavar="ARTIFACT", show_default=False, help="A fleet.resolved.json to simulate."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
) -> None:
    """Write a scenario file to start from."""
    if os.path.lexists(file):
        if not file.is_file():
            raise Refused(f"{file}: is there and is no file", "give the name of a new file")
        if not force:
            raise Refused(f"{file}: is there already", "give another name, or --force to replace it")
    elif not file.parent.is_dir():
        raise Refused(f"{file}: there is no directory {file.parent}", f"mkdir -p {shlex.quote(str(file.parent))}")
    from sim.scenario.starter import starter

    text = starter(artifact, file)
    try:
        _write(file.resolve(), text)
    except OSError as error:
        raise Refused(f"{file}: cannot be written: {error.strerror or error}") from error
    say(f"wrote {file}; next: nixfleet-sim run {shlex.quote(str(file))}")


def schema() -> None:
    """Print the JSON Schema of a scenario file."""
    from sim.scenario.schema import json_schema

    put_json(json_schema())


def _write(path: Path, text: str) -> None:
    """Give a file its content in one step."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(draft, path.stat().st_mode if path.exists() else 0o666 & ~mask)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
