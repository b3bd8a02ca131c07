"""What the commands that make many runs do alike: they watch them, tell what was found, and end as that ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import typer

from sim.cli.console import put, put_json, say
from sim.cli.interrupts import Interrupts
from sim.cli.writing import write_report

if TYPE_CHECKING:
    from sim.experiment import Capacity, Comparison, Replications, Sweep

    Kind = TypeVar("Kind", Replications, Comparison, Sweep, Capacity)

Found = TypeVar("Found", covariant=True)


class Experiment(Protocol[Found]):
    """An experiment with all but its watchers given, such as a `functools.partial` of `sim.experiment.replicate`."""

    def __call__(self, *, look: Callable[[], None], progress: Callable[[Any], None]) -> Found: ...


def watched(name: str, experiment: Experiment[Found], *, quiet: bool) -> tuple[Found, bool]:
    """Carry an experiment out and show how far it is under a name: what it found, and whether there was a Ctrl-C."""
    from sim.cli.watch import Watch

    with Interrupts() as interrupts, Watch(name, quiet=quiet) as watch:
        return experiment(look=interrupts.look, progress=watch.look), interrupts.asked


def conducted(
    name: str,
    experiment: Experiment[Kind],
    *,
    kept: str | None,
    report: Path | None,
    as_json: bool,
    quiet: bool,
) -> Kind:
    """Carry an experiment out, print what it has found and write its page, if one is asked for.

    Args:
        kept: what to say of the files it leaves, if it leaves any.

    Raises:
        Exit: it was interrupted; what was known by then has been told.
    """
    found, interrupted = watched(name, experiment, quiet=quiet)
    if as_json:
        put_json(found.summary)
    else:
        put(found.describe())
    if kept is not None and not quiet:
        say(kept)
    write_report(report, found, quiet=quiet)
    if interrupted or found.interrupted:
        raise typer.Exit(130)
    return found


def kept_in(out: Path | None) -> str | None:
    """What to say of a directory that runs are kept in."""
    return None if out is None else f"kept in {out}"
