"""`run`: one simulation, watched, saved and told."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.console import on_terminal, put_json, put_styled, say
from sim.cli.interrupts import Interrupts
from sim.cli.options import (
    Json,
    Quiet,
    ReducerCmd,
    ReducerTimeout,
    ScenarioFile,
    Seed,
    Set,
    Until,
    reducer_of,
    settings,
)

if TYPE_CHECKING:
    from sim.model.run import Progress
    from sim.reducer.protocol import Steps
    from sim.result import Result
    from sim.scenario.schema import Scenario

HELP = """Simulate a scenario once and say how its rollouts went.

On a terminal a live view shows the simulated time, the hosts per state and the waves. Ctrl-C ends the run with what
is known by then.

\b
Examples:
  nixfleet-sim run scenario.yaml
  nixfleet-sim run scenario.yaml --seed 7 --set rules.deferred=strict --set hosts.default.reboot.max=8h
  nixfleet-sim run scenario.yaml --until 3d --out results/three-days --events
  nixfleet-sim run scenario.yaml --event-log events.db
  nixfleet-sim run scenario.yaml --json | jq '.rollouts[].stalled'
  nixfleet-sim run scenario.yaml --reducer-cmd './my-reducer --quiet'
"""
LINTS_SHOWN = 3


def run(
    scenario: ScenarioFile,
    seed: Seed = None,
    replication: Annotated[
        int, typer.Option("--replication", metavar="N", min=0, help="Other luck on the same fleet.")
    ] = 0,
    change: Set = None,
    until: Until = None,
    fidelity: Annotated[
        str | None,
        typer.Option(
            "--fidelity",
            metavar="F",
            show_default=False,
            help="In place of the scenario's: events, or full, which schedules even what cannot matter.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", show_default=False, help="Save the summary and the tables there."),
    ] = None,
    event_log: Annotated[
        Path | None,
        typer.Option(
            "--event-log",
            metavar="DB",
            show_default=False,
            help="Write the event log of a control plane there (SQLite); see nixfleet-sim export.",
        ),
    ] = None,
    events: Annotated[bool, typer.Option("--events", help="Record every single event, for --out.")] = False,
    reducer_cmd: ReducerCmd = None,
    reducer_timeout: ReducerTimeout = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate a scenario and print what became of it."""
    changes = settings(change, seed=seed, until=until, fidelity=fidelity)
    if out is not None and event_log is not None and out.resolve() == event_log.resolve():
        problem = f"{event_log}: is what --out names; expected a file of its own"
        raise typer.BadParameter(problem, param_hint="'--event-log'")
    # before pandas: a mistake in the file is told at once
    from sim.scenario.loader import load

    loaded = load(scenario, changes)
    if not quiet:
        show_lints(scenario, loaded)
        if events and out is None:
            say("Note: --events records for --out DIR, and there is none")
        if reducer_cmd is not None and loaded.fidelity == "events":
            say("Note: what the project's own reducer would not act on is left out; --fidelity full makes every step")

    from sim.result import ResultError, check_target, save

    if out is not None:
        check_target(out)
    if event_log is not None:
        from sim.data.writer import check_log

        check_log(event_log)
    recorded = events and out is not None
    with reducer_of(reducer_cmd, reducer_timeout) as reducer:
        result, stopped = simulated(loaded, replication, reducer, event_log, record_events=recorded, quiet=quiet)
    failure = None
    if out is not None:
        try:
            save(result, out)
        except ResultError as error:
            # told after the result, which would be lost otherwise
            failure = error
    if as_json:
        put_json(result.summary)
    else:
        from sim.cli.closing import closing

        put_styled(closing(result))
    if failure is not None:
        raise failure
    if out is not None and not quiet:
        say(f"saved to {out}")
    if event_log is not None and not quiet:
        say(f"wrote {event_log}")
    if stopped:
        raise typer.Exit(130)


def show_lints(file: Path, scenario: Scenario) -> None:
    """Say in short what is odd about a scenario."""
    from sim.result.words import counted
    from sim.scenario.lints import lint_scenario

    lints = sorted(lint_scenario(scenario), key=lambda lint: lint.severity != "error")
    if not lints:
        return
    errors = sum(lint.severity == "error" for lint in lints)
    parts = [counted(n, what) for n, what in ((errors, "error"), (len(lints) - errors, "warning")) if n]
    say(f"{file}: {' and '.join(parts)}")
    for lint in lints[:LINTS_SHOWN]:
        say(f"  {lint.severity}: {lint.place}: {lint.text}")
    more = f"... and {len(lints) - LINTS_SHOWN:,} more; " if len(lints) > LINTS_SHOWN else ""
    say(f"  {more}see nixfleet-sim check {file}")


def simulated(
    scenario: Scenario,
    replication: int,
    reducer: Steps | None = None,
    event_log: Path | None = None,
    *,
    record_events: bool,
    quiet: bool,
) -> tuple[Result, bool]:
    """The result, and whether there was a Ctrl-C."""
    import sim
    from sim.cli.live import LiveView

    view = LiveView(scenario.name, scenario.until) if on_terminal(sys.stderr) and not quiet else None
    with Interrupts() as interrupts, view or nullcontext():

        def look(progress: Progress) -> None:
            interrupts.look()
            if view is not None:
                view.look(progress)

        if event_log is None:
            result = sim.run(
                scenario, replication=replication, record_events=record_events, progress=look, reducer=reducer
            )
        else:
            from sim.data.export import logged

            result, _ = logged(
                scenario,
                event_log,
                replication=replication,
                record_events=record_events,
                progress=look,
                reducer=reducer,
            )
    return result, interrupts.asked or result.summary["end"] == "interrupted"
