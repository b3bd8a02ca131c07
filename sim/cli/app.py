"""The commands and their help."""

from __future__ import annotations

from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperGroup

import sim
from sim.cli import (
    bench,
    calibrate,
    capacity,
    check,
    compare,
    conform,
    diff_reducer,
    export,
    replay,
    replicate,
    report,
    run,
    start,
    sweep,
    trace,
    validate,
)


class _Commands(TyperGroup):
    def get_help_option(self, ctx: Any) -> Any:
        """That of typer, but not given it is False: to make sense of the usual None it would load pydantic."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.default = False
        return option


_CONTEXT = {"help_option_names": ["--help", "-h"], "max_content_width": 100}

# Neither help nor tracebacks by rich: it would double the time of --help, and wraps lines where a pipe has no width.
app = typer.Typer(
    name="nixfleet-sim",
    cls=_Commands,
    help="Simulates how a nixfleet fleet rolls out: the state machines, the planner and its gates, hosts with luck.",
    epilog="""\b
Examples:
  nixfleet-sim init my.yaml                 a commented scenario to start from
  nixfleet-sim check my.yaml                what is wrong or odd about it
  nixfleet-sim run my.yaml                  simulate it
  nixfleet-sim replicate my.yaml            simulate it many times
  nixfleet-sim compare my.yaml --b rules.deferred=strict
  nixfleet-sim sweep my.yaml --vary control_plane.plan_tick=15s,60s --out results/tick
  nixfleet-sim bench check baseline.json    has anything got worse?
  nixfleet-sim run my.yaml --set rules.deferred=strict --seed 2 --out results/strict

\b
Exit codes: 0 done; 1 the answer is no; 2 the input or the command line is wrong; 130 after Ctrl-C.
""",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings=_CONTEXT,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nixfleet-sim {sim.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


app.command("run", help=run.HELP, short_help="Simulate a scenario once.")(run.run)
app.command("check", help=check.HELP, short_help="Look for what is wrong or odd in scenarios and artifacts.")(
    check.check
)
app.command("conform", help=conform.HELP, short_help="Run conformance vectors against the reducers.")(conform.conform)
app.command("diff-reducer", help=diff_reducer.HELP, short_help="Where does a reducer of your own differ from ours?")(
    diff_reducer.diff_reducer
)
app.command("replicate", help=replicate.HELP, short_help="Simulate it many times: how sure are the numbers?")(
    replicate.replicate
)
app.command("compare", help=compare.HELP, short_help="Compare two settings under the same luck.")(compare.compare)
app.command("capacity", help=capacity.HELP, short_help="Find the smallest value that meets a service goal.")(
    capacity.capacity
)
app.command("sweep", help=sweep.HELP, short_help="Run it under many settings: which of them matter?")(sweep.sweep)
app.command("validate", help=validate.HELP, short_help="Hold a real rollout against simulations of it.")(
    validate.validate
)
benches = typer.Typer(
    cls=_Commands, rich_markup_mode=None, no_args_is_help=True, add_completion=False, context_settings=_CONTEXT
)
benches.command("record", help=bench.RECORD_HELP, short_help="Write down what scenarios give.")(bench.record)
benches.command(
    "check", cls=bench.CheckCommand, help=bench.CHECK_HELP, short_help="Run them again: is anything worse?"
)(bench.check)
app.add_typer(benches, name="bench", help=bench.HELP, short_help="Guard a CI: has anything got worse?")
app.command("trace", help=trace.HELP, short_help="Tell what happened to one host of a saved run.")(trace.trace)
app.command("report", help=report.HELP, short_help="Write a saved run as one HTML page, or hold it against another.")(
    report.report
)
app.command("export", help=export.HELP, short_help="Write a saved run as the event log of a control plane.")(
    export.export
)
app.command("replay", help=replay.HELP, short_help="Hold a control plane's event log against the reducers.")(
    replay.replay
)
app.command("calibrate", help=calibrate.HELP, short_help="Make a scenario of a control plane's event log.")(
    calibrate.calibrate
)
app.command("init", help=start.INIT_HELP, short_help="Write a commented scenario to start from.")(start.init)
app.command("schema", help=start.SCHEMA_HELP, short_help="Print the JSON Schema of scenario files.")(start.schema)

command = typer.main.get_command(app)
"""What `main` runs."""
