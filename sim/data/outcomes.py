"""What became of the switches of a log, and how long each step took: activation, reboot, rollback.

All times are differences between the `ts` of two rows of one host (spec page 7): the network delay of a host is the
same in both and falls out. What is still under way when the log ends is censored there.

- An activation runs from `ActivationStarted` to its outcome; what lies before is the queue. One that ends with exit
  code -1 timed out, and would have taken longer. One that ends with the closure that ran before is none, and one
  without any duration neither: the host was offline and told of everything at once.
- A host that went offline meanwhile reports when it is back. If it declares its probes then, as it does as soon as an
  activation is over, `declaredAt` less `startedAt` is what it took, both being the agent's true times; it counts where
  the rows say something else by more than `LATE`.
- A reboot runs from `ActivationDeferred` to the `ActivationCompleted` that the control plane makes of the first
  heartbeat after it, which the agent sends at once: it is the wait and the boot together. A host has one reboot due at
  most (spec page 5): a later deferral changes nothing, an activation that completes without one cancels it.
- A rollback runs from the failure to `RollbackComplete`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sim.data.durations import Durations
from sim.data.fitting import Share
from sim.data.rows import Row
from sim.reducer.payloads import (
    ActivationCompleted,
    ActivationDeferred,
    ActivationFailed,
    ActivationStarted,
    DispatchAck,
    Failed,
    ProbeTopologyDeclared,
    RollbackComplete,
)
from sim.reducer.records import HealthPolicy

TIMED_OUT = -1
"""The exit code of an activation that ran into its timeout (spec page 5)."""
LATE = 5.0
"""How much later (s) than it was sent a report may come before a host is taken to have been offline."""
DECIMALS = 5
"""Decimals of a second that mean something: times of rows are rounded, and equal durations differ by that."""
NEVER = 2.0
"""A rollback that has not come back after so many times the longest one did not come back at all."""


class Span(NamedTuple):
    """A duration of a host in seconds: the whole of it, or, not `ended`, the part that was seen."""

    host: str
    seconds: float
    ended: bool


class Outcome(NamedTuple):
    """Whether something happened on a host when it could have."""

    host: str
    hit: bool


class _Track:
    """One host in one rollout."""

    __slots__ = ("failed", "policy", "ran", "sent", "started", "state", "unsure")

    def __init__(self, ran: str | None) -> None:
        self.ran = ran
        self.state = "Activating"
        self.started: float | None = None
        self.sent = 0.0
        self.unsure: int | None = None
        """The number of its activation, which the host has yet to declare over."""
        self.failed: float | None = None
        self.policy: HealthPolicy | None = None


class Outcomes:
    """Fed the rows of a log one by one (`take`), then its end (`close`)."""

    def __init__(self) -> None:
        self.activations: list[Span] = []
        self.reboots: list[Span] = []
        self.rollbacks: list[Span] = []
        self.deferrals: list[Outcome] = []
        self.failures: list[Outcome] = []
        self.rollback_failures: list[Outcome] = []
        self.components: dict[str, int] = {}
        self.timeouts: list[float] = []
        """How long (s) the activations took that timed out."""
        self.at_once = 0
        """Activations without any duration."""
        self.late = 0
        """Activations of which the host told late, so that its own times count."""
        self.unchanged: dict[str, int] = {}
        """Hosts by rollout that ran the target before it was sent to them."""
        self.took: dict[str, set[str]] = {}
        """The hosts by rollout that ran its target and were not rolled back."""
        self.policies: dict[str, HealthPolicy] = {}
        """What a rollout was seen to do about a failure."""
        self.stuck = 0
        """Failures without a rollback until the end."""
        self._tracks: dict[tuple[str, str], _Track] = {}
        self._deferred: dict[str, float] = {}

    def take(self, row: Row) -> None:
        """One row, in order of `seq`."""
        host, rollout = row.host, row.rollout
        if host is None or rollout is None:
            return
        track = self._tracks.get((rollout, host))
        match row.payload:
            case DispatchAck(current_closure_at_dispatch=ran):
                self._tracks[rollout, host] = _Track(ran)
            case ActivationStarted(started_at=sent):
                if track is not None:
                    track.started, track.sent = row.at, sent
            case ProbeTopologyDeclared(declared_at=declared):
                if track is not None and track.unsure is not None:
                    self._declared(track, track.unsure, declared)
            case ActivationCompleted(observed_current_closure=closure):
                self._completed(row.at, host, rollout, track, closure)
            case ActivationDeferred(component=component):
                self._ended(row.at, host, track, deferred=True)
                self.components[component] = self.components.get(component, 0) + 1
                self._deferred.setdefault(host, row.at)
                if track is not None:
                    track.state = "Deferred"
            case ActivationFailed(exit_code=exit_code):
                if track is not None:
                    self._failed(row.at, host, track, timed_out=exit_code == TIMED_OUT)
            case Failed(policy_applied=policy):
                self.policies[rollout] = policy
                if track is not None:
                    track.state, track.failed, track.policy = "Failed", row.at, policy
            case RollbackComplete():
                self.policies[rollout] = "rollback-and-halt"
                self.took.get(rollout, set()).discard(host)
                if track is not None and track.failed is not None:
                    self.rollbacks.append(Span(host, row.at - track.failed, True))
                    self.rollback_failures.append(Outcome(host, False))
                    track.failed = None

    def _completed(self, at: float, host: str, rollout: str, track: _Track | None, closure: str) -> None:
        self.took.setdefault(rollout, set()).add(host)
        rebooted = track is not None and track.state == "Deferred"
        if track is not None and not rebooted and (track.started is None or track.ran == closure):
            track.started = None
            self.unchanged[rollout] = self.unchanged.get(rollout, 0) + 1
        elif track is not None and not rebooted:
            before = len(self.activations)
            self._ended(at, host, track, deferred=False, failed=False)
            track.unsure = before if len(self.activations) > before else None
        since = self._deferred.pop(host, None)
        if since is not None and at > since:
            self.reboots.append(Span(host, at - since, rebooted))
        if track is not None:
            track.state = "Soaking"

    def _declared(self, track: _Track, number: int, declared: float) -> None:
        """The host declares its probes after an activation: when that was over by its own clock (s)."""
        track.unsure = None
        span, took = self.activations[number], declared - track.sent
        if took > 0 and abs(span.seconds - took) > LATE:
            self.activations[number] = span._replace(seconds=took)
            self.late += 1

    def _ended(self, at: float, host: str, track: _Track | None, *, deferred: bool, failed: bool | None = None) -> None:
        """An activation came to an end; `failed` is None where that was not up to luck any more."""
        if track is None or track.started is None:
            return
        if at <= track.started:
            self.at_once += 1
        else:
            self.activations.append(Span(host, at - track.started, True))
            self.deferrals.append(Outcome(host, deferred))
            if failed is not None:
                self.failures.append(Outcome(host, failed))
        track.started = None

    def _failed(self, at: float, host: str, track: _Track, *, timed_out: bool) -> None:
        if track.state == "Deferred":
            track.state = "Failed"  # without a rollback (spec page 1)
            return
        if timed_out and track.started is not None:
            self.activations.append(Span(host, at - track.started, False))
            self.timeouts.append(at - track.started)
            track.started = None
        else:
            self._ended(at, host, track, deferred=False, failed=True)
        track.state, track.failed = "Failed", at

    def close(self, end: float) -> None:
        """The log is over at `end` (s)."""
        waiting: list[tuple[str, str, _Track]] = []
        for (rollout, host), track in self._tracks.items():
            if track.state == "Activating" and track.started is not None and end > track.started:
                self.activations.append(Span(host, end - track.started, False))
            if track.failed is not None:
                waiting.append((rollout, host, track))
        self.reboots += [Span(host, end - since, False) for host, since in self._deferred.items() if end > since]
        longest = max((span.seconds for span in self.rollbacks), default=None)
        for rollout, host, track in waiting:
            policy = track.policy or self.policies.get(rollout)
            if policy != "rollback-and-halt" or longest is None or track.failed is None:
                continue
            if end - track.failed > NEVER * longest:
                self.rollback_failures.append(Outcome(host, True))
            elif end > track.failed:
                self.rollbacks.append(Span(host, end - track.failed, False))
        self.stuck = len(waiting)


def durations(spans: Iterable[Span]) -> Durations:
    """The spans without their hosts."""
    held = [(round(one.seconds, DECIMALS), one.ended) for one in spans]
    return Durations((seconds for seconds, ended in held if ended), (seconds for seconds, ended in held if not ended))


def share(outcomes: Iterable[Outcome]) -> Share | None:
    """How often it happened, None if it never could have."""
    hits = [one.hit for one in outcomes]
    return Share(sum(hits), len(hits)) if hits else None
