"""`init` and `schema`: what one needs before there is a scenario."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.console import Refused, put_json, say
from sim.cli.writing import write_file

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
    write_file(file, text)
    say(f"wrote {file}; next: nixfleet-sim run {shlex.quote(str(file))}")


def schema() -> None:
    """Print the JSON Schema of a scenario file."""
    from sim.scenario.schema import json_schema

    put_json(json_schema())
