"""What a host, or the control plane about it, will do at one instant: chains of steps, each from what the last came to.

They tell again, in the words of `host` and `control_plane`, what those will do, without doing any of it. Nothing rests
on their being right (see `foresight`), and `tests/model/test_foresight.py` holds them to what is done.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from sim.model.control_plane import STOPPING, too_old
from sim.model.host import Dispatch, due_at_tick, pick
from sim.model.may_step import UNVERIFIED
from sim.model.remote import Answer, Step
from sim.model.switches import adjust
from sim.reducer.effects import LocalFireSwitch, LocalResetProbeCache
from sim.reducer.events import (
    HostEvent,
    HostStateChanged,
    LocalActivate,
    LocalActivationCompleted,
    LocalActivationDeferred,
    LocalActivationFailed,
    LocalActivationStarted,
    LocalProbeFailureFirst,
    LocalProbeObservedFirst,
    LocalProbeResult,
    LocalProbeTopologyDeclared,
    LocalRollbackCompleted,
    RemoteActivationCompleted,
    RemoteConverged,
    RemoteDispatchAck,
)
from sim.reducer.records import ORDER, HostRecord, ProbeStatus
from sim.reducer.reports import remote_event
from sim.reducer.vectors import HostStep, RolloutStep

if TYPE_CHECKING:
    from sim.model.host import Host
    from sim.model.rollouts import Rollout
    from sim.model.world import World

Chain = Generator[Step, Answer, None]


class Chains:
    """The chains of a run. `now` is the time (s) of which they tell, to which the clock may not have come yet."""

    def __init__(self, world: World):
        self.world = world
        self.now = 0.0

    def delivered(self, host: Host, dispatches: list[Dispatch]) -> Chain:
        """Dispatches arrive at a host, which begins the first switch if it has nothing else to do."""
        settings, now = self.world.settings, self.now
        records: dict[int, HostRecord] = {}
        busy = host.job is not None
        for _, rollout, closure, soak_due_at, _ in dispatches:
            release = rollout.release.release
            if not host.online or too_old(release.at, settings.resign, settings.manifest_max_age, now):
                continue
            record = records.get(rollout.number) or rollout.agents.get(host.number)
            if record is None or record.state == "Pending":
                record = HostRecord(
                    rollout_id=rollout.rollout_id,
                    hostname=host.name,
                    channel=rollout.channel,
                    state="Pending",
                    target_closure=closure,
                    dispatched_at=now if record is None else record.dispatched_at,
                    soak_due_at=soak_due_at,
                    last_event_seq=0 if record is None else record.last_event_seq,
                )
            activate = LocalActivate(
                record.last_event_seq + 1,
                current_closure_at_dispatch=host.closure,
                received_at=now,
                target_closure=closure,
                soak_due_at=soak_due_at,
            )
            made = yield HostStep(record, activate, rollout.on_health_failure)
            if made is None:
                continue
            record = records[rollout.number] = self._ruled(rollout, host, record, activate, made[0])
            if busy or not any(isinstance(effect, LocalFireSwitch) for effect in made[1]):
                continue
            started = LocalActivationStarted(record.last_event_seq + 1, now, "switch-to-configuration")
            made = yield HostStep(record, started, rollout.on_health_failure)
            if made is not None:
                record = records[rollout.number] = self._ruled(rollout, host, record, started, made[0])
            busy = host.closure != closure
            if not busy:  # it runs that already: the switch takes no time
                completed = LocalActivationCompleted(record.last_event_seq + 1, closure, 0, now)
                after = yield from self._ended(host, rollout, record, completed)
                if after is None:
                    return
                records[rollout.number] = after

    def worked(self, host: Host) -> Chain:
        """The time of a host's job, a switch or a rollback, is over; its probes may begin."""
        if host.job is None:
            return
        rollout, closure = host.job.rollout, host.job.closure
        record = rollout.agents.get(host.number)
        if record is not None:
            event = self._end_of(host, host.job.switch, rollout, closure, record.last_event_seq + 1)
            if event is not None:
                yield from self._ended(host, rollout, record, event)

    def _ended(
        self, host: Host, rollout: Rollout, record: HostRecord, event: HostEvent
    ) -> Generator[Step, Answer, HostRecord | None]:
        """A job ends in some event, after which the probes may begin; gives the record after it, as `_reset` does."""
        made = yield HostStep(record, event, rollout.on_health_failure)
        if made is None:
            return record
        after = self._ruled(rollout, host, record, event, made[0])
        if any(isinstance(effect, LocalResetProbeCache) for effect in made[1]):
            return (yield from self._reset(host, rollout, after))
        return after

    def _end_of(self, host: Host, switch: bool, rollout: Rollout, closure: str, seq: int) -> HostEvent | None:
        fleet, settings, now = self.world.fleet, host.settings, self.now
        number, ref = host.number, rollout.ref

        def happens(what: str, probability: float) -> bool:
            return probability > 0.0 and fleet.luck.first(what, number, ref) < probability

        if not switch:
            failed = happens("rollback_failure", settings.rollback_failure)
            return None if failed else LocalRollbackCompleted(seq, closure, 0, now)
        timeout = settings.activation_timeout
        if timeout is not None and fleet.durations("activation", ref)[number] > timeout:
            return LocalActivationFailed(seq, -1, "activation timed out", now)
        if happens("defer", settings.defer.probability):
            component = pick(settings.defer.components, fleet.luck.first("component", number, ref))
            return LocalActivationDeferred(seq, component, now)
        if happens("activation_failure", settings.activation_failure):
            return LocalActivationFailed(seq, 1, "activation failed", now)
        return LocalActivationCompleted(seq, closure, 0, now)

    def replied(self, host: Host, replies: list[list[tuple[Rollout, HostRecord]]]) -> Chain:
        """Replies to a host's heartbeats arrive: what the control plane knows better, and its probes begin anew."""
        if not host.online:
            return
        records: dict[int, HostRecord] = {}
        for reply in replies:
            moved = set()
            for rollout, theirs in reply:
                ours = records.get(rollout.number) or rollout.agents.get(host.number)
                if ours is None or ORDER[ours.state] < ORDER[theirs.state]:
                    ours = theirs
                    moved.add(rollout.number)
                records[rollout.number] = ours
            for rollout, theirs in reply:
                ours = records[rollout.number]
                anew = rollout.number in moved or self.world.rules.probe_restart == "heartbeat"
                if anew and theirs.state == ours.state == "Soaking":
                    after = yield from self._reset(host, rollout, ours)
                    if after is None:
                        return
                    records[rollout.number] = after

    def _reset(self, host: Host, rollout: Rollout, record: HostRecord) -> Generator[Step, Answer, HostRecord | None]:
        """The probes of a soaking record begin anew; gives the record after it. Where nobody looks at each run few of
        them are steps, so none is said; it is None then, and nobody can say how the host goes on."""
        world, now, policy = self.world, self.now, rollout.on_health_failure
        if not (world.asks_all or host.exact):
            return None
        kept = world.probe_runs[rollout.number].get(host.number)
        if kept is None:
            at = record.activation_completed_at
            kept = [world.make_runs(host, rollout, probe, at) for probe in host.probes if probe.mode != "disabled"]
        events: list[HostEvent] = [LocalProbeTopologyDeclared(0, host.topology(), now)]
        for runs in kept:
            name, mode = runs.probe.name, runs.probe.mode
            events.append(LocalProbeObservedFirst(0, name, mode, now))
            failing = runs.outcome(runs.n + 1, now)
            if failing:
                events.append(LocalProbeFailureFirst(0, name, mode, now))
            status: ProbeStatus = "fail" if failing else "pass"
            events.append(LocalProbeResult(0, name, mode, status, now, "probe failed" if failing else None))
        for event in events:
            event = replace(event, seq=record.last_event_seq + 1)
            made = yield HostStep(record, event, policy)
            if made is not None:
                record = self._ruled(rollout, host, record, event, made[0])
        return record

    def ticked(self, host: Host) -> Chain:
        """A host's advance tick."""
        settings, now = self.world.settings, self.now
        age = now - host.tick_start
        if age <= 0.0 or age % settings.advance_tick:
            return  # one that a reboot has made void
        for rollout in host.soaking():
            record, policy = rollout.agents[host.number], rollout.on_health_failure
            event = due_at_tick(record, policy, settings.sustained_failure, now)
            if event is not None:
                yield HostStep(record, event, policy)

    def told(self, host: Host, messages: list[Any]) -> Chain:
        """Reports of a host arrive, and heartbeats."""
        mirrors: dict[int, HostRecord] = {}
        for message in messages:
            match message:
                case (_, rollout, report):
                    mirror = mirrors.get(rollout.number) or rollout.mirrors.get(host.number)
                    if mirror is not None and report.seq > mirror.last_event_seq:
                        yield from self._mirrored(host, rollout, mirrors, remote_event(report))
                case (_, closure) | closure:
                    yield from self._seen(host, mirrors, closure)

    def _seen(self, host: Host, mirrors: dict[int, HostRecord], closure: str) -> Chain:
        """A heartbeat says what a host runs."""
        now = self.now
        for rollout in host.mirrored:
            mirror = mirrors.setdefault(rollout.number, rollout.mirrors[host.number])
            if mirror.state not in UNVERIFIED or mirror.target_closure != closure:
                continue
            seq = mirror.last_event_seq
            if mirror.state == "Pending":
                if not self._let_go(host, rollout):
                    continue
                yield from self._mirrored(host, rollout, mirrors, RemoteDispatchAck(seq + 1, "", now))
                seq = mirrors[rollout.number].last_event_seq
            yield from self._mirrored(host, rollout, mirrors, RemoteActivationCompleted(seq + 1, closure, 0, now))
            if mirror.state == "Pending":
                seq, due = mirrors[rollout.number].last_event_seq, mirrors[rollout.number].soak_due_at
                converged_at = now if due is None else max(now, due)
                yield from self._mirrored(host, rollout, mirrors, RemoteConverged(seq + 1, converged_at, closure))

    def _let_go(self, host: Host, rollout: Rollout) -> bool:
        world = self.world
        return (
            world.rules.unchanged == "ungated" or world.control_plane.index.ask(rollout.rollout_id, host.name) is None
        )

    def _mirrored(self, host: Host, rollout: Rollout, mirrors: dict[int, HostRecord], event: HostEvent) -> Chain:
        """The control plane steps its record of a host, and tells the rollout of a change."""
        mirror = mirrors.get(rollout.number) or rollout.mirrors[host.number]
        made = yield HostStep(mirror, event, rollout.on_health_failure)
        if made is None:
            return
        after = mirrors[rollout.number] = self._ruled(rollout, host, mirror, event, made[0])
        if after.state != mirror.state and (self.world.asks_all or after.state in STOPPING):
            now = self.now
            yield RolloutStep(
                rollout.record, HostStateChanged(rollout.rollout_id, host.name, mirror.state, after.state, now)
            )

    def _ruled(self, rollout: Rollout, host: Host, record: HostRecord, event: object, after: HostRecord) -> HostRecord:
        """The record after a step as the rules would have it."""
        world = self.world
        if type(event) not in world.adjusts:
            return after
        return adjust(world.rules, record, event, after, rollout.soak_of(host.number))
