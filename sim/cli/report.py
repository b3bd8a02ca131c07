"""`report`: a saved run as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.console import put_json, say
from sim.cli.options import Json, Quiet
from sim.cli.writing import check_page, write_file

if TYPE_CHECKING:
    from sim.result import Result

HELP = """Write a saved run as one HTML file, which opens anywhere without a network.

DIR is what `run --out DIR` wrote. The answers come first, then the fleet as a grid that moves with time, figures,
tables, and the scenario as it was run. --against holds the run against another one, such as the same scenario under
another rule: which settings differ, and what each wave gains or loses by it. Nothing is simulated again.

\b
Examples:
  nixfleet-sim run scenario.yaml --out results/as-built
  nixfleet-sim run scenario.yaml --set rules.deferred=strict --out results/strict
  nixfleet-sim report results/as-built -o report.html
  nixfleet-sim report results/as-built --against results/strict -o ordering.html
"""


def report(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A saved result.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The HTML file to write.")],
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="DIR", show_default=False, help="Another saved result, to compare with."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write the page."""
    check_page(output, "-o")
    from sim.result import written_by

    made_by = written_by(directory)
    one = _read(directory)
    other = _read(against) if against is not None else None
    from sim.report import report as page

    text = page(one, other, made_by)
    write_file(output, text)
    if as_json:
        put_json({"file": str(output), "bytes": output.stat().st_size})
    if not quiet:
        say(f"wrote {output}")


def _read(directory: Path) -> Result:
    """A saved result that holds all that the page is made of.

    Raises:
        ResultError: it does not, or there is none; the message says which version wrote it.
    """
    from sim.report.needs import check
    from sim.result import ResultError, read, written_by

    result = read(directory)
    try:
        check(result)
    except ResultError as error:
        wrote = written_by(directory)["nixfleet-sim"]
        raise ResultError(f"cannot report on {directory}, which nixfleet-sim {wrote} wrote: {error}") from error
    return result
