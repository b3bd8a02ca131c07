"""What the probe runs of a log say: how often one fails by itself, how long a service is up and down, the interval.

A host's runs of a probe in a rollout are one window, from its first result to its last. Failing runs that follow each
other are a stretch. Flakes alone would make a share p of the stretches longer than one run, p being how many passing
runs are followed by a failing one; where there are significantly more (1 %), the longer stretches are outages, or the
doing of a bad release, and only the single ones flakes.

- The longer stretches of a release that made a fifth of its hosts fail are its defect, not outages.
- An outage is seen from its first failing run to the next passing one; one that the host's failure or the window's end
  cut off is censored. Those of a single run are not told from flakes, so that of down times there is only what is
  beyond two runs. For an exponential law that has the law of the whole (see `beyond`); no other can be told from it.
- Up times are from the window's start, or the end of an outage, to the next outage, and mostly censored: a host is
  watched while it soaks, and no longer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import exp
from typing import NamedTuple

import numpy as np
from scipy import stats

from sim.data.fitting import Share
from sim.data.outcomes import Span
from sim.data.rows import Row
from sim.reducer.payloads import Converged, Failed, ProbeResult, ProbeTopologyDeclared, RollbackComplete
from sim.reducer.records import ProbeMode

TOO_MANY = 0.01
"""How unlikely so many stretches of two and more runs are to be flakes where outages are assumed."""
BAD_RELEASE = (0.2, 5)
"""A release is bad if this share of the hosts that soaked, and so many of them, failed by their probes."""
INTERVAL_SHARE = 0.75
"""The quantile of the times between two runs that is the interval: a heartbeat starts the runs anew, so that some are
shorter, the last before each."""


class Stretch(NamedTuple):
    """Failing runs of a probe that follow each other. `until` is when the next one passed, or, if not `passed`, when
    the window ended (s)."""

    host: str
    rollout: str
    since: float
    until: float
    runs: int
    passed: bool


class Window(NamedTuple):
    """The runs of a probe on a host in a rollout, from `since` to `until` (s)."""

    host: str
    rollout: str
    since: float
    until: float
    runs: int
    stretches: list[Stretch]


class _Open:
    """A window that is still open."""

    __slots__ = ("failing", "first_fail", "last", "runs", "since", "stretches")

    def __init__(self, since: float):
        self.since = since
        self.last = since
        self.runs = 0
        self.failing = 0
        self.first_fail = 0.0
        self.stretches: list[Stretch] = []


class ProbeSeen:
    """One probe of a log."""

    def __init__(self, kind: str, mode: ProbeMode):
        self.kind = kind
        self.mode = mode
        self.hosts: set[str] = set()
        self.windows: list[Window] = []
        self.gaps: Counter[float] = Counter()
        """How often two runs were so many seconds apart, to the millisecond."""


class Probing:
    """Fed the rows of a log one by one (`take`), then its end (`close`)."""

    def __init__(self) -> None:
        self.probes: dict[str, ProbeSeen] = {}
        self.heartbeats: Counter[float] = Counter()
        """How often two declarations of a host's probes were so many seconds apart: each heartbeat brings one."""
        self.soaked: Counter[str] = Counter()
        """Hosts by rollout that declared probes."""
        self.failed: Counter[str] = Counter()
        """Hosts by rollout that failed by their probes."""
        self.failed_by: dict[tuple[str, str], list[str]] = {}
        """By rollout and host the probes by which it failed."""
        self.caught_up = 0
        """Results that came together with a later one: the host had been offline."""
        self._open: dict[tuple[str, str], dict[str, _Open]] = {}
        self._declared: dict[tuple[str, str], float] = {}

    def take(self, row: Row) -> None:
        """One row, in order of `seq`."""
        host, rollout = row.host, row.rollout
        if host is None or rollout is None:
            return
        match row.payload:
            case ProbeTopologyDeclared(probes=probes):
                before = self._declared.get((rollout, host))
                if before is None:
                    self.soaked[rollout] += 1
                else:
                    self.heartbeats[round(row.at - before, 3)] += 1
                self._declared[rollout, host] = row.at
                for probe in probes:
                    seen = self.probes.setdefault(probe.probe_name, ProbeSeen(probe.kind, probe.mode))
                    seen.hosts.add(host)
            case ProbeResult():
                self._result(row.at, host, rollout, row.payload)
            case Failed(failing_probes=failing):
                self.failed[rollout] += 1
                self.failed_by[rollout, host] = failing
                self._close(rollout, host, row.at)
            case Converged() | RollbackComplete():
                self._close(rollout, host, row.at)

    def _result(self, at: float, host: str, rollout: str, result: ProbeResult) -> None:
        seen = self.probes.setdefault(result.probe_name, ProbeSeen("http", result.mode))
        seen.hosts.add(host)
        windows = self._open.setdefault((rollout, host), {})
        window = windows.get(result.probe_name)
        if window is None:
            window = windows[result.probe_name] = _Open(at)
        elif at > window.last:
            seen.gaps[round(at - window.last, 3)] += 1
        else:
            self.caught_up += 1
        window.last = at
        window.runs += 1
        if result.status == "fail":
            if not window.failing:
                window.first_fail = at
            window.failing += 1
        elif window.failing:
            window.stretches.append(Stretch(host, rollout, window.first_fail, at, window.failing, True))
            window.failing = 0

    def _close(self, rollout: str, host: str, at: float) -> None:
        for name, window in self._open.pop((rollout, host), {}).items():
            if window.failing:
                window.stretches.append(Stretch(host, rollout, window.first_fail, at, window.failing, False))
            self.probes[name].windows.append(Window(host, rollout, window.since, at, window.runs, window.stretches))

    def close(self) -> None:
        """The log is over: what is not known to have ended ended with its last result."""
        for rollout, host in list(self._open):
            self._close(rollout, host, max(window.last for window in self._open[rollout, host].values()))

    def bad_releases(self) -> list[str]:
        """The rollouts that made many of their hosts fail."""
        share, hosts = BAD_RELEASE
        return [rollout for rollout, n in self.failed.items() if n >= hosts and n >= share * self.soaked[rollout]]


class Behaviour(NamedTuple):
    """What a probe does apart from bad releases: outages are there if `down` is not empty."""

    flake: Share | None
    up: list[Span]
    down: list[Span]
    interval: float | None


def behaviour(probe: ProbeSeen, bad: Iterable[str]) -> Behaviour:
    """What the runs of a probe say.

    Args:
        bad: rollouts of which the longer stretches are left out.
    """
    harmful = set(bad)
    runs = sum(window.runs for window in probe.windows)
    if not runs:
        return Behaviour(None, [], [], None)
    defects = [
        one for window in probe.windows for one in window.stretches if one.runs > 1 and window.rollout in harmful
    ]
    runs -= sum(one.runs for one in defects)
    stretches = [
        one for window in probe.windows for one in window.stretches if one.runs == 1 or window.rollout not in harmful
    ]
    failing = sum(one.runs for one in stretches)
    longer = [one for one in stretches if one.runs > 1]
    followed = min(len(stretches) / max(runs - failing, 1), 1.0)
    outages = bool(longer) and _too_many(len(longer), len(stretches), followed)
    if not outages:
        return Behaviour(Share(failing, runs), [], [], interval(probe.gaps))
    single = len(stretches) - len(longer)
    flake = Share(single, runs - sum(one.runs for one in longer))
    up = [span for window in probe.windows if window.rollout not in harmful for span in _up(window)]
    down = [Span(one.host, one.until - one.since, one.passed) for one in longer if one.until > one.since]
    return Behaviour(flake, up, down, interval(probe.gaps))


def beyond(down: Iterable[Span], interval: float) -> list[Span]:
    """What is left of down times once two intervals are over, which all of them last that are seen as outages.

    Runs tell a time to an interval; where in it the outage ended is drawn, evenly, the same whenever it is asked for.
    """
    held = list(down)
    within = np.random.default_rng(0).random(len(held)) * interval
    left = [
        one._replace(seconds=one.seconds - 2 * interval + (float(more) if one.ended else 0.0))
        for one, more in zip(held, within, strict=True)
    ]
    return [one for one in left if one.seconds > 0]


def missed(mean: float, interval: float) -> tuple[float, float]:
    """Of exponential outages with this mean the share of which two runs or more fail, and for each of those how many
    there are of which just one does: an outage begins anywhere between two runs. Both arguments in seconds."""
    lasts = exp(-interval / mean)  # from one run to the next
    meets_one = (1.0 - lasts) * mean / interval
    return lasts * meets_one, (1.0 - lasts) / lasts


def _too_many(longer: int, stretches: int, probability: float) -> bool:
    return bool(stats.binomtest(longer, stretches, probability, alternative="greater").pvalue < TOO_MANY)


def _up(window: Window) -> list[Span]:
    found: list[Span] = []
    since = window.since
    for one in window.stretches:
        if one.runs > 1:
            if one.since > since:
                found.append(Span(window.host, one.since - since, True))
            since = one.until
    if window.until > since:
        found.append(Span(window.host, window.until - since, False))
    return found


def interval(gaps: Counter[float], share: float = INTERVAL_SHARE) -> float | None:
    """The time (s) that recurs, None if nothing did."""
    left = share * gaps.total()
    for seconds, count in sorted(gaps.items()):
        left -= count
        if left <= 0:
            return seconds
    return None
