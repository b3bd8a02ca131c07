"""`fidelity: events`: only the ticks, heartbeats and probe runs that can change a state are events.

What each of them needs is known in advance:

- *Advance tick.* As long as no probe entry changes, a soaking record crosses at the first tick at or after
  `probe_failure_first_at` + `sustained_failure`, or converges at the first at or after `soak_due_at`.
- *Heartbeat.* One matters if the control plane has an unverified record whose target the host runs, or a record further
  on than the agent's. Such hosts are in *session*: their heartbeats are real events until that is over. All other
  heartbeats only restart the tickers, which is part of the tickers' schedule.
- *Report.* One on whose arrival nothing waits is read when the control plane does something (`inbox`). What nobody
  looks at is counted when it is skipped. Should the two sides lose count of each other's events, what is still on its
  way is made real (`under_way`), and from then on every report is.
- *Probe run.* The place of a run in its ticker's schedule and its time follow from each other (`schedule`), so the next
  run with another outcome is the next by place (flakes, as run lengths) or the first at or after a time (onset of a
  defect, begin and end of an outage). Of a soak in which surely none fails only the tick is planned (`calm`).

Whenever the ground of a schedule shifts (the host goes offline or comes back, a session begins, another record's
reset), the runs so far are settled: counted, and the schedule drawn up anew. What is on its way through the network
then is made real, so that it meets the host as it then is.
"""

from __future__ import annotations

from math import inf
from typing import get_args

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from sim.model.calm import Calm, CalmSoaks
from sim.model.clock import AGENT_DONE, HEARTBEAT, INBOX, PLANNING, PROBE, REPLY, TICK, Due, first_at_or_after
from sim.model.host import Host, can_converge
from sim.model.inbox import A_HEARTBEAT
from sim.model.lives import count_ticks, heartbeats
from sim.model.may_step import LIVE, may_step
from sim.model.presence import ran_at, was_online
from sim.model.probes import ProbeRuns, failing_probes, next_change, passes_until
from sim.model.rollouts import Rollout
from sim.model.schedule import Passed, Schedule
from sim.model.under_way import Skipped, make_real
from sim.model.watch import Watch
from sim.model.world import World
from sim.reducer.payloads import Report
from sim.reducer.records import HostRecord
from sim.scenario.units import QUANTUM

REPORT = {kind.__name__: f"reports.{kind.__name__}" for kind in get_args(Report)}


class Relevant:
    """Schedules what recurs only where it makes a difference, and counts the rest."""

    def __init__(self, world: World):
        self.world = world
        self.skipped = 0
        self.calm_runs: dict[int, NDArray[np.int64]] = {}
        """Of calm soaks, once the run is over: for each rollout the probe runs by host number; none failed."""
        self._heartbeat = world.settings.heartbeat
        self._tick = world.settings.advance_tick
        self._counts = not world.recording
        """Whether what only repeats itself is counted and not made; but for hosts that are `exact`."""
        self._resets = world.rules.probe_restart == "heartbeat"
        self._passed = Passed(world.settings.heartbeat)
        self._calm = CalmSoaks(world.fleet, world.settings.heartbeat, self._resets)
        self._moments = {kind: world.tally.moments(counted) for kind, counted in REPORT.items()}
        self._real_heartbeats = 0
        self._parting_heartbeats = 0
        self._real_ticks = 0
        self._ticks_due = (self._real_tick,)
        self._probes_due = (self._probe_runs,)
        self._heartbeats_due = (self._real_heartbeat,)

    def start(self, host: Host) -> None:
        pass

    # -- what the host tells

    def agent_stopped(self, host: Host) -> None:
        clock = self.world.clock
        age = clock.now - host.heartbeat_start
        if clock.round and host.online and age >= 0.0 and age % self._heartbeat == 0.0:
            # without delay a dispatch can bring a host down after it has sent the heartbeat of the same instant
            self.world.tally.moments("heartbeats").append(clock.now)
            self._parting_heartbeats += 1
        watch = self._watch(host)
        if watch is None:
            return
        self._make_real(host, watch)
        watch.rollout = None
        self._cancel(watch)
        if watch.session is not None:
            watch.session.cancel()
            watch.session = None

    def agent_started(self, host: Host) -> None:
        watch = self._watch(host)
        if watch is not None:
            # the clocks begin anew: the first heartbeat is sent at once, whatever was sent at this instant before
            watch.upto = self.world.clock.now - QUANTUM

    def went_offline(self, host: Host) -> None:
        watch = self._watch(host)
        if watch is None:
            return
        self._make_real(host, watch)
        watch.online = False
        if watch.session is not None:
            watch.session.cancel()
            watch.session = None
        self._plan_probes(host, watch)

    def came_online(self, host: Host) -> None:
        watch = self._watch(host)
        if watch is None:
            self.review(host)
            return
        now = self.world.clock.now
        self._settle(host, watch, now)
        watch.online = True
        arrival = now + host.delay
        for skipped in watch.stored or ():
            self._count(watch, replace(skipped, arrival=arrival, apart=0.0))
        watch.stored = None
        self.review(host)
        if watch.session is None:
            self._plan_resets(host, watch, now)
            self._plan_probes(host, watch)

    def reset(self, host: Host, rollout: Rollout, now: float) -> None:
        watch = self._watch(host)
        if watch is None:
            if self._begin_calm(host, rollout, now):
                return
            watch = host.watch = Watch()
            watch.online = host.online
        else:
            self.world.control_plane.await_reports(host)
        if watch.rollout is not None:
            self.review(host)  # while the schedule still tells which resets of the other record are under way
            self._settle(host, watch, now)
        watch.follow(rollout, host.runs(rollout), now, ticking=True)
        alone = watch.online and self._moved_by_reports_alone(host, rollout)
        told = host.exact or not self._counts
        if alone and not told and not rollout.agents[host.number].probes and watch.passes(now):
            self._count_first_runs(watch, now + host.delay)
        else:
            if told:
                host.declare_topology(rollout)
            else:
                self._report_now(host, watch, rollout, "ProbeTopologyDeclared", now, alone)
            for runs in watch.runs:
                self._first_run(host, watch, rollout, runs, now, alone)
                runs.base = runs.n
        if not host.awaited:
            # its report is ahead of every heartbeat from now on: when they are answered, both sides soak
            watch.first_reset = host.first_reset(now) if self._resets else None
        else:
            self.review(host)
            if watch.session is None and rollout.mirrors[host.number].state == "Soaking":
                self._plan_resets(host, watch, now)
        self._plan_tick(host, watch, now)
        self._plan_probes(host, watch)

    def _new_watch(self, host: Host) -> Watch:
        """Watch a host of which something else than a soak by itself is to be expected: its reports are awaited."""
        self.world.control_plane.await_reports(host)
        watch = host.watch = Watch()
        return watch

    # -- calm soaks

    def _watch(self, host: Host) -> Watch | None:
        """The host's watch, if it has one, whatever was known of its soak."""
        watch: Watch | Calm | None = host.watch
        return self._disturb(host, watch) if isinstance(watch, Calm) else watch

    def _begin_calm(self, host: Host, rollout: Rollout, now: float) -> bool:
        """Begin a soak as a calm one, now (s), if it is."""
        record = rollout.agents[host.number]
        if record.probes:
            return False
        if host.awaited and not (
            self._counts
            and host.online
            and host.delay
            and not (host.exact or host.slow)
            and len(host.records()) == 1
            and self._moved_by_reports_alone(host, rollout)
            and rollout.mirrors[host.number].state != "Soaking"
        ):
            return False
        tick_at = self._tick_from(host, self._matters_at(record), now)
        if not self.world.surely_passes(host, rollout, now, min(tick_at, self.world.scenario.until)):
            return False
        soak = host.watch = Calm(self._ticks_due, host, rollout, now, tick_at)
        if tick_at < inf:
            self.world.clock.schedule(soak, tick_at, TICK, host.number)
        return True

    def _disturb(self, host: Host, soak: Calm) -> Watch:
        """Something happens to a host in a calm soak: watch it as if the soak had never been calm."""
        rollout, since = soak.rollout, soak.since
        watch = self._new_watch(host)
        watch.follow(rollout, host.runs(rollout), since, ticking=True)
        if soak.tick_at < inf:
            watch.tick_due = soak
        watch.tick_at = watch.tick_due_at = soak.tick_at
        self._count_first_runs(watch, since + host.delay)
        if self._resets and rollout.mirrors[host.number].state == "Soaking":
            watch.first_reset = host.first_reset(since)
        return watch

    # -- first runs

    def _count_first_runs(self, watch: Watch, arrival: float) -> None:
        """`_first_run` of all probes where none fails and none has an entry: all of it is only counted."""
        moments = self._moments
        moments["ProbeTopologyDeclared"].append(arrival)
        for runs in watch.runs:
            moments["ProbeObservedFirst"].append(arrival)
            moments["ProbeResult"].append(arrival)
            runs.n += 1
            runs.base = runs.n
            runs.failing = runs.ticker_failing = False
        self.skipped += len(watch.runs)

    def _first_run(self, host: Host, watch: Watch, rollout: Rollout, runs: ProbeRuns, now: float, alone: bool) -> None:
        """The run at a reset: stepped if it changes the entry or may start the failure clock, else counted."""
        runs.ticker_failing = False
        record = rollout.agents[host.number]
        entry = record.probes.get(runs.probe.name)
        failing = runs.outcome(runs.n + 1, now)
        if host.exact or not self._counts:
            host.observe_first(rollout, runs.probe)
        else:
            self._report_now(host, watch, rollout, "ProbeObservedFirst", now, alone, runs)
            # no entry is as good as one that passes
            same = (entry is not None and entry.status == "fail") == failing
            if same and not (failing and record.probe_failure_first_at is None):
                runs.n += 1
                runs.fails += failing
                runs.failing = runs.ticker_failing = failing
                self.skipped += 1
                if record.probes and runs.probe.mode == "enforce":  # a record that a reply brought may fail already
                    self.world.failing.note(rollout.number, host.number, bool(failing_probes(record)), now)
                self._report_now(host, watch, rollout, "ProbeResult", now, alone, runs)
                if failing:
                    self._report_now(host, watch, rollout, "ProbeFailureFirst", now, alone, runs)
                return
        host.run_probe(rollout, runs, runs.n + 1)

    def left_soaking(self, host: Host, rollout: Rollout, now: float) -> None:
        soak = host.watch
        if isinstance(soak, Calm) and len(host.mirrored) == 1:
            self._calm.append(host, soak, now if self.world.clock.stage else now - QUANTUM)
            host.watch = None
            return
        watch = self._watch(host)
        assert watch is not None, "a record soaks whose probes were never reset"
        if watch.rollout is rollout:
            self._settle(host, watch, now)
            watch.rollout = None
            if watch.probe_due is not None:
                watch.probe_due.cancel()
                watch.probe_due = None

    def mirror_soaks(self, host: Host, rollout: Rollout, now: float) -> None:
        watch: Watch | Calm | None = host.watch
        if watch is None or isinstance(watch, Calm) or host.number in rollout.premature:
            return
        if watch.rollout is rollout and watch.session is None and watch.first_reset is None:
            self._plan_resets(host, watch, now)
            self._plan_probes(host, watch)

    def reply_taken(self, host: Host) -> None:
        watch = self._watch(host)
        if watch is not None:
            self._plan_tick(host, watch, self.world.clock.now)
            self._plan_probes(host, watch)

    def became_exact(self, host: Host) -> None:
        watch = self._watch(host)
        if watch is not None:
            self._settle(host, watch, self.world.clock.now)
            for kind, arrival in make_real(host, watch.sent or [], watch.stored or []):
                self.world.tally.weigh(REPORT[kind], arrival, -1)  # counted when it was skipped; now it arrives
            watch.sent = watch.stored = None
            self.review(host)
            self._plan_probes(host, watch)

    # -- heartbeats

    def review(self, host: Host) -> None:
        """Begin a session if the host needs one and has none."""
        if not self._needs_session(host):
            return
        watch = self._watch(host)
        if watch is not None and watch.session is not None:
            return
        if watch is None:
            watch = self._new_watch(host)
            watch.online = host.online
        self._make_real(host, watch)  # also of a host that has gone offline since
        if host.online:
            self._next_heartbeat(host, watch)
        self._plan_probes(host, watch)

    def _needs_session(self, host: Host) -> bool:
        if len(host.mirrored) == 1:
            (rollout,) = host.mirrored
            if self._counts and not (host.exact or host.slow) and host.delay:
                # the common case of what follows: the agent is ahead, and its own reports take the control plane along
                record = rollout.agents.get(host.number)
                if record is not None and record.state == "Soaking":
                    return False
            self.world.control_plane.await_reports(host)  # what has arrived by now may not have been read
            mirror = rollout.mirrors[host.number]
            if mirror.state == "Converged" or mirror.state == "Reverted":
                return False
        if may_step(host):
            return True
        soaking = len(host.soaking())
        if soaking > 1 or (soaking and (not self._counts or host.exact or host.delay == 0.0)):
            return True
        return host.slow and any(rollout.mirrors[host.number].state in LIVE for rollout in host.mirrored)

    def _next_heartbeat(self, host: Host, watch: Watch) -> None:
        start = host.heartbeat_start
        at = start + first_at_or_after(start, self._heartbeat, watch.upto + QUANTUM) * self._heartbeat
        watch.session = self.world.clock.due(at, HEARTBEAT, host.number, self._heartbeats_due, host)

    def _real_heartbeat(self, due: Due) -> None:
        host: Host = due.value
        watch: Watch = host.watch
        clock = self.world.clock
        clock.reached(AGENT_DONE)
        now = clock.now
        watch.session = None
        if self._needs_session(host):
            self._real_heartbeats += 1
            host.send_heartbeat()
            watch.upto = now
            self._next_heartbeat(host, watch)
        else:
            watch.upto = now - QUANTUM
            self._settle(host, watch, now)
            self._plan_resets(host, watch, now)
            self._plan_probes(host, watch)

    def _make_real(self, host: Host, watch: Watch) -> None:
        """Schedule the heartbeats and replies that are under way, and settle the schedule that told them."""
        self.world.control_plane.await_reports(host)
        clock = self.world.clock
        now, stage, delay = clock.now, clock.stage, host.delay
        self._settle(host, watch, now)
        begun_now = bool(host.past_lives) and host.heartbeat_start == now
        sent_before = now if stage and not begun_now else now - QUANTUM
        oldest = max(now - 2.0 * delay, watch.upto + QUANTUM)
        for life in host.lives():
            if life.end < oldest or life.heartbeat_start > sent_before:
                continue
            k = first_at_or_after(life.heartbeat_start, self._heartbeat, oldest)
            while (sent := life.heartbeat_start + k * self._heartbeat) <= sent_before and sent < life.end:
                k += 1
                if not was_online(host.presence, sent):
                    continue
                arrival, back = sent + delay, sent + 2.0 * delay
                if arrival > now or (arrival == now and stage < PLANNING):
                    self._real_heartbeats += 1
                    heartbeat = (host, ran_at(host.past_closures, host.closure, sent))
                    clock.post(now, arrival - now, INBOX, host.number, self._arrives, heartbeat, A_HEARTBEAT)
                elif watch.rollout is not None and watch.first_reset is not None and watch.first_reset <= back:
                    reply = host, [(watch.rollout, watch.rollout.mirrors[host.number])]
                    # due now, it belongs to this round and not, as what is sent now without delay, to the next
                    clock.due(back, REPLY, host.number, (self._replies,), reply)
        watch.upto = max(watch.upto, sent_before)
        watch.first_reset = None

    def _arrives(self, heartbeat: tuple[Host, str], now: float) -> None:
        self.world.control_plane.heartbeat(*heartbeat, now)

    def _replies(self, due: Due) -> None:
        host, reply = due.value
        host.receive_reply(reply, self.world.clock.now)

    # -- the schedule of probe runs

    def _plan_resets(self, host: Host, watch: Watch, now: float) -> None:
        """Find the first reset by a heartbeat that is no event of its own."""
        self.world.control_plane.await_reports(host)
        if watch.rollout is None:
            soaking = host.soaking()
            if len(soaking) != 1:
                return
            watch.follow(soaking[0], host.runs(soaking[0]), now, ticking=False)
            for runs in watch.runs:
                runs.base = runs.n
        watch.first_reset = None
        rollout = watch.rollout
        assert rollout is not None
        mirror = rollout.mirrors[host.number]
        if not self._resets or not watch.online or host.delay == 0.0 or mirror.state != "Soaking":
            return
        # replies before now have had their effect; the control plane's record soaks since an arrival not after now
        since = host.presence[-1][0]
        soaks_since = rollout.soaks_since.get(host.number)
        sent = mirror.activation_completed_at if soaks_since is None else soaks_since - host.delay
        assert sent is not None
        earliest = max(watch.upto + QUANTUM, since, sent, now - 2.0 * host.delay + QUANTUM)
        watch.first_reset = host.first_reset(earliest)

    def _plan_probes(self, host: Host, watch: Watch) -> None:
        """Schedule the next run that makes a difference."""
        if watch.probe_due is not None:
            watch.probe_due.cancel()
            watch.probe_due = None
        if watch.rollout is None:
            return
        each = host.exact or not self._counts
        if watch.steady and not each:
            return
        soonest = None
        until = min(self.world.scenario.until, watch.tick_at)
        for runs in watch.runs:
            if not each and passes_until(runs, watch.base, until, self._heartbeat):
                runs.next = None
                continue
            schedule = self._schedule(watch, runs)
            runs.next = schedule.next(runs.n - runs.base, until) if each else next_change(schedule, runs, until)
            if runs.next is not None and (soonest is None or runs.next[1] < soonest):
                soonest = runs.next[1]
        if soonest is not None:
            watch.probe_due = self.world.clock.due(soonest, PROBE, host.number, self._probes_due, host)

    def _probe_runs(self, due: Due) -> None:
        host: Host = due.value
        watch: Watch = host.watch
        watch.probe_due = None
        rollout = watch.rollout
        assert rollout is not None
        now = self.world.clock.now
        for runs in watch.runs:
            if runs.next is not None and runs.next[1] == now:
                place = runs.next[0]
                schedule = self._schedule(watch, runs)
                self._pass_over(host, watch, runs, schedule, place - 1)
                if schedule.is_reset(place):
                    runs.ticker_failing = False
                    alone = watch.online and self._moved_by_reports_alone(host, rollout)
                    self._report_now(host, watch, rollout, "ProbeObservedFirst", now, alone, runs)
                host.run_probe(rollout, runs, runs.base + place)
        self._plan_tick(host, watch, now)
        self._plan_probes(host, watch)

    def _settle(self, host: Host, watch: Watch, now: float) -> None:
        """Count the runs and resets that the schedule told up to now, and move its base to the last reset among them.

        A run that falls on this instant has happened unless hosts are still at their own activities.
        """
        rollout = watch.rollout
        if rollout is None:
            return
        self._settle_upto(host, watch, rollout, now if self.world.clock.stage else now - QUANTUM)

    def _settle_upto(self, host: Host, watch: Watch, rollout: Rollout, upto: float) -> None:
        first, period = watch.first_reset, self._heartbeat
        if (first is None or upto < first) and not (watch.ticking and upto >= watch.base + watch.shortest):
            return
        resets = int((upto - first) // period) + 1 if first is not None and first <= upto else 0
        base = watch.base
        if resets:
            assert first is not None
            base = first + (resets - 1) * period
            self._report(host, watch, rollout, "ProbeTopologyDeclared", first, period, resets)
        for runs in watch.runs:
            schedule = self._schedule(watch, runs)
            self._pass_over(host, watch, runs, schedule, schedule.last(upto))
            since = int((upto - base) // runs.interval) if watch.ticking or resets else 0
            runs.base = runs.n - max(since, 0)
        if resets:
            assert first is not None
            watch.base, watch.ticking, watch.first_reset = base, True, first + resets * period

    def _pass_over(self, host: Host, watch: Watch, runs: ProbeRuns, schedule: Schedule, place: int) -> None:
        """Count the runs up to `place` of the schedule, which all end like the last one."""
        done = runs.n - runs.base
        if place <= done:
            return
        rollout = watch.rollout
        assert rollout is not None
        count = place - done
        self.skipped += count
        runs.n += count
        if runs.failing:
            runs.fails += count
            runs.ticker_failing = True
        failing = bool(runs.failing)
        if watch.online and self._moved_by_reports_alone(host, rollout):
            self._passed.append(schedule, done + 1, place, failing, host.delay)
            return
        passed = Passed(self._heartbeat)
        passed.append(schedule, done + 1, place, failing, 0.0)
        for kind, firsts, steps, counts in passed.combs():
            for first, step, teeth in zip(firsts.tolist(), steps.tolist(), counts.tolist(), strict=True):
                if teeth > 0:
                    self._report(host, watch, rollout, kind, first, step, teeth, runs)

    def _schedule(self, watch: Watch, runs: ProbeRuns) -> Schedule:
        return Schedule(watch.base, watch.ticking, watch.first_reset, runs.interval, self._heartbeat)

    # -- ticks

    def _plan_tick(self, host: Host, watch: Watch, now: float) -> None:
        """Schedule the next advance tick at which a record will cross or converge, if nothing changes before."""
        at = watch.tick_at = self._next_tick(host, now)
        if watch.tick_due is not None:
            if watch.tick_due_at <= at:  # a tick too early does nothing, and then the next is planned
                return
            watch.tick_due.cancel()
            watch.tick_due = None
        if at < inf:
            watch.tick_due = self.world.clock.due(at, TICK, host.number, self._ticks_due, host)
            watch.tick_due_at = at

    def _next_tick(self, host: Host, now: float) -> float:
        """The next advance tick from now (s) at which a record will cross or converge as things stand; infinite if
        there is none."""
        matters = [self._matters_at(record) for record in host.records() if record.state == "Soaking"]
        return self._tick_from(host, min(matters, default=inf), now)

    def _tick_from(self, host: Host, at: float, now: float) -> float:
        """The next advance tick from now (s) at or after `at`."""
        if at == inf:
            return inf
        earliest = now + QUANTUM if self.world.clock.stage else now
        start = host.tick_start
        k = first_at_or_after(start, self._tick, at if at > earliest else earliest) or 1
        return start + k * self._tick

    def _matters_at(self, record: HostRecord) -> float:
        """From when on (s) a tick makes a soaking record cross or converge; infinite if none does as things stand."""
        for entry in record.probes.values():
            if entry.status == "fail" and entry.mode == "enforce":
                since = record.probe_failure_first_at
                return inf if since is None else since + self.world.settings.sustained_failure
        at = record.soak_due_at
        return at if at is not None and can_converge(record) else inf

    def _real_tick(self, due: Due) -> None:
        host: Host = due.value
        self.world.clock.reached(AGENT_DONE)
        self._real_ticks += 1
        soak: Watch | Calm | None = host.watch
        if isinstance(soak, Calm):
            soak.tick_at = inf
            host.advance(soak.rollout, self.world.clock.now)
        else:
            if soak is not None:
                soak.tick_due = None
                soak.tick_due_at = inf
            host.advance_tick()
        watch = self._watch(host)
        if watch is not None and (watch.rollout is not None or len(host.records()) > 1):
            self._plan_tick(host, watch, self.world.clock.now)
            self._plan_probes(host, watch)

    def _cancel(self, watch: Watch) -> None:
        for due in (watch.probe_due, watch.tick_due):
            if due is not None:
                due.cancel()
        watch.probe_due = watch.tick_due = None
        watch.tick_at = watch.tick_due_at = inf

    # -- counting

    def _report(
        self,
        host: Host,
        watch: Watch,
        rollout: Rollout,
        kind: str,
        first: float,
        step: float,
        count: int,
        runs: ProbeRuns | None = None,
    ) -> None:
        """Count reports made at first, first + step, …: on their way at once, or when the host is back online."""
        arrival = first + host.delay
        if watch.online and self._moved_by_reports_alone(host, rollout):
            self._add(REPORT[kind], arrival, step, count)
            return
        failing = runs is not None and bool(runs.failing)
        skipped = Skipped(rollout, kind, runs, failing, first, step, count, arrival, step)
        if watch.online:
            self._count(watch, skipped)
        else:
            watch.stored = watch.stored or []
            watch.stored.append(skipped)

    def _report_now(
        self,
        host: Host,
        watch: Watch,
        rollout: Rollout,
        kind: str,
        now: float,
        alone: bool,
        runs: ProbeRuns | None = None,
    ) -> None:
        """Count one report made now (s). `alone`: it goes at once, and `_moved_by_reports_alone`."""
        if alone:
            self._moments[kind].append(now + host.delay)
        else:
            self._report(host, watch, rollout, kind, now, 0.0, 1, runs)

    def _moved_by_reports_alone(self, host: Host, rollout: Rollout) -> bool:
        """Whether nothing but the host's own reports moves its mirror, so that none of them will be refused: no
        heartbeat of before can have said that it runs the target."""
        if len(host.mirrored) > 1:
            return False
        at_first, past = host.closure, host.past_closures
        while past is not None:
            _, at_first, past = past
        return at_first != rollout.target_of[host.number]

    def _count(self, watch: Watch, skipped: Skipped) -> None:
        """Count reports that are sent, and remember those that have not arrived."""
        self._add(REPORT[skipped.kind], skipped.arrival, skipped.apart, skipped.count)
        now = self.world.clock.now
        if skipped.last_arrival >= now:
            sent = watch.sent = watch.sent or []
            while sent and sent[0].last_arrival < now:
                del sent[0]
            sent.append(skipped)

    def _add(self, counted: str, arrival: float, step: float, count: int) -> None:
        tally = self.world.tally
        if count == 1:
            tally.moments(counted).append(arrival)
        elif step == 0.0:
            tally.weigh(counted, arrival, count)
        else:
            tally.comb(counted, arrival, step, count)

    def finish(self, at: float) -> None:
        """Count what was skipped up to `at` (s): the runs of what still soaks, all heartbeats, the idle ticks."""
        for host in self.world.hosts:
            watch: Watch | Calm | None = host.watch
            if watch is None:
                continue
            if isinstance(watch, Calm):
                self._calm.append(host, watch, at)
            elif watch.rollout is not None:
                self._settle_upto(host, watch, watch.rollout, at)
        self.calm_runs = self._calm.count(self.world.tally, self._passed)
        self.skipped += sum(int(runs.sum()) for runs in self.calm_runs.values())
        for kind, first, step, count in self._passed.combs():
            self.world.tally.combs(REPORT[kind], first, step, count)
        hosts = self.world.hosts
        ticks = count_ticks(hosts, at, self._tick)
        arrival, count = heartbeats(hosts, at, self._heartbeat)
        self.world.tally.combs("heartbeats", arrival, np.full(len(arrival), self._heartbeat), count)
        sent = int(count.sum()) + self._parting_heartbeats
        self.skipped += max(0, sent - self._real_heartbeats) + max(0, ticks - self._real_ticks)
