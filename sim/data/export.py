"""A simulated run as the event log that a real control plane would have written of it (spec page 7)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sim.data.log import LogError, Simulation
from sim.data.recorder import AuditLog
from sim.data.times import nanoseconds, rfc3339, to_nanoseconds
from sim.data.writer import new_log
from sim.model.run import Progress
from sim.model.run import run as simulate
from sim.result.result import Result
from sim.scenario.units import LONGEST
from sim.scenario.write import bundle

if TYPE_CHECKING:
    from sim.model.world import World
    from sim.reducer.protocol import Steps
    from sim.scenario.schema import Scenario

START = "2026-01-05T00:00:00Z"
"""The date of t = 0 where none is given: a Monday, at midnight."""
LATEST = 2 * LONGEST
"""No time in a log is later (s): a soak that begins at the end of the longest run."""


def logged(
    scenario: Scenario,
    path: str | Path,
    *,
    seed: int | None = None,
    replication: int = 0,
    start: str = START,
    every_pass: bool = False,
    record_events: bool = False,
    progress: Callable[[Progress], None] | None = None,
    reducer: Steps | None = None,
) -> tuple[Result, int]:
    """Simulate a scenario and write its event log; the result, and how many rows the log has.

    The run is the one without a log, but for the count of simulated events: each report is then made, those that
    change nothing too, as each has its row.

    Args:
        start: the date of t = 0, RFC 3339 in UTC.
        every_pass: one `gate_decision` per pass and held host, as a real control plane writes them; else one when a
            host comes to be held by another gate.
        reducer: makes the steps in place of the project's own, as in `sim.run`.

    Raises:
        LogError: `start` is no time or too late a one, or the log cannot be written there.
    """
    try:
        began = nanoseconds(start)
    except ValueError as error:
        raise LogError(f"the start of the log: {error}") from error
    try:
        rfc3339(began + to_nanoseconds(LATEST))
    except ValueError:
        raise LogError("the start of the log: so late that a time in it could lie beyond the year 9999") from None
    seed = scenario.seed if seed is None else seed
    with new_log(path, began) as log:

        def done(world: World, ended_at: float, end: str) -> None:
            files = {name: content.decode() for name, content in bundle(scenario).items()}
            about = Simulation(
                start=rfc3339(began),
                scenario=files,
                seed=seed,
                replication=replication,
                fidelity=scenario.fidelity,
                end=end,
                ended_at=ended_at,
                every_pass=every_pass,
            )
            log.finish(world, ended_at, about)

        recording = simulate(
            scenario,
            seed=seed,
            replication=replication,
            record_events=record_events,
            journal=partial(AuditLog, write=log.row, done=done, every_pass=every_pass, frame=record_events),
            progress=progress,
            reducer=reducer,
        )
    return Result.from_recording(scenario, recording, reducer), log.rows
