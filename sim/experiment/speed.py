"""How fast a scenario runs, in terms of what bare SimPy does on the same machine at the same time.

The yardstick is so many bare timeouts, each process waiting for one after the other, with nothing else done. A speed is
the events of a run per second over the yardstick's timeouts per second. All events count, those that the run skipped
included, so that a run that skips more is faster. Both are measured in turn, and the best of several counts: whatever
else the machine does can only slow them down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import msgspec
import numpy as np
import simpy

import sim.result
from sim.experiment.errors import ExperimentError
from sim.scenario.schema import Scenario

TIMES = 5
"""Measurements of each, unless they take too long."""
LEAST_S = 0.1
"""A run that takes less is repeated within a measurement."""
MOST_S = 10.0
"""After so long no further measurement is begun, once there are two."""
PROCESSES, TIMEOUTS = 1_000, 25


class Speed(msgspec.Struct, frozen=True):
    """Events per second over bare timeouts per second: the best of the one over the best of the other, and the least
    and the most of the single measurements."""

    best: float
    low: float
    high: float


def bare_timeouts(processes: int, timeouts: int) -> float:
    """Wall seconds of SimPy alone: `processes` that each wait for `timeouts` random times in a row."""
    waits = np.random.default_rng(1).exponential(100.0, size=(processes, timeouts)).tolist()

    def waiting(env: simpy.Environment, times: list[float]) -> simpy.events.ProcessGenerator:
        for wait in times:
            yield env.timeout(wait)

    def work() -> None:
        env = simpy.Environment()
        for times in waits:
            env.process(waiting(env, times))
        env.run()

    return seconds(work)


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def in_turn(
    measures: Mapping[str, Callable[[], float]], times: int, most_s: float = float("inf")
) -> dict[str, list[float]]:
    """`times` measurements of each, taken in turn so that a slow spell of the machine hits all alike; fewer, but two at
    least, where they take longer than `most_s` (s)."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    started = time.perf_counter()
    for number in range(times):
        if number >= 2 and time.perf_counter() - started > most_s:
            break
        for name, measure in measures.items():
            taken[name].append(measure())
    return taken


def best(measures: Mapping[str, Callable[[], float]], times: int) -> dict[str, float]:
    """The least of `times` measurements of each, taken in turn."""
    return {name: min(values) for name, values in in_turn(measures, times).items()}


def speed(scenario: Scenario, times: int = TIMES, look: Callable[[], None] | None = None) -> Speed:
    """How fast a scenario's replication 0 runs, its summary made.

    Raises:
        ExperimentError: nothing at all happens in it.
    """
    progress = None if look is None else lambda _: look()
    first = sim.result.run(scenario, progress=progress).summary  # and whatever a first run loads
    events = first["events"]["simulated"] + first["events"]["skipped"]
    if not events:
        raise ExperimentError(f"{scenario.name}: no events, so no speed to measure")

    def once() -> object:
        if look is not None:
            look()
        summary = sim.result.run(scenario, progress=progress).summary
        if summary["end"] == "interrupted":
            raise KeyboardInterrupt
        return summary

    repeats = max(1, round(LEAST_S / max(first["wall_s"], 1e-3)))
    taken = in_turn(
        {
            "bare": lambda: bare_timeouts(PROCESSES, TIMEOUTS) / (PROCESSES * TIMEOUTS),
            "run": lambda: seconds(lambda: [once() for _ in range(repeats)]) / (repeats * events),
        },
        times,
        MOST_S,
    )
    ratios = [bare / run for bare, run in zip(taken["bare"], taken["run"], strict=True)]
    found = min(taken["bare"]) / min(taken["run"]), min(ratios), max(ratios)
    return Speed(*(float(f"{one:.4g}") for one in found))
