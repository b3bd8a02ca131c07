"""The options that the commands share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sim.model.remote import Remote
    from sim.scenario.schema import Scenario

ScenarioFile = Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file (YAML or JSON).")]
Seed = Annotated[
    int | None, typer.Option("--seed", metavar="N", show_default=False, help="In place of the scenario's.")
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="K=V",
        show_default=False,
        help="Change a setting, e.g. rules.deferred=strict. May be given many times.",
    ),
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="D", show_default=False, help="In place of the scenario's horizon, e.g. 8h."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no lints, only errors and the result.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")]
Most = Annotated[
    int | None,
    typer.Option(
        "-n",
        metavar="N",
        min=1,
        show_default=False,
        help="So many runs, or pairs of them; with --precision: at most so many.",
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="P",
        show_default=False,
        help="Stop when each 95 % interval is within P of its mean, or of the larger of two (5 % without -n).",
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="PATH",
        show_default=False,
        help="What to measure, e.g. rollouts.stable.terminal_at_s. May be given many times. Without it: throughput of "
        "each wave, times to converge, exposure.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", show_default=False, help="Keep every finished run there, and go on from those there."
    ),
]
Wait = Annotated[bool, typer.Option("--wait", help="If another process works in DIR, wait for it to end.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="W", min=1, show_default=False, help="Processes; default: one per core."),
]
Dask = Annotated[
    str | None,
    typer.Option("--dask", metavar="ADDR", show_default=False, help="Run on the workers of this dask scheduler."),
]

ReducerCmd = Annotated[
    str | None,
    typer.Option(
        "--reducer-cmd",
        metavar="CMD",
        show_default=False,
        help="A program that makes the steps in place of the project's reducers, e.g. 'python -m sim.reducer.serve'.",
    ),
]
ReducerTimeout = Annotated[
    str | None,
    typer.Option(
        "--reducer-timeout", metavar="D", show_default=False, help="How long it may take for an answer; default 10s."
    ),
]

ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        show_default=False,
        help="Write the answer as one HTML page, too, with figures, tables, and how many runs that took and why.",
    ),
]


def share(given: str | None, option: str) -> float | None:
    """A percentage such as `5%` or `5` as a share, above 0 and below 1; None if it is not given."""
    if given is None:
        return None
    from sim.scenario.units import parse_percent

    try:
        found = float(parse_percent(given) / 100)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=f"'{option}'") from None
    if not 0 < found < 1:
        raise typer.BadParameter(f"{given!r}: expected more than 0 % and less than 100 %", param_hint=f"'{option}'")
    return found


@contextmanager
def reducer_of(command: str | None, timeout: str | None) -> Iterator[Remote | None]:
    """The reducer that `--reducer-cmd` names, its program running inside; None if it is not given."""
    if command is None:
        if timeout is not None:
            raise typer.BadParameter("there is no --reducer-cmd to wait for", param_hint="'--reducer-timeout'")
        yield None
        return
    from sim.model.program import TIMEOUT, Program
    from sim.model.remote import Remote
    from sim.scenario.units import parse_duration

    try:
        seconds = TIMEOUT if timeout is None else parse_duration(timeout)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'--reducer-timeout'") from None
    if not seconds:
        raise typer.BadParameter("expected more than 0s", param_hint="'--reducer-timeout'")
    with Program(command, seconds) as program:
        yield Remote(program)


def settings(given: list[str] | None, *, option: str = "--set", **named: object) -> dict[str, object]:
    """The `--set` options (or those called `option`), and those with a name of their own where given, as the loader
    takes them.

    Of two values for one setting the later counts, and an option of its own before `--set`.
    """
    found: dict[str, object] = {}
    for one in given or []:
        key, sign, value = one.partition("=")
        if not sign or not key.strip():
            raise typer.BadParameter(
                f"{one!r}: expected KEY=VALUE, such as rules.deferred=strict", param_hint=f"'{option}'"
            )
        found[key.strip()] = value
    found.update((key, value) for key, value in named.items() if value is not None)
    return found


def under(scenario: Scenario, changes: dict[str, object], folder: Path, option: str) -> Scenario:
    """The scenario under the settings of an option; what is wrong with them is told of that option."""
    if not changes:
        return scenario
    from msgspec.structs import replace

    from sim.scenario.loader import ScenarioError, with_settings

    try:
        return with_settings(scenario, changes, folder)
    except ScenarioError as error:
        told = [replace(one, file=one.file.replace("--set ", f"{option} ")) for one in error.problems]
        raise ScenarioError(told) from None
