"""`export`: the event log of a saved run, as a control plane would have written it."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.console import Refused, on_terminal, put, put_json, say
from sim.cli.interrupts import Interrupts
from sim.cli.options import Json, Quiet

if TYPE_CHECKING:
    from sim.model.run import Progress

HELP = """Write the event log (SQLite) that a real control plane would have written of a saved run.

DIR is what `run --out DIR` wrote. The run is repeated, with every report that changes nothing made too, as each has its
row. Without --every-pass a host that is held back gets a row when another gate comes to hold it, not one in each pass:
a large fleet under a small budget would have a hundred million of them.

\b
Examples:
  nixfleet-sim run scenario.yaml --out results/mine
  nixfleet-sim export results/mine -o events.db
  nixfleet-sim export results/mine -o events.db --start 2026-03-02T08:00:00Z --every-pass
  sqlite3 events.db 'SELECT seq, ts, payload FROM event_log LIMIT 10'
"""


def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A saved result.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DB", help="The SQLite file to write.")],
    start: Annotated[
        str | None,
        typer.Option("--start", metavar="TIME", show_default=False, help="The date of t = 0; 2026-01-05T00:00:00Z."),
    ] = None,
    every_pass: Annotated[
        bool, typer.Option("--every-pass", help="A row per pass and held host, as a real control plane writes them.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Repeat the run and write its log."""
    from sim.data.export import START, logged
    from sim.data.writer import check_log
    from sim.result import read

    check_log(output)
    saved = read(directory)
    if saved.summary["fidelity"] == "log":
        raise Refused(f"{directory}: was replayed from a log, which is its export", "export a simulated run")
    if saved.reducer is not None:
        raise Refused(
            f"{directory}: {saved.reducer!r} made its steps, and is not at hand to repeat the run",
            "nixfleet-sim run … --reducer-cmd CMD --event-log DB",
        )
    from sim.cli.live import LiveView

    scenario = saved.scenario
    view = LiveView(scenario.name, scenario.until) if on_terminal(sys.stderr) and not quiet else None
    with Interrupts() as interrupts, view or nullcontext():

        def look(progress: Progress) -> None:
            interrupts.look()
            if view is not None:
                view.look(progress)

        result, rows = logged(
            scenario,
            output,
            seed=saved.summary["seed"],
            replication=saved.summary["replication"],
            start=start or START,
            every_pass=every_pass,
            progress=look,
        )
    if not quiet and result.summary["ended_at_s"] != saved.summary["ended_at_s"]:
        say(f"Note: the run ended elsewhere than that in {directory}, which was stopped or made by another version")
    if as_json:
        put_json({"rows": rows, "file": str(output)})
    else:
        put(f"{rows:,} rows in {output}")
    if interrupts.asked or result.summary["end"] == "interrupted":
        raise typer.Exit(130)
