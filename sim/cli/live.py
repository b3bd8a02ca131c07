"""The live view of a run, on standard error and only if that is a terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sim.cli.console import printable
from sim.result.words import duration, number

if TYPE_CHECKING:
    from sim.model.run import Progress

MOST_ROLLOUTS = 6
BAR = 30
COST = 0.03
"""The share of the wall time that looking may take; counting the states of a large fleet is not free."""
STYLES = {
    "Pending": "dim",
    "Activating": "cyan",
    "Deferred": "yellow",
    "Soaking": "blue",
    "Converged": "green",
    "Failed": "red",
    "Reverted": "magenta",
}


class LiveView:
    """Draws a `Progress` now and then while it is entered; leaving takes the view off the terminal."""

    def __init__(self, name: str, until: float):
        self._name = printable(name)
        self._until = until
        self._console = Console(stderr=True)
        self._live = Live(
            Text(f"{self._name}: setting up the fleet ..."),
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._last = (time.monotonic(), 0)
        self._look_at = 0.0

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def look(self, progress: Progress) -> None:
        """Draw, unless the last time was a moment ago."""
        now = time.monotonic()
        if now < self._look_at:
            return
        before, events = self._last
        self._last = (now, progress.events)
        self._live.update(self._drawn(progress, (progress.events - events) / max(now - before, 1e-6)), refresh=True)
        self._look_at = now + (time.monotonic() - now) / COST

    def _drawn(self, progress: Progress, speed: float) -> Table:
        drawn = Table.grid()
        drawn.add_row(
            Text.assemble(
                (self._name, "bold"),
                f"  {duration(progress.now)} of {duration(self._until)} simulated",
                f"  {progress.events:,} events, {number(round(speed))}/s",
            )
        )
        states = progress.states()
        total = max(sum(states.values()), 1)
        full = "#" if self._console.options.ascii_only else "█"
        bars = Table.grid(padding=(0, 1))
        bars.add_column(no_wrap=True)
        bars.add_column(justify="right", no_wrap=True)
        bars.add_column(no_wrap=True)
        for state, count in states.items():
            length = max(round(BAR * count / total), 1 if count else 0)
            bars.add_row(state, f"{count:,}", Text(full * length, STYLES.get(state, "")))
        drawn.add_row(bars)
        waves = progress.waves()
        for rollout_id, (wave, count) in list(waves.items())[:MOST_ROLLOUTS]:
            place = f": in wave {wave}, the last is {count - 1}" if count > 1 else ""
            drawn.add_row(Text(printable(rollout_id) + place))
        if len(waves) > MOST_ROLLOUTS:
            drawn.add_row(Text(f"... and {len(waves) - MOST_ROLLOUTS:,} rollouts more"))
        return drawn
