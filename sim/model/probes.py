"""The probes of one host in one rollout: how often each ran, how the next run ends, and which run ends otherwise."""

from __future__ import annotations

import numpy as np

from sim.model.fleet import Fleet
from sim.model.luck import Flakes, Stays
from sim.model.schedule import Schedule
from sim.reducer.records import HostRecord
from sim.scenario.schema import Probe

SHORTEST = 5.0
"""No ticker runs more often (page 5), in seconds."""


class ProbeRuns:
    """One probe on one host during one rollout: how often it ran since the activation, and when it fails.

    `n` runs are done, `failing` is the outcome of the last (None before the first), `ticker_failing` the same
    but forgotten at a reset. `defect_at` (s) is when the release shows through this probe, None if never.
    """

    __slots__ = (
        "base",
        "defect_at",
        "failing",
        "fails",
        "flakes",
        "interval",
        "n",
        "next",
        "probe",
        "service",
        "steady",
        "ticker_failing",
    )

    def __init__(self, probe: Probe, flakes: Flakes | None, service: Stays | None, defect_at: float | None):
        self.probe = probe
        self.interval = max(probe.interval, SHORTEST)
        """Seconds between two runs of a ticker."""
        self.flakes = flakes
        self.service = service
        self.defect_at = defect_at
        self.steady = flakes is None and service is None and defect_at is None
        """Whether no run can fail."""
        self.n = 0
        self.fails = 0
        self.failing: bool | None = None
        self.ticker_failing = False
        self.base = 0
        """For `relevant`: how many runs were done before the present schedule."""
        self.next: tuple[int, float] | None = None
        """For `relevant`: the next run that makes a difference, as its place in the schedule and its time (s)."""

    def outcome(self, n: int, at: float) -> bool:
        """Whether run number `n` fails if it falls on time `at` (s)."""
        return (
            (self.defect_at is not None and at >= self.defect_at)
            or (self.service is not None and self.service.down_at(at))
            or (self.flakes is not None and self.flakes.next_after(n - 1) == n)
        )


def passes_until(runs: ProbeRuns, base: float, until: float, period: float) -> bool:
    """Whether surely no run fails from `base` to `until` (s), told without a schedule.

    For the next flake it is enough to know how many runs there can be at most, with a reset every `period` (s).
    """
    if runs.steady:
        return True
    if runs.failing or runs.defect_at is not None:
        return False
    flakes, service = runs.flakes, runs.service
    if flakes is not None:
        at_most = (until - base) / runs.interval + (until - base) / period + 2.0
        if flakes.next_after(runs.n) - runs.base <= at_most:
            return False
    if service is not None:
        stay = service.stay_at(base)
        return service.is_up(stay) and service.bound(stay) > until
    return True


def flakeless(fleet: Fleet, ref: str, period: float) -> list[float]:
    """For every host, for less than how many seconds from its first run in a release surely no run of its probes
    flakes, with a reset every `period` (s); see `passes_until`."""
    least = np.full(len(fleet.names), np.inf)
    for probe, carriers in zip(fleet.scenario.probes, fleet.carriers, strict=True):
        if probe.flake > 0.0 and probe.mode != "disabled":
            runs_a_second = 1.0 / max(probe.interval, SHORTEST) + 1.0 / period
            passing = (fleet.luck.first_flakes(ref, probe.name, probe.flake) - 3.0) / runs_a_second
            np.minimum(least, passing, out=least, where=carriers)
    seconds: list[float] = least.tolist()
    return seconds


def up_from_the_start(fleet: Fleet, *, begin_up: bool) -> list[float]:
    """For every host, until when (s) the services behind all of its probes are up for the first time; 0 where one
    begins down."""
    least = np.full(len(fleet.names), np.inf)
    for probe, carriers in zip(fleet.scenario.probes, fleet.carriers, strict=True):
        if probe.outage is not None and probe.mode != "disabled":
            up, end = fleet.luck.alternation("outage", probe.outage, probe.name, begin_up=begin_up).firsts()
            np.minimum(least, np.where(up, end, 0.0), out=least, where=carriers)
    seconds: list[float] = least.tolist()
    return seconds


def next_change(schedule: Schedule, runs: ProbeRuns, until: float) -> tuple[int, float] | None:
    """The next run whose outcome differs from the last, as (place, time); None if there is none by time `until` (s)."""
    done = runs.n - runs.base
    at = schedule.time(done + 1)
    if at is None or at > until:
        return None
    place = _next_pass(schedule, runs, done, until) if runs.failing else _next_failure(schedule, runs, done, at, until)
    if place is None or (at := schedule.time(place)) is None or at > until:
        return None
    return place, at


def _next_pass(schedule: Schedule, runs: ProbeRuns, done: int, until: float) -> int | None:
    place: int | None = done + 1
    while place is not None and (at := schedule.time(place)) is not None and at <= until:
        if runs.defect_at is not None and at >= runs.defect_at:
            return None
        if runs.service is not None and runs.service.down_at(at):
            place = schedule.first(runs.service.bound(runs.service.stay_at(at)), place + 1)
        elif runs.flakes is not None and runs.flakes.next_after(runs.base + place - 1) == runs.base + place:
            place += 1
        else:
            break
    return place


def _next_failure(schedule: Schedule, runs: ProbeRuns, done: int, at: float, until: float) -> int | None:
    candidates = []
    if runs.flakes is not None:
        candidates.append(runs.flakes.next_after(runs.n) - runs.base)
    if runs.defect_at is not None and (place := schedule.first(runs.defect_at, done + 1)) is not None:
        candidates.append(place)
    service = runs.service
    if service is not None:
        stay = service.stay_at(at)
        if service.is_up(stay):
            begins = service.bound(stay)
            stay += 1
        else:
            begins = service.bound(stay - 1) if stay else 0.0
        while begins <= until:
            place = schedule.first(begins, done + 1)
            if place is None:
                break
            falls = schedule.time(place)
            if falls is not None and falls < service.bound(stay):
                candidates.append(place)
                break
            begins = service.bound(stay + 1)
            stay += 2
    return min(candidates, default=None)


def failing_probes(record: HostRecord) -> list[str]:
    """The enforce probes whose latest result is fail."""
    return [name for name, entry in record.probes.items() if entry.mode == "enforce" and entry.status == "fail"]
