"""The control plane: one reducer task that handles polls, plan ticks, reports and heartbeats in order (page 4)."""

from __future__ import annotations

from collections.abc import Generator
from math import inf
from typing import TYPE_CHECKING, assert_never

from msgspec.structs import astuple, replace
from simpy import Event

from sim.model.clock import INBOX, INBOX_OPEN, PLAN, PLANNING, POLL, REPLY
from sim.model.fleet import ChannelRelease
from sim.model.host import Host
from sim.model.inbox import A_REPORT, Letter
from sim.model.may_step import LIVE, UNVERIFIED, may_step
from sim.model.recording import packed
from sim.model.rollouts import Rollout, rollout_of
from sim.model.switches import adjust
from sim.reducer.actions import OpenRollout, QueueDispatch
from sim.reducer.effects import (
    LocalEmitEvent,
    LocalFireRollbackTo,
    LocalFireSwitch,
    LocalResetProbeCache,
    RecordRolloutTransition,
    RecordTransition,
    RemoteAppendEventLog,
    RemoteInsertQuarantine,
    UpdateCurrentWave,
)
from sim.reducer.errors import StepError
from sim.reducer.events import (
    HostEvent,
    HostJoined,
    HostStateChanged,
    RemoteActivationCompleted,
    RemoteConverged,
    RemoteDispatchAck,
    RolloutEvent,
    RolloutTerminal,
    SuccessorOpened,
)
from sim.reducer.index import PlanIndex
from sim.reducer.payloads import ProbeResult, Report
from sim.reducer.records import NO_PROBES, ORDER, HostRecord, HostState
from sim.reducer.reports import REMOTE_OF
from sim.reducer.tracked import place_in

if TYPE_CHECKING:
    from sim.model.world import World

STOPPING = frozenset({"Failed", "Reverted"})
"""The states of a host that the rollout reducer does something about (page 2)."""


class ControlPlane:
    """The control plane's state: rollouts with their mirrors, the planner, and the releases yet to be seen."""

    def __init__(self, world: World, index: PlanIndex):
        self.world = world
        self.index = index
        self.rollouts: list[Rollout] = []
        self.by_id: dict[str, Rollout] = {}
        self._unasked: list[Rollout] = []
        self.releases = world.fleet.releases
        self._seen: dict[str, ChannelRelease] = {}
        self._future = sorted({one.release.at for releases in self.releases.values() for one in releases})
        tally = world.tally
        self._made_up = tally.moments("made_up")
        self._refused = tally.moments("refused")
        self._dropped = tally.moments("dropped")
        self._effects = tally.moments("effects")
        self._rollout_events = tally.moments("rollout_events")
        self._heartbeats = tally.moments("heartbeats") if world.scenario.fidelity == "full" else None
        self._taken = tally.moments("dispatches_taken")
        self._reports = {
            kind: (tally.moments(f"reports.{kind.__name__}").append, event) for kind, event in REMOTE_OF.items()
        }
        self._always_signed = world.settings.resign == "always"
        self._soak_from_dispatch = world.rules.soak_from == "dispatch"
        self._follows_failing = world.rules.compliance_wave != "off"

    # -- its clocks

    def polls(self) -> Generator[Event, object, None]:
        """SimPy process: the manifest poll, from t = 0."""
        yield from self._every(self.world.settings.manifest_poll, POLL, self._poll)

    def ticks(self) -> Generator[Event, object, None]:
        """SimPy process: the plan tick, from t = 0."""
        yield from self._every(self.world.settings.plan_tick, PLAN, self._pass)

    def _every(self, period: float, phase: int, action: object) -> Generator[Event, object, None]:
        clock = self.world.clock
        k = 0
        while True:
            yield clock.due(k * period, phase, 0)
            action()  # type: ignore[operator]
            k += 1

    def _poll(self) -> None:
        """The view switches to the releases whose time has come, then a plan pass."""
        now = self.world.clock.now
        self.read(now, inf)
        if self._future and self._future[0] <= now:
            self._future = [at for at in self._future if at > now]
            for channel, releases in self.releases.items():
                due = [one for one in releases if one.release.at <= now]
                if due:
                    self._seen[channel] = due[-1]
            manifests = {c: one.manifest for c, one in self._seen.items() if one.manifest is not None}
            self.index.set_manifests(manifests)
            self.world.dirty = True
        self._pass()

    @property
    def more_releases(self) -> bool:
        """Whether a poll will still see something new, be it after the horizon."""
        return bool(self._future)

    # -- plan passes

    def _pass(self) -> None:
        world = self.world
        world.clock.reached(PLANNING)
        self.read(world.clock.now, inf)
        if world.quiet():
            world.clock.stop()
            return
        world.dirty = False
        now = world.clock.now
        for rollout in self._unasked:
            rollout.asked_at = now
        self._unasked.clear()
        outcome = self.index.plan(now)
        for rollout_id, wave in outcome.advanced.items():
            self._promote(self.by_id[rollout_id], wave, now)
        opened = queued = 0
        for action in outcome.actions:
            if type(action) is QueueDispatch:
                queued += self._queue(action, now)
            else:
                assert type(action) is OpenRollout
                opened += 1
                self._open(action, now)
        if world.journal is not None:
            world.journal.passed(now)
        tally = world.tally
        listed = len(outcome.actions) - opened
        tally.weigh("gate_evaluations", now, outcome.asked)
        tally.weigh("event_log.gate_decision", now, outcome.blocked)
        tally.weigh("event_log.plan_action", now, len(outcome.actions) + outcome.requeued_parked)
        tally.weigh("dispatches_queued", now, queued)
        tally.weigh("dispatches_requeued", now, listed - queued + outcome.requeued_parked)
        tally.weigh("wakeups", now, (listed + outcome.requeued_parked) * world.online_count)

    def _promote(self, rollout: Rollout, wave: int, now: float) -> None:
        """A promotion sets `current_wave` and nothing else: no rollout event is fed, nothing is logged."""
        left = rollout.record.current_wave
        rollout.deferred_at_promotion[left] = sum(
            rollout.mirrors[host].state == "Deferred" for host in rollout.hosts if rollout.wave_of[host] == left
        )
        rollout.record = replace(rollout.record, current_wave=wave)
        rollout.wave_opened_at[wave] = now
        self._changed(rollout, now)
        if self.world.journal is not None:
            self.world.journal.promotion(now, rollout, wave)

    def _changed(self, rollout: Rollout, now: float) -> None:
        world = self.world
        rollout.changed_at = now
        world.dirty = True
        if now > world.last_change:  # it may have been read late
            world.last_change = now

    def _open(self, action: OpenRollout, now: float) -> None:
        world = self.world
        channel, ref = action.channel, action.target_ref
        release = self._seen[channel]
        listed_in, _ = self.index.listing(channel)
        rollout = rollout_of(len(self.rollouts), release, world.fleet, listed_in, world.settings.default_soak, now)
        hosts, wave_of = rollout.hosts, rollout.wave_of
        older = [
            one for one in self.rollouts if one.channel == channel and one.record.state not in ("Superseded", "Pruned")
        ]
        self.rollouts.append(rollout)
        self._unasked.append(rollout)
        self.by_id[rollout.rollout_id] = rollout
        world.tally.moments("rollouts_opened").append(now)
        if world.journal is not None:
            world.journal.rollout_opened(now, rollout)
        for one in older:
            self._rollout_events.append(now)
            self._feed(one, SuccessorOpened(one.rollout_id, rollout.rollout_id, now), now)
        names: list[str] = []
        soak_due: list[float | None] = []
        targets: list[str] = []
        if world.foresight is not None:
            world.foresight.joining(rollout, now)
        may_say: list[Host] = []  # hosts that run the release, or have run more than one closure
        told = world.asks_all
        from_opening = world.rules.soak_from == "open"
        # the hosts of a wave share one number: of a large fleet that is less memory to go through
        due_of = {wave: now + soak if from_opening else None for wave, soak in rollout.soak_of_wave.items()}
        alone = (rollout,)
        for host in map(world.hosts.__getitem__, hosts):
            number = host.number
            target = release.closures[number]
            due = due_of[wave_of[number]]
            rollout.mirrors[number] = HostRecord(
                rollout_id=rollout.rollout_id,
                hostname=host.name,
                channel=channel,
                state="Pending",
                target_closure=target,
                dispatched_at=now,
                soak_due_at=due,
                probes=NO_PROBES,
            )
            names.append(host.name)
            soak_due.append(due)
            targets.append(target)
            if told or rollout.record.state == "Opening":
                self._feed(rollout, HostJoined(rollout.rollout_id, host.name, max(0, wave_of[number]), now), now)
            if host.mirrored:
                host.mirrored += alone
                self.await_reports(host)
            else:
                host.mirrored = alone
            if host.closure == target or host.past_closures is not None:
                may_say.append(host)
        if world.journal is not None:
            world.journal.all_joined(now, rollout)
        world.tally.weigh("rollout_events", now, len(hosts))
        self.index.add_rollout(rollout.rollout_id, channel, ref, now, names, soak_due, targets)
        self._changed(rollout, now)
        self._find_slow(rollout)
        for host in may_say:
            self.closure_changed(host)

    def _find_slow(self, rollout: Rollout) -> None:
        """Mark the hosts that boot into this release while a reply of before may still be on its way."""
        world = self.world
        if not any(settings.defer.probability for settings in world.fleet.settings):
            return
        boots = world.fleet.durations("boot", rollout.ref)
        for number in rollout.hosts:
            host = world.hosts[number]
            if 2.0 * host.delay >= boots[number] and not host.slow:
                host.slow = True
                host.lose_count()  # such a reply takes the new agent back below what the control plane has counted
                world.recurrence.review(host)

    def _queue(self, action: QueueDispatch, now: float) -> int:
        """Put a dispatch in its slot; an online host takes it at once. 1 if it is the first for this record, else 0."""
        world = self.world
        rollout = self.by_id[action.rollout]
        number = world.fleet.numbers[action.host]
        host = world.hosts[number]
        queued_at = rollout.queued.get(number)
        first = queued_at is None
        if first:
            rollout.queued[number] = now
            rollout.first_dispatch_at.setdefault(rollout.wave_of[number], now)
        elif queued_at == now and host.online and self._always_signed and not world.asks_all:
            self._taken.append(now)  # poll and plan tick at one instant: the second goes the way of the first
            return 0
        soak_due_at = action.soak_due_at
        if self._soak_from_dispatch:
            soak_due_at = now + rollout.soak_of(number)
        if world.journal is not None:
            world.journal.queued(now, rollout, host, action.target_closure, soak_due_at)
        if host.online:  # its slots are empty: it takes what comes as it comes
            host.take(rollout, action.target_closure, soak_due_at, now)
            return int(first)
        host.slots = host.slots or {}
        if host.slots.pop(rollout.number, None) is None and not host.dead:
            world.waiting += 1
        host.slots[rollout.number] = (action.target_closure, soak_due_at)
        self.index.park(rollout.rollout_id, host.name)
        rollout.parked.add(number)
        return int(first)

    def taken(self, rollout: Rollout, host: Host, soak_due_at: float | None, now: float) -> tuple[float | None, bool]:
        """A host takes a dispatch now (s): its `soak_due_at`, which moves while it is queued again and again, and
        whether it may come of anything, its manifest not being too old for good when it gets there."""
        world = self.world
        number = host.number
        self._taken.append(now)
        if number in rollout.parked:
            rollout.parked.discard(number)
            queued_at = self.index.unpark(rollout.rollout_id, host.name)
            if self._soak_from_dispatch:
                soak_due_at = queued_at + rollout.soak_of(number)
        if self._soak_from_dispatch and rollout.mirrors[number].soak_due_at is None:
            rollout.mirrors[number] = replace(rollout.mirrors[number], soak_due_at=soak_due_at)
        if world.journal is not None:
            world.journal.taken(now, rollout, host)
        return soak_due_at, self._always_signed or not self.doomed(rollout, now + host.delay)

    def refuses(self, rollout: Rollout, now: float) -> bool:
        """Whether a host refuses this rollout's manifest at time `now` for its signing age, counted (page 4)."""
        if self._always_signed:
            return False
        settings = self.world.settings
        if not too_old(rollout.release.release.at, settings.resign, settings.manifest_max_age, now):
            return False
        self.world.tally.moments("dispatches_refused").append(now)
        if settings.resign != "never":
            self.world.dirty = True  # signed again later: the next pass queues it, and that may go through
        return True

    def doomed(self, rollout: Rollout, at: float) -> bool:
        """Whether a dispatch delivered at `at` or later is refused for good."""
        settings = self.world.settings
        return settings.resign == "never" and at - rollout.release.release.at > settings.manifest_max_age

    def gave_up(self, host: Host) -> None:
        """A host will never come back: its slots wait for nothing."""
        self.world.waiting -= len(host.slots or ())

    # -- what hosts send

    def receive(self, sent: tuple[Host, Rollout, Report], now: float) -> None:
        """A report arrives now (s)."""
        host = sent[0]
        self._read_before(host.number, now)
        self._receive([(now, host.number, sent[2].seq, *sent)])

    def read(self, *limit: float) -> None:
        """Read what has arrived before a limit (see `Inbox.take`)."""
        if self.world.inbox:
            self._receive(self.world.inbox.take(*limit))

    def _read_before(self, number: int, now: float) -> None:
        """Read what arrived before now (s), and now from hosts before the one of a number."""
        if self.world.inbox:
            self.read(now, inf if self.world.clock.round else number)

    def catch_up(self, host: Host | None = None) -> None:
        """Read what has arrived by now, in the middle of an instant, for a look at a host's record, or at all."""
        now, stage = self.world.clock.now, self.world.clock.stage
        if stage < INBOX_OPEN:
            self.read(now)
        else:
            self.read(now, inf if stage >= PLANNING or host is None else host.number + 1)

    def await_reports(self, host: Host) -> None:
        """From now on something may wait for a host's reports: what is under way becomes events, of all hosts, as
        looking for those of one would cost as much."""
        if host.awaited:
            return
        host.awaited = True
        if not self.world.inbox:
            return
        self.catch_up(host)
        clock = self.world.clock
        now = clock.now
        here = self.world.inbox.take(now, inf)  # of hosts whose turn comes later at this instant
        for arrival, number, _, *sent in self.world.inbox.take(inf):
            clock.post(now, arrival - now, INBOX, number, self.receive, tuple(sent), A_REPORT)
        self.world.inbox.letters += here

    def _receive(self, letters: list[Letter]) -> None:
        """Reports have arrived, in this order."""
        reports = self._reports
        for now, number, _, host, rollout, report in letters:
            count, event_of = reports[type(report)]
            count(now)
            mirror = rollout.mirrors.get(number)
            if mirror is None:
                self._drop("unknown", now, rollout, host, report)
            elif report.seq <= mirror.last_event_seq:
                self._drop("SeqRegression", now, rollout, host, report)
            else:
                self._step(rollout, host, mirror, event_of(*astuple(report)), now)

    def _drop(self, kind: str, now: float, rollout: Rollout, host: Host, report: Report) -> None:
        self._dropped.append(now)
        self._reject(kind, now)
        if self.world.journal is not None:
            self.world.journal.rejected(now, rollout, host, report, kind)

    def _reject(self, kind: str, now: float) -> None:
        self.world.tally.moments(f"rejected.{kind}").append(now)

    def _step(self, rollout: Rollout, host: Host, mirror: HostRecord, event: HostEvent, now: float) -> None:
        """Step a mirror and carry out what follows. An error is counted by kind and changes nothing."""
        world = self.world
        world.host_steps += 1
        try:
            after, effects = world.step_host(mirror, event, rollout.on_health_failure)
        except StepError as error:
            self._refused.append(now)
            self._reject(type(error).__name__, now)
            if world.journal is not None:
                world.journal.rejected(now, rollout, host, event, type(error).__name__)
            return
        number = host.number
        if type(event) in world.adjusts:
            after = adjust(world.rules, mirror, event, after, rollout.soak_of(number))
        rollout.mirrors[number] = after
        journal = world.journal
        for effect in effects:
            # `type is`, not `match`: see `Host.apply`
            if type(effect) is RemoteAppendEventLog:
                if type(effect.payload) is ProbeResult:
                    self._probe_result(rollout, host, effect.payload, now)
                if journal is not None:
                    journal.logged(now, rollout, host, effect.payload)
            elif type(effect) is RecordTransition:
                world.mirror_moves.rows += packed(rollout.number, number, ORDER[effect.from_], ORDER[effect.to], now)
                if journal is not None:
                    journal.mirror_move(now, rollout, host, effect)
            elif type(effect) is RemoteInsertQuarantine:
                self._effects.append(now)
                self.index.quarantine(effect.channel, effect.closure)
                world.dirty = True
                if journal is not None:
                    journal.quarantine(now, rollout, host, effect)
            elif (
                type(effect) is LocalEmitEvent
                or type(effect) is LocalFireRollbackTo
                or type(effect) is LocalFireSwitch
                or type(effect) is LocalResetProbeCache
            ):
                raise AssertionError("the reducer gives the control plane no effect of an agent")
            else:
                assert_never(effect)
        if after.state != mirror.state:
            self._host_changed(rollout, host, mirror.state, after, now)

    def _probe_result(self, rollout: Rollout, host: Host, result: ProbeResult, now: float) -> None:
        """Gate 6's count of a host: probes that ever failed, or (`latest`) whose latest result is fail."""
        if not self._follows_failing or result.mode != "enforce":
            return
        failed = result.status == "fail"
        seen = rollout.failing.get(host.number)
        if seen is None:
            if not failed:
                return
            seen = rollout.failing[host.number] = {}
        if not failed and result.probe_name not in seen:
            return
        sticky = self.world.rules.compliance_wave == "sticky"
        counted, before = len(seen) if sticky else sum(seen.values()), seen.get(result.probe_name)
        seen[result.probe_name] = failed
        if before != failed:
            count = len(seen) if sticky else sum(seen.values())
            if count > counted:
                rollout.failing_since[host.number] = now
            self.index.failing_changed(rollout.rollout_id, host.name, count)
            self.world.dirty = True

    def _host_changed(self, rollout: Rollout, host: Host, before: HostState, mirror: HostRecord, now: float) -> None:
        world = self.world
        state, index = mirror.state, self.index
        if index.codes[state] != index.codes[before] or before == "Pending":
            acked = mirror.dispatch_acked_at is not None
            index.host_changed(rollout.rollout_id, host.name, state, acked, place_in(rollout.hosts, host.number))
        self._changed(rollout, now)
        if state == "Soaking" and host.awaited:
            rollout.soaks_since[host.number] = now
            world.recurrence.mirror_soaks(host, rollout, now)
        if world.asks_all or state in STOPPING:
            self._feed(rollout, HostStateChanged(rollout.rollout_id, host.name, before, state, now), now)
        if state == "Converged":
            rollout.converged += 1
            if rollout.converged == len(rollout.mirrors):
                self._rollout_events.append(now)
                self._feed(rollout, RolloutTerminal(rollout.rollout_id, now), now)
        if len(host.mirrored) > 1:
            self.closure_changed(host)

    def _feed(self, rollout: Rollout, event: RolloutEvent, now: float) -> None:
        """Feed the rollout reducer; its errors are counted and change nothing."""
        world = self.world
        world.rollout_steps += 1
        if world.journal is not None:
            world.journal.rollout_event(now, rollout, event)
        try:
            after, effects = world.step_rollout(rollout.record, event)
        except StepError as error:
            self._reject(type(error).__name__, now)
            return
        rollout.record = after
        for effect in effects:
            match effect:
                case RecordRolloutTransition():
                    self._effects.append(now)
                    self._changed(rollout, now)
                    if effect.to == "Terminal":
                        self.index.rollout_terminal(rollout.rollout_id)
                    if world.journal is not None:
                        world.journal.rollout_move(now, rollout, effect)
                case UpdateCurrentWave():
                    raise AssertionError("only WaveAdvanced has this effect, and the control plane never feeds it")
                case _:
                    assert_never(effect)

    # -- heartbeats

    def heartbeat(self, host: Host, closure: str, now: float) -> None:
        """A heartbeat arrives now (s): complete what the host evidently runs, and reply with its live records."""
        world = self.world
        self._read_before(host.number + 1, now)
        if self._heartbeats is not None:
            self._heartbeats.append(now)
        reply: list[tuple[Rollout, HostRecord]] = []
        for rollout in host.mirrored:
            mirror = rollout.mirrors[host.number]
            state = mirror.state
            if state in UNVERIFIED and mirror.target_closure == closure:
                if host.number in rollout.agents or (host.booting and host.number in rollout.begun):
                    host.lose_count()
                if state != "Pending":
                    self._complete(rollout, host, closure, now)
                elif world.rules.unchanged == "ungated" or self._gates_let_go(rollout, host, now):
                    self._converge_unchanged(rollout, host, closure, now)
            mirror = rollout.mirrors[host.number]
            if mirror.state in LIVE and rollout.record.state != "Pruned":
                reply.append((rollout, mirror))
        if reply:
            clock = world.clock
            clock.post(now, host.delay, REPLY, host.number, host.receive_reply, reply)
        world.recurrence.review(host)

    def _gates_let_go(self, rollout: Rollout, host: Host, now: float) -> bool:
        self.world.tally.weigh("gate_evaluations", now, 1)
        return self.index.ask(rollout.rollout_id, host.name) is None

    def _complete(self, rollout: Rollout, host: Host, closure: str, now: float) -> None:
        seq = rollout.mirrors[host.number].last_event_seq
        self._make_up(rollout, host, RemoteActivationCompleted(seq + 1, closure, 0, now), now)

    def _converge_unchanged(self, rollout: Rollout, host: Host, closure: str, now: float) -> None:
        """The release left the host as it was: acknowledged, completed and converged in one go."""
        mirrors, number = rollout.mirrors, host.number
        rollout.premature.add(number)
        seq = mirrors[number].last_event_seq
        self._make_up(rollout, host, RemoteDispatchAck(seq + 1, "", now), now)
        self._complete(rollout, host, closure, now)
        mirror = mirrors[number]
        due = mirror.soak_due_at
        converged_at = now if due is None else max(now, due)
        self._make_up(rollout, host, RemoteConverged(mirror.last_event_seq + 1, converged_at, closure), now)

    def _make_up(self, rollout: Rollout, host: Host, event: HostEvent, now: float) -> None:
        """Step a mirror with what no agent has reported."""
        self._made_up.append(now)
        if self.world.journal is not None:
            self.world.journal.made_up(now, rollout, host, event)
        self._step(rollout, host, rollout.mirrors[host.number], event, now)

    def heartbeat_may_change(self, host: Host) -> bool:
        """Whether a heartbeat of this host, or its reply, can still change a state, as things stand.

        With `unchanged: gated` and nothing else under way, gates that hold a host now hold it for good.
        """
        if host.dead or not may_step(host):
            return False
        if self.world.rules.unchanged == "ungated":
            return True
        return any(
            mirror.state != "Pending" or self.index.ask(rollout.rollout_id, host.name) is None
            for rollout in host.mirrored
            if (mirror := rollout.mirrors[host.number]).state in LIVE
        )

    def closure_changed(self, host: Host) -> None:
        """Something happened by which a heartbeat of this host may make a step, or bring its agent a record."""
        self.await_reports(host)
        if may_step(host):
            self.world.interested.add(host)
            self.world.recurrence.review(host)


def too_old(signed_first: float, resign: object, max_age: float, now: float) -> bool:
    """Whether a manifest released at `signed_first` and signed again every `resign` is older than `max_age` at `now`
    (s)."""
    if resign == "always":
        return False
    age = now - signed_first
    if isinstance(resign, float):
        age %= resign
    return age > max_age
