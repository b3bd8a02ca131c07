"""A host: the agent on it, the switch it carries out, its reboots, and the network between it and the control plane.

Page 5 of the spec, section by section. What recurs on the agent's clocks (ticks, heartbeats, probe runs) is not
scheduled here: the two fidelities differ in just that and live in `every` and `relevant`, which call back
`advance_tick`, `send_heartbeat` and `run_probe`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from math import floor, inf
from typing import TYPE_CHECKING, Any, assert_never

from sim.model.clock import DELIVERY, INBOX, REBOOT, TOGGLE, WORK, Callbacks, Due, first_at_or_after
from sim.model.inbox import A_HEARTBEAT, A_REPORT
from sim.model.lives import Life
from sim.model.luck import Stays
from sim.model.presence import ALWAYS_ONLINE, Closures, Presence
from sim.model.probes import ProbeRuns, failing_probes
from sim.model.recording import packed
from sim.model.switches import adjust
from sim.reducer.effects import (
    LocalEmitEvent,
    LocalFireRollbackTo,
    LocalFireSwitch,
    LocalResetProbeCache,
    RecordTransition,
    RemoteAppendEventLog,
    RemoteInsertQuarantine,
)
from sim.reducer.errors import StepError
from sim.reducer.events import (
    HostEvent,
    LocalActivate,
    LocalActivationCompleted,
    LocalActivationDeferred,
    LocalActivationFailed,
    LocalActivationStarted,
    LocalConvergedReached,
    LocalProbeFailureFirst,
    LocalProbeObservedFirst,
    LocalProbeResult,
    LocalProbeTopologyDeclared,
    LocalRollbackCompleted,
    LocalSustainedFailureCrossed,
)
from sim.reducer.payloads import DeclaredProbe, Report
from sim.reducer.records import NO_PROBES, ORDER, HealthPolicy, HostRecord, ProbeStatus
from sim.scenario.schema import HostSettings, Probe, Window

if TYPE_CHECKING:
    from sim.model.rollouts import Rollout
    from sim.model.world import World

Dispatch = tuple["Host", "Rollout", str, float | None, bool]
"""A dispatch under way: to which host, of which rollout, its closure and `soak_due_at` (s), and whether it may come of
anything."""
DAY = 86_400.0


class Job(Due, eq=False, gc=False):
    """A switch, or else a rollback, of a rollout: to which closure. It is the event of its own end."""

    switch: bool
    rollout: Rollout
    closure: str


class Reboot:
    """A reboot that a host waits for: into which closure, of which release, and when, None if never; `overdue` once
    that time has come and a job is still under way."""

    __slots__ = ("closure", "due", "overdue", "ref")

    def __init__(self, closure: str, ref: str):
        self.closure = closure
        self.ref = ref
        self.due: Due | None = None
        self.overdue = False


class Host:
    """The state of one host; its agent's records are with their rollouts. `slots` hold its dispatches at the CP.

    What seldom grows is a tuple: a fleet has many hosts, and few of them ever need a list of their own.
    """

    __slots__ = (
        "available",
        "awaited",
        "booting",
        "closure",
        "dead",
        "delay",
        "disk",
        "exact",
        "heartbeat_start",
        "job",
        "jobs_to_come",
        "mirrored",
        "name",
        "number",
        "online",
        "past_closures",
        "past_lives",
        "presence",
        "probes",
        "reboot",
        "settings",
        "slots",
        "slow",
        "tick_start",
        "watch",
        "world",
    )

    def __init__(self, world: World, number: int, settings: HostSettings, closure: str):
        self.world = world
        self.number = number
        self.name = world.fleet.names[number]
        self.settings = settings
        self.probes = world.fleet.probes[number]
        self.delay = world.fleet.network_delay[number]
        self.closure = closure
        self.past_closures: Closures = None
        """What it ran until when, the last first: a heartbeat under way carries the closure of when it was sent."""
        self.slots: dict[int, tuple[str, float | None]] | None = None
        self.mirrored: tuple[Rollout, ...] = ()
        """The rollouts in which the control plane has a record of this host, in order of opening."""
        self.available = True
        self.awaited = world.awaits_all or self.delay == 0.0
        """Whether something may wait for its reports, so that the arrival of each is an event (see `inbox`)."""
        self.booting = False
        self.dead = False
        self.online = True
        self.presence: Presence = ALWAYS_ONLINE
        """When it came online or went offline."""
        self.disk: list[tuple[Rollout, Report]] | None = None
        self.job: Job | None = None
        """The one under way."""
        self.jobs_to_come: tuple[Job, ...] = ()
        self.reboot: Reboot | None = None
        self.heartbeat_start = self.tick_start = 0.0
        """When the agent's heartbeats and advance ticks are counted from (s), since it last started."""
        self.past_lives: tuple[Life, ...] = ()
        self.slow = False
        """Whether a heartbeat's reply can outlive a reboot, and bring the new agent what was so before it."""
        self.exact = False
        """Set once the two sides no longer count the same events of a record: every report's `seq` then decides
        whether it is dropped, so none may be skipped."""
        self.watch: Any = None

    def lives(self) -> list[Life]:
        """The stretches in which its agent has run; the last of them goes on, unless the host is down."""
        lives = list(self.past_lives)
        if not self.booting:
            lives.append(Life(self.heartbeat_start, self.tick_start, inf))
        return lives

    def lose_count(self) -> None:
        """The two sides no longer count the same events of a record: from now on no report is skipped."""
        if not self.exact:
            self.exact = True
            self.world.control_plane.await_reports(self)
            self.world.recurrence.became_exact(self)

    # -- availability

    def availability(self, stays: Stays) -> Generator[Due, object, None]:
        """SimPy process: the host comes and goes (`hosts.*.online`)."""
        clock = self.world.clock
        stay = 0
        while True:
            yield clock.due(stays.bound(stay), TOGGLE, self.number)
            stay += 1
            self.available = stays.is_up(stay)
            self.see_online()

    def see_online(self) -> None:
        """Work out whether it is online now, and do what coming and going means."""
        online = self.available and not self.booting and not self.dead
        if online == self.online:
            return
        world = self.world
        world.control_plane.await_reports(self)
        self.online = online
        if isinstance(self.presence, list):
            self.presence.append((world.clock.now, online))
        else:
            self.presence = [*self.presence, (world.clock.now, online)]
        world.online_count += 1 if online else -1
        if world.journal is not None:
            world.journal.host_event(world.clock.now, self, "online" if online else "offline", {})
        if online:
            if self.disk:
                waiting, self.disk = self.disk, None
                world.restless -= 1
                for rollout, report in waiting:
                    self.emit(rollout, report, world.clock.now)
            self.take_slots()
            world.recurrence.came_online(self)
        else:
            world.recurrence.went_offline(self)

    # -- reports

    def emit(self, rollout: Rollout, report: Report, now: float) -> None:
        """Send a report now (s), or keep it on the disk while offline."""
        if not self.awaited:
            self.world.inbox.letters.append((now + self.delay, self.number, report.seq, self, rollout, report))
        elif self.online:
            world, sent = self.world, (self, rollout, report)
            world.clock.post(now, self.delay, INBOX, self.number, world.control_plane.receive, sent, A_REPORT)
        else:
            self.keep([(rollout, report)])

    def keep(self, reports: list[tuple[Rollout, Report]]) -> None:
        """Put reports on the disk of a host that is offline. On a dead one they wait for nothing."""
        if self.disk is None:
            self.disk = []
            self.world.restless += not self.dead
        self.disk += reports

    # -- dispatches

    def take_slots(self) -> None:
        """Take every dispatch that waits at the control plane, the longest queued first."""
        if not self.slots:
            return
        world = self.world
        now = world.clock.now
        waiting, self.slots = self.slots, None
        world.waiting -= len(waiting)
        for number, (closure, soak_due_at) in waiting.items():
            self.take(world.control_plane.rollouts[number], closure, soak_due_at, now, own=True)

    def take(self, rollout: Rollout, closure: str, soak_due_at: float | None, now: float, *, own: bool = False) -> None:
        """Take one dispatch now, to have it `network_delay` later; `own` if by coming online, not as it is queued."""
        world = self.world
        soak_due_at, matters = world.control_plane.taken(rollout, self, soak_due_at, now)
        dispatch = (self, rollout, closure, soak_due_at, matters)
        world.clock.post(now, self.delay, DELIVERY, self.number, _deliver, dispatch, own=own)

    def deliver(self, dispatch: Dispatch, now: float) -> None:
        """A dispatch arrives now (s)."""
        _, rollout, closure, soak_due_at, matters = dispatch
        world = self.world
        if not self.online:
            world.dirty |= matters  # lost: the next pass has to queue it again
            if world.journal is not None:
                world.journal.delivery(now, rollout, self, "lost")
            return
        if world.control_plane.refuses(rollout, now):
            if world.journal is not None:
                world.journal.delivery(now, rollout, self, "refused")
            return
        record = rollout.agents.get(self.number)
        fresh = record is None or record.state == "Pending"
        if world.journal is not None:
            world.journal.delivery(now, rollout, self, "accepted" if fresh else "ignored")
        if fresh:
            if self.number in rollout.begun or rollout.mirrors[self.number].last_event_seq > 0:
                self.lose_count()  # it begins anew after a reboot, below what the control plane has counted or will
            record = rollout.agents[self.number] = HostRecord(
                rollout_id=rollout.rollout_id,
                hostname=self.name,
                channel=rollout.channel,
                state="Pending",
                target_closure=closure,
                dispatched_at=now if record is None else record.dispatched_at,
                soak_due_at=soak_due_at,
                probes=NO_PROBES,
                last_event_seq=0 if record is None else record.last_event_seq,
            )
        rollout.begun.add(self.number)
        if fresh or world.asks_all:  # the reducer refuses a second delivery
            assert record is not None
            activate = LocalActivate(
                record.last_event_seq + 1,
                target_closure=closure,
                soak_due_at=soak_due_at,
                current_closure_at_dispatch=self.closure,
                received_at=now,
            )
            self.apply(rollout, record, activate, now)

    # -- the agent's reducer

    def apply(self, rollout: Rollout, record: HostRecord, event: HostEvent, now: float) -> None:
        """Step the agent's record and carry out the effects, now (s). Where the reducer refuses nothing happens."""
        world = self.world
        world.host_steps += 1
        try:
            after, effects = world.step_host(record, event, rollout.on_health_failure)
        except StepError:
            return
        if type(event) in world.adjusts:
            after = adjust(world.rules, record, event, after, rollout.soak_of(self.number))
        rollout.agents[self.number] = after
        was, state = record.state, after.state
        if was != state:
            if state == "Soaking":
                world.restless += 1
            elif was == "Soaking":
                world.restless -= 1
                if record.probes:
                    world.failing.note(rollout.number, self.number, False, now)
                world.recurrence.left_soaking(self, rollout, now)
        last = None
        for effect in effects:
            # `type is`, not `match`: these are eight effects a host, and a class pattern asks the metaclass
            if type(effect) is LocalEmitEvent:
                self.emit(rollout, effect.payload, now)
            elif type(effect) is RecordTransition:
                world.last_change = now
                world.agent_moves.rows += packed(
                    rollout.number, self.number, ORDER[effect.from_], ORDER[effect.to], effect.at
                )
                if world.journal is not None:
                    world.journal.agent_move(now, rollout, self, effect)
            else:
                last = effect  # a step's emits go before what sets off more of them
        if last is None:
            return
        if type(last) is LocalResetProbeCache:
            world.recurrence.reset(self, rollout, now)
        elif type(last) is LocalFireSwitch:
            self._queue(Job((), self, True, rollout, last.target), now)
        elif type(last) is LocalFireRollbackTo:
            self._queue(Job((), self, False, rollout, last.closure), now)
        elif type(last) is RemoteAppendEventLog or type(last) is RemoteInsertQuarantine:
            raise AssertionError("the reducer gives an agent no effect of the control plane")
        else:
            assert_never(last)

    # -- activation and rollback

    def _queue(self, job: Job, now: float) -> None:
        """Activations and rollbacks go one at a time, in the order asked for."""
        self.world.restless += 1
        if self.job is None:
            self._begin(job, now)
        else:
            self.jobs_to_come += (job,)

    def _begin(self, job: Job, now: float) -> None:
        self.job = job
        clock, durations, number = self.world.clock, self.world.fleet.durations, self.number
        rollout, closure = job.rollout, job.closure
        if not job.switch:
            job.callbacks = _ROLLBACK
            clock.schedule(job, now + durations("rollback", rollout.ref)[number], WORK, number)
            return
        record = rollout.agents.get(self.number)
        if record is not None:
            started = LocalActivationStarted(record.last_event_seq + 1, now, "switch-to-configuration")
            self.apply(rollout, record, started, now)
        if self.closure == closure:
            self._switched(rollout, closure, now)
            self.end_job(now)
            return
        duration = durations("activation", rollout.ref)[number]
        timeout = self.settings.activation_timeout
        if timeout is not None and duration > timeout:
            job.callbacks = _TIMEOUT
            duration = timeout
        else:
            job.callbacks = _SWITCH
        clock.schedule(job, now + duration, WORK, number)

    def end_job(self, now: float) -> None:
        """The job under way is over now (s): on with the next, or with a reboot that waited for it."""
        self.job = None
        self.world.restless -= 1
        if self.jobs_to_come:
            job, *to_come = self.jobs_to_come
            self.jobs_to_come = tuple(to_come)
            self._begin(job, now)
        elif self.reboot is not None and self.reboot.overdue:
            self._go_down(self.reboot)

    def time_out(self, rollout: Rollout, closure: str, now: float) -> None:
        self._activation_failed(rollout, -1, "activation timed out", now)

    def switch(self, rollout: Rollout, closure: str, now: float) -> None:
        """The switch has run: what comes of it depends on the host's luck."""
        luck, settings, ref = self.world.fleet.luck, self.settings, rollout.ref
        if settings.defer.probability and luck.first("defer", self.number, ref) < settings.defer.probability:
            component = pick(settings.defer.components, luck.first("component", self.number, ref))
            record = rollout.agents.get(self.number)
            if record is not None:
                deferred = LocalActivationDeferred(record.last_event_seq + 1, component, now)
                self.apply(rollout, record, deferred, now)
            self._defer(rollout, closure)
            return
        failure = settings.activation_failure
        if failure and luck.first("activation_failure", self.number, ref) < failure:
            self._activation_failed(rollout, 1, "activation failed", now)
            return
        self._switched(rollout, closure, now)

    def _switched(self, rollout: Rollout, closure: str, now: float) -> None:
        if self.reboot is not None:
            self._drop_reboot(self.reboot)
        self._run_closure(closure, now)
        record = rollout.agents.get(self.number)
        if record is not None:
            self.apply(rollout, record, LocalActivationCompleted(record.last_event_seq + 1, closure, 0, now), now)
        if len(self.mirrored) > 1:  # of this rollout the host's own report is ahead of any heartbeat
            self.world.control_plane.closure_changed(self)

    def _activation_failed(self, rollout: Rollout, exit_code: int, stderr_tail: str, now: float) -> None:
        record = rollout.agents.get(self.number)
        if record is not None:
            failed = LocalActivationFailed(record.last_event_seq + 1, exit_code, stderr_tail, now)
            self.apply(rollout, record, failed, now)

    def roll_back(self, rollout: Rollout, closure: str, now: float) -> None:
        world = self.world
        failure = self.settings.rollback_failure
        if failure and world.fleet.luck.first("rollback_failure", self.number, rollout.ref) < failure:
            return
        self._run_closure(closure, now)
        record = rollout.agents.get(self.number)
        if record is not None:
            self.apply(rollout, record, LocalRollbackCompleted(record.last_event_seq + 1, closure, 0, now), now)
        world.control_plane.closure_changed(self)

    def _run_closure(self, closure: str, now: float) -> None:
        if closure != self.closure:
            self.past_closures = now, self.closure, self.past_closures
            self.closure = closure

    # -- reboots

    def _defer(self, rollout: Rollout, closure: str) -> None:
        """The host needs a reboot into `closure`. A reboot that is due already keeps its time."""
        world = self.world
        world.control_plane.await_reports(self)
        if self.reboot is not None:
            self.reboot.closure, self.reboot.ref = closure, rollout.ref
            return
        reboot = self.reboot = Reboot(closure, rollout.ref)
        when = self.settings.reboot
        if when != "never":
            now = world.clock.now
            if isinstance(when, Window):
                at = next_window(when.start, when.end, now)
            else:
                at = now + world.fleet.durations_of_reboot(rollout.ref)[self.number]
            world.restless += 1
            reboot.due = world.clock.due(at, REBOOT, self.number, (self._reboot,), reboot)

    def _drop_reboot(self, reboot: Reboot) -> None:
        self.reboot = None
        if reboot.due is not None:
            reboot.due.cancel()
            self.world.restless -= 1

    def _reboot(self, due: Due) -> None:
        reboot: Reboot = due.value
        if self.job is not None:
            reboot.overdue = True
        else:
            self._go_down(reboot)

    def _go_down(self, reboot: Reboot) -> None:
        """The host goes down to come up on what it deferred. The agent's memory goes with it."""
        world = self.world
        closure, ref = reboot.closure, reboot.ref
        self.reboot = None
        self.booting = True
        self.past_lives += (Life(self.heartbeat_start, self.tick_start, world.clock.now),)
        soaking = len(self.soaking())
        world.recurrence.agent_stopped(self)
        world.restless -= soaking
        for rollout in self.mirrored:
            world.failing.note(rollout.number, self.number, False, world.clock.now)
            rollout.agents.pop(self.number, None)
        if world.journal is not None:
            world.journal.host_event(world.clock.now, self, "reboot", {"closure": closure})
        self.see_online()
        failure = self.settings.boot_failure
        if failure and world.fleet.luck.first("boot_failure", self.number, ref) < failure:
            self._die()
            return
        duration = world.fleet.durations("boot", ref)[self.number]
        world.clock.due(world.clock.now + duration, REBOOT, self.number, (self._come_up,), closure)

    def _die(self) -> None:
        """It never comes back: nothing that waits on it can still happen."""
        world = self.world
        self.dead = True
        world.restless -= 1 + bool(self.disk)
        world.control_plane.gave_up(self)

    def _come_up(self, due: Due) -> None:
        world = self.world
        now = world.clock.now
        self.booting = False
        world.restless -= 1
        self._run_closure(due.value, now)
        self.heartbeat_start = self.tick_start = now
        if world.journal is not None:
            world.journal.host_event(now, self, "boot", {"closure": self.closure})
        world.recurrence.agent_started(self)
        self.see_online()
        world.control_plane.closure_changed(self)

    # -- heartbeats

    def send_heartbeat(self) -> None:
        """One heartbeat, if online, with the closure that the host runs now."""
        if self.online:
            clock = self.world.clock
            clock.post(clock.now, self.delay, INBOX, self.number, self._heartbeat_arrives, self.closure, A_HEARTBEAT)

    def _heartbeat_arrives(self, closure: str, now: float) -> None:
        self.world.control_plane.heartbeat(self, closure, now)

    def first_reset(self, earliest: float) -> float:
        """When the reply to the first heartbeat of this life that is sent at or after `earliest` (s) is here."""
        start, period = self.heartbeat_start, self.world.settings.heartbeat
        return start + first_at_or_after(start, period, earliest) * period + 2.0 * self.delay

    def receive_reply(self, reply: list[tuple[Rollout, HostRecord]], now: float) -> None:
        """Take, now (s), the records of a heartbeat's reply, then reset the probes of those that soak on both sides."""
        if not self.online:
            return
        world = self.world
        moved: set[int] = set()
        for rollout, theirs in reply:
            ours = rollout.agents.get(self.number)
            if ours is None or ORDER[ours.state] < ORDER[theirs.state]:
                rollout.agents[self.number] = theirs
                moved.add(rollout.number)
                if world.journal is not None:
                    world.journal.adopted(now, rollout, self, ours, theirs)
                if theirs.state == "Soaking":
                    world.restless += 1
        always = world.rules.probe_restart == "heartbeat"
        for rollout, theirs in reply:
            anew = always or rollout.number in moved
            if anew and theirs.state == "Soaking" and rollout.agents[self.number].state == "Soaking":
                world.recurrence.reset(self, rollout, now)
        world.recurrence.reply_taken(self)

    # -- probes

    def runs(self, rollout: Rollout) -> list[ProbeRuns]:
        """The enabled probes of this host, with their count of runs in this rollout."""
        world = self.world
        of_rollout = world.probe_runs[rollout.number]
        runs = of_rollout.get(self.number)
        if runs is None:
            completed_at = rollout.agents[self.number].activation_completed_at
            runs = of_rollout[self.number] = [
                world.make_runs(self, rollout, probe, completed_at) for probe in self.probes if probe.mode != "disabled"
            ]
        return runs

    def topology(self) -> list[DeclaredProbe]:
        """All probes of this host, as it declares them."""
        return [DeclaredProbe(probe_name=p.name, kind=p.kind, mode=p.mode) for p in self.probes]

    def declare_topology(self, rollout: Rollout) -> None:
        now = self.world.clock.now
        record = rollout.agents[self.number]
        declared = LocalProbeTopologyDeclared(record.last_event_seq + 1, self.topology(), now)
        self.apply(rollout, record, declared, now)

    def observe_first(self, rollout: Rollout, probe: Probe) -> None:
        now = self.world.clock.now
        record = rollout.agents[self.number]
        observed = LocalProbeObservedFirst(record.last_event_seq + 1, probe.name, probe.mode, now)
        self.apply(rollout, record, observed, now)

    def run_probe(self, rollout: Rollout, runs: ProbeRuns, n: int) -> None:
        """Run number `n` of a probe, now, but for its first observation, which `observe_first` reports."""
        now = self.world.clock.now
        probe = runs.probe
        failing = runs.outcome(n, now)
        runs.n = n
        runs.fails += failing
        record = rollout.agents[self.number]
        if failing and not runs.ticker_failing:
            first = LocalProbeFailureFirst(record.last_event_seq + 1, probe.name, probe.mode, now)
            self.apply(rollout, record, first, now)
            record = rollout.agents[self.number]
        runs.failing = runs.ticker_failing = failing
        status: ProbeStatus = "fail" if failing else "pass"
        reason = "probe failed" if failing else None
        result = LocalProbeResult(record.last_event_seq + 1, probe.name, probe.mode, status, now, reason)
        self.apply(rollout, record, result, now)
        if probe.mode == "enforce":
            world = self.world
            failed = failing_probes(rollout.agents[self.number])
            world.failing.note(rollout.number, self.number, bool(failed), now)

    # -- advance tick

    def soaking(self) -> list[Rollout]:
        """The rollouts whose record soaks on this agent, the longest opened first."""
        number = self.number
        return [
            rollout
            for rollout in self.mirrored
            if (record := rollout.agents.get(number)) is not None and record.state == "Soaking"
        ]

    def records(self) -> list[HostRecord]:
        """The agent's records, that of the longest opened rollout first."""
        number = self.number
        return [record for rollout in self.mirrored if (record := rollout.agents.get(number)) is not None]

    def advance_tick(self) -> None:
        """Page 5, "Advance tick"."""
        now = self.world.clock.now
        for rollout in self.soaking():
            self.advance(rollout, now)

    def advance(self, rollout: Rollout, now: float) -> None:
        """What the advance tick of now (s) does to a record that soaks."""
        record = rollout.agents[self.number]
        event = due_at_tick(record, rollout.on_health_failure, self.world.settings.sustained_failure, now)
        if event is not None:
            self.apply(rollout, record, event, now)


def _deliver(dispatch: Dispatch, now: float) -> None:
    # a plan pass sends thousands at one instant: a bound method for each would be as large as what is sent
    dispatch[0].deliver(dispatch, now)


def _at_its_end(outcome: Callable[[Host, Rollout, str, float], None]) -> Callbacks:
    """What to call when the time of a job is over: the same for all hosts, its event's value being the host."""

    def end(due: Due) -> None:
        host: Host = due.value
        assert host.job is not None
        now = host.world.clock.now
        outcome(host, host.job.rollout, host.job.closure, now)
        host.end_job(now)

    return (end,)


_SWITCH = _at_its_end(Host.switch)
_TIMEOUT = _at_its_end(Host.time_out)
_ROLLBACK = _at_its_end(Host.roll_back)


def due_at_tick(
    record: HostRecord, policy: HealthPolicy, sustained: float, now: float
) -> LocalSustainedFailureCrossed | LocalConvergedReached | None:
    """What an advance tick now (s) does to a soaking record, whose failing probes are borne for `sustained` seconds."""
    failing = failing_probes(record) if record.probes else []
    since = record.probe_failure_first_at
    if failing and since is not None and now - since >= sustained:
        return LocalSustainedFailureCrossed(
            record.last_event_seq + 1,
            failed_at=now,
            sustained_duration_secs=now - since,
            failing_probes=failing,
            policy_applied=policy,
        )
    if not failing and can_converge(record) and record.soak_due_at is not None and now >= record.soak_due_at:
        return LocalConvergedReached(record.last_event_seq + 1, now, record.current_closure or "")
    return None


def can_converge(record: HostRecord) -> bool:
    """Whether nothing but the soak time keeps a soaking record without a failing enforce probe from converging."""
    return record.current_closure == record.target_closure


def next_window(start: float, end: float, at: float) -> float:
    """When a host deferred at `at` (s) reboots: at once inside the daily window, else at its next start (s of day)."""
    midnight = floor(at / DAY) * DAY
    of_day = at - midnight
    inside = start <= of_day < end if start < end else of_day >= start or of_day < end
    if inside:
        return at
    return midnight + start if of_day < start else midnight + DAY + start


def pick(components: Mapping[Any, float], u: float) -> str:
    """The component at `u` of the weights laid end to end."""
    left = u * sum(components.values())
    for component, weight in components.items():
        left -= weight
        if left < 0.0:
            return str(component)
    return str(component)
