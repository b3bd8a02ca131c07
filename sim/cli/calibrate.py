"""`calibrate`: an event log as a scenario, a table of durations as a law."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.console import Refused, put, put_json, say
from sim.cli.options import Json, Quiet
from sim.cli.writing import check_file, write_file

if TYPE_CHECKING:
    from sim.data.calibration import Calibration
    from sim.data.durations import Durations
    from sim.data.fitting import Fit

HELP = """Make a scenario of a control plane's event log: its hosts behave as the log shows.

DB is the SQLite file of a control plane. Durations are fitted with the laws of a scenario, those still under way when
the log ends included, and probabilities counted; each comes with an interval of 95 % and a test of fit. Channels (and
with --fleet tags) are fitted apart where they differ. The scenario says in comments where each number comes from, and
what a log cannot tell. Without --fleet the fleet is taken from the log and written beside it, as NAME.fleet.json.

With --column it takes a CSV file of durations in place of a log and prints the law for a scenario.

\b
Examples:
  nixfleet-sim calibrate cp.db -o real.yaml --fleet fleet.resolved.json --figures fits
  nixfleet-sim calibrate reboots.csv --column waited --censored still_waiting --unit h
"""


def calibrate(
    source: Annotated[Path, typer.Argument(metavar="DB", help="An event log, or with --column a CSV file.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="SCENARIO", show_default=False, help="The scenario file to write."),
    ] = None,
    fleet: Annotated[
        Path | None,
        typer.Option("--fleet", metavar="ARTIFACT", show_default=False, help="The fleet.resolved.json of the log."),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option("--figures", metavar="DIR", show_default=False, help="Draw each fit there, as SVG."),
    ] = None,
    column: Annotated[
        str | None, typer.Option("--column", metavar="NAME", show_default=False, help="The durations of a CSV file.")
    ] = None,
    censored: Annotated[
        str | None,
        typer.Option("--censored", metavar="COLUMN", show_default=False, help="Which of them were not over, 1 or 0."),
    ] = None,
    unit: Annotated[str, typer.Option("--unit", metavar="U", help="What its numbers count: s, m or h.")] = "s",
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Calibrate."""
    beside = None if output is None or fleet is not None else output.with_name(f"{_stem(output)}.fleet.json")
    for path in (output, beside):
        if path is not None:
            _check(path, force)
            _check_apart(path, source, fleet)
    if figures is not None and figures.exists() and not figures.is_dir():
        raise Refused(f"{figures}: is there and is no directory", "give the name of a directory")
    if column is not None:
        if output is not None or fleet is not None:
            raise Refused("-o and --fleet go with an event log", "the law of a --column is printed")
        _table(source, column, censored, unit, figures, as_json=as_json, quiet=quiet)
        return
    if censored is not None:
        raise Refused("--censored goes with --column")
    _log(source, output, fleet, figures, as_json=as_json, quiet=quiet)


def _stem(output: Path) -> str:
    return output.name.removesuffix(output.suffix)


def _check(path: Path, force: bool) -> None:
    if os.path.lexists(path) and path.is_file() and not force:
        raise Refused(f"{path}: is there already", "give another name, or --force to replace it")
    check_file(path)


def _check_apart(path: Path, *sources: Path | None) -> None:
    """--force replaces what was written before, never what is read: a log is there only once."""
    if any(one is not None and path.resolve() == one.resolve() for one in sources):
        raise Refused(f"{path}: is what is read here, and would be lost", "give another name")


# -- a log


def _log(
    source: Path,
    output: Path | None,
    fleet: Path | None,
    figures: Path | None,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    from sim.data.calibrating import calibrate as fit_all
    from sim.data.calibrating import observe
    from sim.data.log import EventLog, LogError
    from sim.data.told import described
    from sim.scenario.reading import read_artifact

    artifact = None if fleet is None else read_artifact(fleet)[0]
    try:
        with EventLog(source) as log:
            seen = observe(log.rows())
            problems = list(log.problems.lines())
    except LogError as error:
        hint = ("for a table of durations give --column NAME",) if source.suffix.lower() == ".csv" else ()
        raise Refused(str(error), *hint) from error
    if not quiet and problems:
        say(f"{source}: rows that could not be used as they are:")
        for line in problems:
            say(f"  {line}")
    if artifact is None and not seen.openings.rollouts:
        raise Refused(
            f"{source}: no opening of a rollout is in the log, so that it does not tell its fleet",
            "give the fleet with --fleet fleet.resolved.json",
        )
    found = fit_all(seen, artifact)
    if output is not None:
        from sim.data.calibrated import scenario_files

        given = None if fleet is None else os.path.relpath(str(fleet), output.resolve().parent)
        _write(output, scenario_files(found, seen, _stem(output), source=source.name, resolved=given))
    if figures is not None:
        _draw(figures, found)
    if as_json:
        put_json({**found.to_json(), "file": None if output is None else str(output)})
    else:
        put(described(found))
    if output is not None and not quiet:
        say(f"wrote {output}; next: nixfleet-sim run {shlex.quote(str(output))}")


def _write(output: Path, files: Mapping[str, str]) -> None:
    """Write the scenario, the last of the files, and the fleet beside it; neither if they would not be read back."""
    from sim.scenario.loader import load

    *fleet, (_, text) = files.items()
    if fleet:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in fleet:
                write_file(Path(folder) / name, content)
            load(Path(folder) / output.name, text=text)
    else:
        load(output, text=text)
    for name, content in fleet:
        write_file(output.with_name(name), content)
    write_file(output, text)


def _draw(folder: Path, found: Calibration) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, fit) in enumerate(found.fits.items(), 1):
        _figure(folder / f"{number:02d}-{_slug(name)}.svg", name, found.samples[name], fit)


def _slug(name: str) -> str:
    """A name from a log as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60] or "fit"


def _figure(path: Path, title: str, sample: Durations, fit: Fit) -> None:
    from sim.plot import fitted, save

    save(fitted(sample.observed, sample.censored, fit.law(), title=title), path)


# -- a table


def _table(
    source: Path, column: str, censored: str | None, unit: str, figures: Path | None, *, as_json: bool, quiet: bool
) -> None:
    from sim.data.calibrated import snippet
    from sim.data.fitting import fit
    from sim.data.table import UNITS, read_durations
    from sim.data.told import FIT_HEADS, columns, fit_row

    if unit not in UNITS:
        raise typer.BadParameter(f"{unit!r}: expected one of {', '.join(UNITS)}", param_hint="'--unit'")
    sample = read_durations(source, column, censored, unit)
    try:
        found = fit(sample)
    except ValueError as error:
        raise Refused(f"{source}: column {column}: {error}") from None
    if figures is not None:
        figures.mkdir(parents=True, exist_ok=True)
        _figure(figures / f"{_slug(column)}.svg", column, sample, found)
    if as_json:
        put_json({"fits": {column: found.to_json()}, "probabilities": {}})
        return
    if not quiet:
        put("\n".join(columns([FIT_HEADS, fit_row(column, found)])) + "\n")
    put(snippet(column, source.name, found))
