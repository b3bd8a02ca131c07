"""The steps of one instant, said before they are made, so that a reducer that is a program is asked for many at once.

What arrives together at many hosts sets off steps that do not depend on each other: those of one host follow from its
own record alone. A *chain* is what one of them will do, as a generator that yields each step and is sent what came of
it. All chains go on together, one step each at a time, and what they yield is one batch.

Nothing rests on a chain being right. The model then goes on as ever, step by step and in its own order, and finds the
answers ready where it makes the very step that was said; where not, it asks. So the run is the same, and a chain that
is wrong costs time alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from sim.model.clock import DELIVERY, INBOX, REPLY, TICK, WORK
from sim.model.control_plane import STOPPING, UNVERIFIED, too_old
from sim.model.host import ORDER, due_at_tick, pick
from sim.model.remote import Answer, Foresighted, Step
from sim.model.switches import adjust
from sim.reducer.effects import LocalFireSwitch, LocalResetProbeCache
from sim.reducer.events import (
    HostEvent,
    HostJoined,
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
from sim.reducer.records import HostRecord, ProbeStatus
from sim.reducer.reports import remote_event
from sim.reducer.vectors import HostStep, RolloutStep

if TYPE_CHECKING:
    from sim.model.host import Host
    from sim.model.rollouts import Rollout
    from sim.model.world import World

Chain = Generator[Step, Answer, None]


class Foresight:
    """Says to a reducer which steps are coming."""

    def __init__(self, world: World, steps: Foresighted):
        self.world = world
        self.steps = steps
        self._now = 0.0
        """The time of what is said (s), to which the clock may not have come yet."""
        self._by_mail: dict[int, Callable[[Host, Any], Chain]] = {
            DELIVERY: self._delivered,
            REPLY: self._replied,
            INBOX: self._told,
        }
        self._by_event: dict[int, Callable[[Host], Chain]] = {WORK: self._worked, TICK: self._ticked}

    def arriving(self, phase: int, mail: list[tuple[int, Any]]) -> None:
        """Messages arrive together, each at or from the host of a number."""
        chain_of = self._by_mail.get(phase)
        if chain_of is not None:
            self._now = self.world.clock.now
            hosts = self.world.hosts
            self.steps.forget()
            self._follow(
                chain_of(hosts[number], [value for _, value in some]) for number, some in groupby(mail, itemgetter(0))
            )

    def falling_due(self, at: float, phase: int, hosts: list[int]) -> None:
        """Events of these hosts, by number, fall on one time (s) and phase, and are next."""
        chain_of = self._by_event.get(phase)
        if chain_of is not None:
            self._now = at
            self.steps.forget()
            self._follow(chain_of(self.world.hosts[number]) for number in hosts)

    def joining(self, rollout: Rollout, now: float) -> None:
        """All hosts of a rollout that has just been opened join it. Only the first changes its record."""
        if not self.world.control_plane.feeds_all or not rollout.hosts:
            return
        names, waves = self.world.fleet.names, rollout.wave_of
        events = [HostJoined(rollout.rollout_id, names[host], max(0, waves[host]), now) for host in rollout.hosts]
        self.steps.forget()
        first = RolloutStep(rollout.record, events[0])
        [made] = self.steps.ahead([first])
        if made is not None:
            self.steps.ahead([RolloutStep(made[0], event) for event in events[1:]])

    def _follow(self, chains: Iterable[Chain]) -> None:
        going = [(one, step) for one in chains if (step := next(one, None)) is not None]
        while going:
            answers = self.steps.ahead([step for _, step in going])
            going = [
                (one, then)
                for (one, _), answer in zip(going, answers, strict=True)
                if (then := _sent(one, answer)) is not None
            ]

    def _delivered(self, host: Host, dispatches: list[tuple[Rollout, str, float | None, bool]]) -> Chain:
        """Dispatches arrive at a host, which begins the first switch if it has nothing else to do."""
        settings, now = self.world.settings, self._now
        records: dict[int, HostRecord] = {}
        busy = bool(host.jobs)
        for rollout, closure, soak_due_at, _ in dispatches:
            release = rollout.release.release
            if not host.online or too_old(release.at, settings.resign, settings.manifest_max_age, now):
                continue
            record = records.get(rollout.number) or host.records.get(rollout.number)
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
            busy = True
            started = LocalActivationStarted(record.last_event_seq + 1, now, "switch-to-configuration")
            made = yield HostStep(record, started, rollout.on_health_failure)
            if made is not None:
                records[rollout.number] = self._ruled(rollout, host, record, started, made[0])

    def _worked(self, host: Host) -> Chain:
        """The time of a host's job, a switch or a rollback, is over; its probes may begin."""
        if not host.jobs:
            return
        switch, rollout, closure = host.jobs[0]
        record = host.records.get(rollout.number)
        if record is not None:
            event = self._end_of(host, switch, rollout, closure, record.last_event_seq + 1)
            made = None if event is None else (yield HostStep(record, event, rollout.on_health_failure))
            if made is not None and any(isinstance(effect, LocalResetProbeCache) for effect in made[1]):
                yield from self._reset(host, rollout, self._ruled(rollout, host, record, event, made[0]))

    def _end_of(self, host: Host, switch: bool, rollout: Rollout, closure: str, seq: int) -> HostEvent | None:
        fleet, settings, now = self.world.fleet, host.settings, self._now
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

    def _replied(self, host: Host, replies: list[list[tuple[Rollout, HostRecord]]]) -> Chain:
        """Replies to a host's heartbeats arrive: what the control plane knows better, and its probes begin anew."""
        if not host.online:
            return
        records: dict[int, HostRecord] = {}
        for reply in replies:
            moved = set()
            for rollout, theirs in reply:
                ours = records.get(rollout.number) or host.records.get(rollout.number)
                if ours is None or ORDER[ours.state] < ORDER[theirs.state]:
                    ours = theirs
                    moved.add(rollout.number)
                records[rollout.number] = ours
            for rollout, theirs in reply:
                ours = records[rollout.number]
                anew = rollout.number in moved or self.world.rules.probe_restart == "heartbeat"
                if anew and theirs.state == ours.state == "Soaking":
                    records[rollout.number] = yield from self._reset(host, rollout, ours)

    def _reset(self, host: Host, rollout: Rollout, record: HostRecord) -> Generator[Step, Answer, HostRecord]:
        """The probes of a soaking record begin anew; gives the record after it. Where nobody looks at each run there is
        seldom a step, and none is said."""
        world, now, policy = self.world, self._now, rollout.on_health_failure
        if not (world.control_plane.feeds_all or host.exact):
            return record
        kept = world.probe_runs.get((rollout.number, host.number))
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

    def _ticked(self, host: Host) -> Chain:
        """A host's advance tick."""
        settings, now = self.world.settings, self._now
        age = now - host.lives[-1].tick_start
        if age <= 0.0 or age % settings.advance_tick:
            return  # one that a reboot has made void
        for rollout in host.soaking():
            event = due_at_tick(
                host.records[rollout.number], rollout.on_health_failure, settings.sustained_failure, now
            )
            if event is not None:
                yield HostStep(host.records[rollout.number], event, rollout.on_health_failure)

    def _told(self, host: Host, messages: list[Any]) -> Chain:
        """Reports of a host arrive, and heartbeats."""
        mirrors: dict[int, HostRecord] = {}
        for message in messages:
            if isinstance(message, list):
                for rollout, report in message:
                    mirror = mirrors.get(rollout.number) or rollout.mirrors.get(host.number)
                    if mirror is not None and report.seq > mirror.last_event_seq:
                        yield from self._mirrored(host, rollout, mirrors, remote_event(report))
            else:
                yield from self._seen(host, mirrors, message if isinstance(message, str) else message[1])

    def _seen(self, host: Host, mirrors: dict[int, HostRecord], closure: str) -> Chain:
        """A heartbeat says what a host runs."""
        now = self._now
        for rollout in host.mirrored:
            mirror = mirrors.setdefault(rollout.number, rollout.mirrors[host.number])
            if mirror.state not in UNVERIFIED or mirror.target_closure != closure:
                continue
            seq, due = mirror.last_event_seq, mirror.soak_due_at
            completed = RemoteActivationCompleted(seq + 1, closure, 0, now)
            if mirror.state != "Pending":
                yield from self._mirrored(host, rollout, mirrors, completed)
            elif self._let_go(host, rollout):
                yield from self._mirrored(host, rollout, mirrors, RemoteDispatchAck(seq + 1, "", now))
                yield from self._mirrored(host, rollout, mirrors, replace(completed, seq=seq + 2))
                converged_at = now if due is None else max(now, due)
                yield from self._mirrored(host, rollout, mirrors, RemoteConverged(seq + 3, converged_at, closure))

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
        if after.state != mirror.state and (self.world.control_plane.feeds_all or after.state in STOPPING):
            now = self._now
            yield RolloutStep(
                rollout.record, HostStateChanged(rollout.rollout_id, host.name, mirror.state, after.state, now)
            )

    def _ruled(self, rollout: Rollout, host: Host, record: HostRecord, event: object, after: HostRecord) -> HostRecord:
        """The record after a step as the rules would have it."""
        world = self.world
        return adjust(world.rules, record, event, after, rollout.soak_of(host.number)) if world.adjusts else after


def _sent(one: Chain, answer: Answer) -> Step | None:
    """The step with which a chain goes on; None at its end."""
    try:
        return one.send(answer)
    except StopIteration:
        return None
