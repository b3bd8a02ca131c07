"""`check`: the lints of scenarios and artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sim.cli.console import complain_of, put, put_json
from sim.cli.options import Json

HELP = """Look for what is wrong or odd in scenarios and fleet artifacts, without simulating anything.

An error is something the real system refuses; a warning says what will happen, such as a wave that can never be
left. Exit code 1 if there is an error, 2 if a file cannot be read at all.

\b
Examples:
  nixfleet-sim check scenario.yaml
  nixfleet-sim check scenarios/*.yaml fleet.resolved.json --json
"""


def check(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Scenarios (YAML, JSON) and artifacts (JSON).")
    ],
    as_json: Json = False,
) -> None:
    """Print the lints of files."""
    from sim.scenario.lints import lint_file
    from sim.scenario.loader import ScenarioError

    found: list[dict[str, Any]] = []
    count = {"error": 0, "warning": 0}
    unread = 0
    for file in files:
        entry: dict[str, Any] = {"file": str(file), "kind": None, "lints": [], "problems": []}
        found.append(entry)
        try:
            entry["kind"], lints = lint_file(file)
        except ScenarioError as error:
            unread += 1
            entry["problems"] = [
                {"file": str(one.file), "line": one.line, "path": one.path, "message": one.message}
                for one in error.problems
            ]
            complain_of(f"{file} cannot be used", str(error).splitlines())
            continue
        for lint in lints:
            count[lint.severity] += 1
            entry["lints"].append({"severity": lint.severity, "place": lint.place, "text": lint.text})
            if not as_json:
                put(f"{file}: {lint.severity}: {lint.place}: {lint.text}")
    if as_json:
        put_json({"files": found, "errors": count["error"], "warnings": count["warning"]})
    else:
        put(_closing(len(files), unread, count))
    raise typer.Exit(2 if unread else 1 if count["error"] else 0)


def _closing(files: int, unread: int, count: dict[str, int]) -> str:
    counts = {"file": files, **count}
    file, error, warning = (f"{n:,} {noun}{'' if n == 1 else 's'}" for noun, n in counts.items())
    return f"{file}: {error}, {warning}" + (f"; {unread:,} could not be used" if unread else "")
