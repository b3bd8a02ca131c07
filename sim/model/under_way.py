"""Reports that were counted and not made, and are still on their way to the control plane.

Skipping a report is safe while both sides count the same events of a record: it is then accepted, for the control
plane's record is where the agent's was when it sent it. What ends that (a heartbeat by which the control plane takes a
record further on its own, an agent that begins a record anew) concerns only reports that have not arrived by then. So
at that moment they are made after all, between those under way that are real, and all of them numbered as if none had
been skipped; the reducer decides about each when it arrives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from sim.model.clock import INBOX, INBOX_OPEN
from sim.model.inbox import A_REPORT
from sim.reducer.payloads import (
    ActivationCompleted,
    ActivationDeferred,
    ActivationFailed,
    ActivationStarted,
    Converged,
    DispatchAck,
    Failed,
    ProbeFailureFirst,
    ProbeObservedFirst,
    ProbeResult,
    ProbeTopologyDeclared,
    Report,
    RollbackComplete,
)
from sim.scenario.units import QUANTUM

if TYPE_CHECKING:
    from sim.model.host import Host
    from sim.model.probes import ProbeRuns
    from sim.model.rollouts import Rollout

Sent = tuple["Rollout", Report]


class Skipped(msgspec.Struct, frozen=True, gc=False):
    """`count` reports of one kind and outcome that an agent would have made at first, first + step, …, and that
    arrive at arrival, arrival + apart, … (s). `runs` is the probe's, None for a topology."""

    rollout: Rollout
    kind: str
    runs: ProbeRuns | None
    failing: bool
    first: float
    step: float
    count: int
    arrival: float
    apart: float

    @property
    def last_arrival(self) -> float:
        """When the last of them arrives (s)."""
        return self.arrival + (self.count - 1) * self.apart


def make_real(host: Host, sent: list[Skipped], stored: list[Skipped]) -> list[tuple[str, float]]:
    """Make what a host has skipped and what has not arrived; gives the kind and the arrival (s) of each on its way.

    Args:
        sent: what it has sent; what of it has arrived is left alone.
        stored: what waits on its disk.
    """
    clock, now = host.world.clock, host.world.clock.now
    arrived = now if clock.stage >= INBOX_OPEN else now - QUANTUM
    late = [(arrival, one) for arrival, one in _each(host, sent) if arrival > arrived]
    if not late and not stored:
        return []
    arriving: defaultdict[float, list[Sent]] = defaultdict(list)
    for arrival, (_, rollout, report) in clock.call_back(INBOX, host.number, A_REPORT):
        arriving[arrival].append((rollout, report))
    for arrival, one in late:
        arriving[arrival].append(one)
    if stored:
        host.keep([one for _, one in _each(host, stored)])
    lines = [arriving[arrival] for arrival in sorted(arriving)]
    if host.disk:
        lines.append(host.disk)
    for line in lines:
        line.sort(key=lambda one: _order(host, one[1]))
    for rollout in {one.rollout.number: one.rollout for one in (*sent, *stored)}.values():
        _number(host, rollout, lines)
    receive = host.world.control_plane.receive
    for arrival, line in arriving.items():
        for rollout, report in line:
            clock.post(now, arrival - now, INBOX, host.number, receive, (host, rollout, report), A_REPORT)
    return [(type(report).__name__, arrival) for arrival, (_, report) in late]


def _each(host: Host, skipped: list[Skipped]) -> Iterator[tuple[float, Sent]]:
    """The reports one by one, with their arrival (s)."""
    for one in skipped:
        for k in range(one.count):
            at = one.first + k * one.step
            yield one.arrival + k * one.apart, (one.rollout, _report(host, one, at))


def _report(host: Host, skipped: Skipped, at: float) -> Report:
    if skipped.runs is None:
        return ProbeTopologyDeclared(0, host.topology(), at)
    probe = skipped.runs.probe
    if skipped.kind == "ProbeObservedFirst":
        return ProbeObservedFirst(0, probe.name, probe.mode, at)
    if skipped.kind == "ProbeFailureFirst":
        return ProbeFailureFirst(0, probe.name, probe.mode, at)
    if skipped.failing:
        return ProbeResult(0, probe.name, probe.mode, "fail", at, "probe failed")
    return ProbeResult(0, probe.name, probe.mode, "pass", at, None)


def _order(host: Host, report: Report) -> tuple[float, int, int, int]:
    """When a report was made, and its place among those that a record makes at one instant."""
    kind = type(report)
    at: float = getattr(report, _MADE_AT[kind])
    if isinstance(report, ProbeObservedFirst | ProbeFailureFirst | ProbeResult):
        place = next(n for n, probe in enumerate(host.probes) if probe.name == report.probe_name)
        return at, _FIRST_RUN, place, _PLACES[kind]
    return at, _PLACES[kind], 0, 0


def _number(host: Host, rollout: Rollout, lines: list[list[Sent]]) -> None:
    """Number what is on its way in one rollout from what the control plane has counted, and the agent's next from
    there."""
    seq = rollout.mirrors[host.number].last_event_seq
    for line in lines:
        for place, (of, report) in enumerate(line):
            if of is rollout:
                seq += 1
                line[place] = (rollout, replace(report, seq=seq))
    record = rollout.agents.get(host.number)
    if record is not None and record.state != "Pending":  # a pending one is new, and none of these are its own
        rollout.agents[host.number] = replace(record, last_event_seq=seq)


_MADE_AT: dict[type[Report], str] = {
    DispatchAck: "received_at",
    ActivationStarted: "started_at",
    ActivationCompleted: "completed_at",
    ActivationDeferred: "deferred_at",
    ActivationFailed: "failed_at",
    ProbeTopologyDeclared: "declared_at",
    ProbeObservedFirst: "observed_at",
    ProbeFailureFirst: "first_failed_at",
    ProbeResult: "observed_at",
    Failed: "failed_at",
    Converged: "converged_at",
    RollbackComplete: "completed_at",
}
"""The field with the time at which it was made, in the order in which a record makes them at one instant; a probe's own
three come one probe after the other."""
_PLACES = {kind: place for place, kind in enumerate(_MADE_AT)}
_FIRST_RUN = _PLACES[ProbeObservedFirst]
