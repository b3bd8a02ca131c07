"""The entry point: runs a command and turns whatever ends it into an exit code and, at most, one message."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from sim.cli import console


def main() -> NoReturn:
    """The command line as a process."""
    # one that was started in the background is to ignore Ctrl-C, and goes on doing so
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _leave)
    code = execute(sys.argv[1:])
    # the interpreter's own clearing up is not to be interrupted
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # a second one, on the way out, would meet a half-cleared interpreter; and not KeyboardInterrupt, which prints a
    # traceback where nobody catches it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise SystemExit(130)


def execute(arguments: Sequence[str]) -> int:
    """Run a command line; its exit code: 0 done, 1 the answer is no, 2 wrong input, 130 after Ctrl-C."""
    console.never_fail_to_encode()
    try:
        # here and not above, so that a Ctrl-C while it loads is caught too
        from sim.cli.app import command

        command(list(arguments), prog_name="nixfleet-sim")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not _told(error):
            raise
        return 2
    return 0


def _told(error: Exception) -> bool:
    """Tell of an error that is the input's or the machine's; False if it is ours."""
    if isinstance(error, console.Refused):
        console.complain(*error.lines)
    elif isinstance(error, OSError):
        reason = error.strerror or str(error)
        console.complain(reason if error.filename is None else f"{error.filename}: {reason}")
    elif isinstance(error, MemoryError):
        console.complain("out of memory; take a smaller fleet or a shorter `until`, or leave out --events")
    elif isinstance(error, ImportError):
        return False
    else:
        return _told_by_library(error)
    return True


def _told_by_library(error: Exception) -> bool:
    from sim.reducer.errors import FleetError, ReducerError
    from sim.scenario.loader import ScenarioError

    if isinstance(error, ScenarioError):
        console.complain_of("the scenario cannot be used", str(error).splitlines())
        return True
    if isinstance(error, FleetError):
        console.complain(f"the fleet cannot be simulated: {error}", "nixfleet-sim check FILE lists all that is wrong")
        return True
    if isinstance(error, ReducerError):
        console.complain(*map(str, error.args))
        return True
    from sim.result import ResultError

    if isinstance(error, ResultError):
        console.complain(str(error))
        return True
    from sim.data import LogError

    if isinstance(error, LogError):
        console.complain(*str(error).splitlines())
        return True
    from sim.experiment import ExperimentError

    if isinstance(error, ExperimentError):
        console.complain(*str(error).splitlines())
        return True
    return False
