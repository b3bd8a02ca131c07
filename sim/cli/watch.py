"""How far an experiment is: a line that changes on a terminal, now and then a line of its own where there is none."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sim.cli.console import on_terminal, printable, say
from sim.result.words import counted, duration

if TYPE_CHECKING:
    from rich.live import Live

    from sim.experiment import Progress

EVERY_S = 0.1
"""Between two changes of the line on a terminal."""
FIRST_S, LONGER = 5.0, 1.5
"""When the first plain line comes, and by which factor the time up to each next one grows."""


class Watch:
    """Shows the `Progress` of an experiment on standard error while it is entered; leaving takes the line off the
    terminal. `clock` gives seconds."""

    def __init__(self, name: str, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic):
        self._name = printable(name)
        self._quiet = quiet
        self._clock = clock
        self._started = clock()
        self._live: Live | None = None
        self._next = 0.0 if on_terminal(sys.stderr) else FIRST_S

    def __enter__(self) -> Self:
        self._started = self._clock()
        if not self._quiet and on_terminal(sys.stderr):
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                f"{self._name}: the first run ...",
                console=Console(stderr=True, markup=False, highlight=False),
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def look(self, progress: Progress) -> None:
        """Show it, unless the last time was a moment ago."""
        passed = self._clock() - self._started
        # what comes after the last run, such as measuring the speed, tells once
        last = self._live is not None and progress.done == progress.of
        if self._quiet or (passed < self._next and not last):
            return
        line = f"{self._name}: {_line(progress, passed)}"
        if self._live is not None:
            self._live.update(line, refresh=True)
            self._next = passed + EVERY_S
        else:
            say(line)
            self._next = passed * LONGER


def _line(progress: Progress, passed: float) -> str:
    done, fresh = progress.done, progress.done - progress.known
    if progress.of is None:
        parts = [f"{counted(done, progress.counts)} done"]
    else:
        about = "" if progress.fixed else "about "
        parts = [f"{done:,} of {about}{counted(progress.of, progress.counts)}"]
    if progress.of is not None and progress.of > done and fresh > 0:
        parts.append(f"{duration(math.ceil((progress.of - done) * passed / fresh))} left")
    return ", ".join([*parts, printable(progress.says())])
