"""A second reading of the rollout pages: a small, slow, obvious simulator to compare the real one with.

Everything is an entry of one heap: every advance tick, heartbeat, probe run, poll and plan tick. Nothing is skipped and
nothing is computed ahead but draws. The pure steps of the two reducers and the projection to manifests (all held to the
conformance vectors) are borrowed; the planner, the gates and the runtime of both sides are written here from the pages.

Where the pages leave an order open (a host's own activities at one time), the order is that of `RANKS`.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sim.reducer import effects as fx
from sim.reducer import events as ev
from sim.reducer import host as host_reducer
from sim.reducer import reports as rp
from sim.reducer import rollout as rollout_reducer
from sim.reducer.errors import StepError
from sim.reducer.manifest import Manifest, project_manifest
from sim.reducer.records import STATES, HostRecord, RolloutRecord
from sim.reducer.selectors import matches, summary
from sim.scenario.draws import host_key, stream, uniform
from sim.scenario.units import quantize

# What a host does at one time, in this order: page 4 fixes only the last two, and page 5 that a reset replaces a run.
# The rest is open, and as in the model.
RANKS = {
    name: n for n, name in enumerate(["online", "dispatch", "job", "power", "reply", "probe", "tick", "heartbeat"])
}
OPEN_STATES = ("Pending", "Activating", "Deferred", "Soaking")


@dataclass
class Outcome:
    """What a run left: `transitions` are (rollout_id, host, from, to, at, cp_at) in order of at, rollout, host."""

    transitions: list[tuple[str, str, str, str, float, float | None]]
    last_change: float
    rollouts: dict[str, RolloutRecord]
    load: Counter[str]
    rejected: Counter[str]
    promotions: list[tuple[float, str, int]]
    gate_reasons: Counter[tuple[str, str, str]]
    blocked_s: Counter[tuple[str, str, str]]


@dataclass
class Ticker:
    rollout_id: str
    probe: Any
    first: bool = True
    last_failed: bool = False


@dataclass
class Release:
    ref: str
    at: float
    channel: str
    closures: dict[str, str]
    unchanged: set[str]
    defect: Any


@dataclass
class Host:
    name: str
    channel: str
    tags: list[str]
    settings: dict[str, Any]
    delay: float
    closure: str
    probes: list[Any]
    online: bool = True
    down: bool = False
    start: int = 0  # counts the agent's starts: entries of an earlier life are void
    records: dict[str, HostRecord] = field(default_factory=dict)
    jobs: list[tuple[str, str, str]] = field(default_factory=list)  # the first one runs
    tickers: list[Ticker] = field(default_factory=list)
    outbox: list[Any] = field(default_factory=list)
    runs: Counter[tuple[str, str]] = field(default_factory=Counter)
    reboot_at: float | None = None
    reboot_to: tuple[str, str] | None = None  # closure, release ref
    reboot_number: int = 0

    @property
    def reachable(self) -> bool:
        return self.online and not self.down


class Alternating:
    """In turn up and down, each stay drawn; `flips[k]` is the end of stay k, grown as it is asked for."""

    def __init__(self, dist: Any, draw: Callable[[int], float], zero: bool) -> None:
        self.dist, self.draw = dist, draw
        up, down = dist.up.mean(), dist.down.mean()
        self.up_first = zero or draw(0) < up / (up + down)
        first = self._stay(0)
        self.flips = [quantize(first) if zero else quantize(first * draw(1))]

    def _stay(self, k: int) -> float:
        is_up = self.up_first == (k % 2 == 0)
        return float((self.dist.up if is_up else self.dist.down).quantile(self.draw(2 + k)))

    def flip(self, k: int) -> float:
        while len(self.flips) <= k:
            self.flips.append(self.flips[-1] + quantize(self._stay(len(self.flips))))
        return float(self.flips[k])

    def up_at(self, t: float) -> bool:
        """Down until just before the end of a down stay; the new stay holds at the flip itself."""
        k = 0
        while self.flip(k) <= t:
            k += 1
        return self.up_first == (k % 2 == 0)


class Reference:
    def __init__(self, scenario: Any, seed: int, replication: int = 0) -> None:
        self.scenario, self.seed, self.replication = scenario, seed, replication
        self.cp, self.rules = scenario.control_plane, scenario.rules
        self.fleet = scenario.artifact(seed)
        self.now = 0.0
        self.heap: list[tuple[float, int, int, tuple[Any, ...], int, Callable[[], None]]] = []
        self.turn, self.phase, self.running = 0, 0, False
        self.count = itertools.count()
        self.zero = self.cp.phases == "zero"
        # the control plane
        self.manifests: dict[str, Manifest] = {}
        self.manifest_of: dict[str, Manifest] = {}
        self.rollouts: dict[str, RolloutRecord] = {}
        self.mirror: dict[str, dict[str, HostRecord]] = {}
        self.failing: dict[tuple[str, str], set[str]] = {}
        self.quarantined: set[tuple[str, str]] = set()
        self.slots: dict[str, dict[str, tuple[str, float | None]]] = {}
        self.passes = 0
        # what is kept of the run
        self.agent_moves: list[tuple[str, str, str, str, float]] = []
        self.mirror_moves: list[tuple[str, str, str, str, float]] = []
        self.load: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.promotions: list[tuple[float, str, int]] = []
        self.gate_reasons: Counter[tuple[str, str, str]] = Counter()
        self.blocked: dict[tuple[str, str], tuple[float, str]] = {}
        self.blocked_s: Counter[tuple[str, str, str]] = Counter()
        self.last_change = 0.0
        self._make_releases()
        self._make_hosts()

    # -- draws

    def draw(self, purpose: str, host: str, ref: str = "", probe: str = "", n: int = 0) -> float:
        return float(uniform(stream(self.seed, self.replication, purpose, ref, probe), host_key(host), n))

    def duration(self, dist: Any, purpose: str, host: str, ref: str = "", probe: str = "") -> float:
        return float(quantize(dist.quantile(self.draw(purpose, host, ref, probe))))

    def flake_fails(self, host: str, ref: str, probe: Any, run: int) -> bool:
        if probe.flake <= 0:
            return False
        failing, m = 0, 0
        while failing < run:
            u = self.draw("flake", host, ref, probe.name, m)
            failing += 1 if probe.flake >= 1 else 1 + math.floor(math.log1p(-u) / math.log1p(-probe.flake))
            m += 1
        return failing == run

    # -- the world

    def _make_releases(self) -> None:
        self.releases: dict[str, list[Release]] = {}
        self.initial: dict[str, str] = {name: f"before-all/{name}" for name in self.fleet.hosts}
        for channel in self.fleet.channels:
            named = [r for r in self.scenario.releases if r.channels is None or channel in r.channels]
            before: dict[str, str] = {}
            for number, release in enumerate(sorted(named, key=lambda r: r.at)):  # stable: file order at equal times
                closures: dict[str, str] = {}
                unchanged: set[str] = set()
                for name, host in self.fleet.hosts.items():
                    if host.channel != channel:
                        continue
                    closure = {"shared": release.ref, "per-host": f"{release.ref}/{name}"}.get(
                        release.closures, host.closure_hash
                    )
                    if closure is None:
                        continue
                    if self.draw("unchanged", name, release.ref) < release.unchanged:
                        if number == 0:
                            self.initial[name] = closure
                            before[name] = closure
                        closure = before.get(name, closure)
                    if closure == before.get(name):
                        unchanged.add(name)
                    closures[name] = closure
                before = {**before, **closures}
                entry = Release(release.ref, release.at, channel, closures, unchanged, release.defect)
                self.releases.setdefault(channel, []).append(entry)
        self.release_of = {f"{r.channel}@{r.ref}": r for rs in self.releases.values() for r in rs}

    def matches(self, selector: Any, name: str) -> bool:
        host = self.fleet.hosts[name]
        return selector is None or matches(selector.to_selector(), name=name, channel=host.channel, tags=host.tags)

    def settings(self, name: str) -> dict[str, Any]:
        default = self.scenario.hosts.default
        keys = list(type(default).model_fields)
        values = {key: getattr(default, key) for key in keys}
        for override in self.scenario.hosts.overrides:
            if self.matches(override.match, name):
                given = override.model_fields_set
                values.update(
                    {k: getattr(override, k) for k in keys if k in given and getattr(override, k) is not None}
                )
                if "activation_timeout" in given:
                    values["activation_timeout"] = override.activation_timeout
                break
        return values

    def _make_hosts(self) -> None:
        self.hosts: dict[str, Host] = {}
        for name, declared in sorted(self.fleet.hosts.items()):
            settings = self.settings(name)
            host = Host(
                name=name,
                channel=declared.channel,
                tags=list(declared.tags),
                settings=settings,
                delay=self.duration(settings["network_delay"], "network_delay", name),
                closure=self.initial[name],
                probes=[p for p in self.scenario.probes if self.matches(p.match, name)],
            )
            self.hosts[name] = host
            self.slots[name] = {}
            if settings["online"] != "always":
                stays = Alternating(settings["online"], lambda n, h=name: self.draw("online", h, n=n), self.zero)
                host.online = stays.up_first
                self.at(stays.flip(0), host, "online", lambda h=host, s=stays: self.flip(h, s, 0))
            advance, heartbeat = self.cp.advance_tick, self.cp.heartbeat
            offset_a = 0.0 if self.zero else float(quantize(self.draw("phase_advance", name) * advance))
            offset_h = 0.0 if self.zero else float(quantize(self.draw("phase_heartbeat", name) * heartbeat))
            self.start_clocks(host, offset_a, offset_h)
        self.outages: dict[tuple[str, str], Alternating] = {}
        for host in self.hosts.values():
            for probe in host.probes:
                if probe.outage is not None:
                    self.outages[host.name, probe.name] = Alternating(
                        probe.outage,
                        lambda n, h=host.name, p=probe.name: self.draw("outage", h, probe=p, n=n),
                        self.zero,
                    )

    # -- the heap: phase 0 hosts, 1 arrivals at the control plane, 2 manifest poll, 3 plan tick

    def push(self, t: float, phase: int, key: tuple[Any, ...], action: Callable[[], None]) -> None:
        """What a phase brings to an earlier one at this very time waits for the next round of the four phases.

        So a delivery without delay, and what it brings to the control plane, comes after the plan tick of that time.
        """
        turn = 0
        if t == self.now and self.running:
            turn = self.turn if phase >= self.phase else self.turn + 1
        heapq.heappush(self.heap, (t, turn, phase, key, next(self.count), action))

    def at(self, t: float, host: Host, what: str, action: Callable[[], None], place: int = 0) -> None:
        self.push(t, 0, (host.name, RANKS[what], place), action)

    def run(self) -> Outcome:
        until, self.running = self.scenario.until, True
        self.push(0.0, 2, (), self.poll)
        self.push(0.0, 3, (), self.tick)
        while self.heap and self.heap[0][0] <= until:
            self.now, self.turn, self.phase, _, _, action = heapq.heappop(self.heap)
            action()
        return Outcome(
            self.transitions(),
            self.last_change,
            self.rollouts,
            self.load,
            self.rejected,
            self.promotions,
            self.gate_reasons,
            self.blocked_s,
        )

    # -- a host: clocks and availability

    def start_clocks(self, host: Host, advance_offset: float, heartbeat_offset: float) -> None:
        host.start += 1
        life, begin = host.start, self.now

        def advance(k: int) -> None:
            if host.start == life and not host.down:
                self.advance_tick(host)
                schedule_advance(k + 1)

        def beat(k: int) -> None:
            if host.start == life and not host.down:
                if host.reachable:
                    closure = host.closure
                    key = (host.name, 1)
                    self.push(self.now + host.delay, 1, key, lambda: self.heartbeat_arrives(host, closure))
                schedule_beat(k + 1)

        def schedule_advance(k: int) -> None:
            self.at(begin + advance_offset + k * self.cp.advance_tick, host, "tick", lambda: advance(k))

        def schedule_beat(k: int) -> None:
            self.at(begin + heartbeat_offset + k * self.cp.heartbeat, host, "heartbeat", lambda: beat(k))

        schedule_advance(1)
        schedule_beat(0)

    def flip(self, host: Host, stays: Alternating, k: int) -> None:
        host.online = not host.online
        self.at(stays.flip(k + 1), host, "online", lambda: self.flip(host, stays, k + 1))
        if host.reachable:
            self.back_online(host)

    def back_online(self, host: Host) -> None:
        waiting, host.outbox = host.outbox, []
        for report in waiting:
            self.send(host, report)
        for rollout_id in list(self.slots[host.name]):
            self.take(host, rollout_id)

    def send(self, host: Host, report: Any) -> None:
        if host.reachable:
            self.push(self.now + host.delay, 1, (host.name, 0), lambda: self.report_arrives(host, report))
        else:
            host.outbox.append(report)

    # -- a host: steps and their effects

    def policy(self, channel: str) -> str:
        return str(self.fleet.rollout_policies[self.fleet.channels[channel].rollout_policy].on_health_failure)

    def feed(self, host: Host, rollout_id: str, make: Callable[[int], Any]) -> bool:
        """Feed a local event; False if it is illegal (it is dropped then)."""
        record = host.records.get(rollout_id)
        if record is None:
            return False
        event = make(record.last_event_seq + 1)
        try:
            after, effects = host_reducer.step(record, event, self.policy(host.channel))
        except StepError:
            return False
        host.records[rollout_id] = self.switched(record, after, event)
        if after.state != "Soaking":
            host.tickers = [t for t in host.tickers if t.rollout_id != rollout_id]
        for effect in effects:
            if isinstance(effect, fx.RecordTransition):
                self.agent_moves.append((rollout_id, host.name, record.state, after.state, self.now))
                self.changed()
            elif isinstance(effect, fx.LocalEmitEvent):
                self.send(host, (rollout_id, effect.payload))
        for effect in effects:
            if isinstance(effect, fx.LocalFireSwitch):
                self.ask_job(host, ("switch", rollout_id, effect.target))
            elif isinstance(effect, fx.LocalFireRollbackTo):
                self.ask_job(host, ("rollback", rollout_id, effect.closure))
            elif isinstance(effect, fx.LocalResetProbeCache):
                self.reset_probes(host, rollout_id)
        return True

    def switched(self, before: HostRecord, after: HostRecord, event: Any) -> HostRecord:
        """The rules that touch a record, on both sides alike: `soak_from: activation` and `failure_clock:
        sustained`."""
        completed = isinstance(event, (ev.LocalActivationCompleted, ev.RemoteActivationCompleted))
        if completed and self.rules.soak_from == "activation":
            due = event.completed_at + self.soak(after.rollout_id, after.hostname)
            after = msgspec.structs.replace(after, soak_due_at=due)
        if self.rules.failure_clock == "sustained":
            clock = before.probe_failure_first_at
            if completed:
                clock = None
            elif isinstance(event, (ev.LocalProbeResult, ev.RemoteProbeResult)):
                enforced = [p for p in after.probes.values() if p.mode == "enforce"]
                if event.status == "fail" and event.mode == "enforce" and clock is None:
                    clock = event.observed_at
                if all(p.status == "pass" for p in enforced):
                    clock = None
            after = msgspec.structs.replace(after, probe_failure_first_at=clock)
        return after

    def by_age(self, rollout_ids: Any) -> list[str]:
        order = {rollout_id: n for n, rollout_id in enumerate(self.rollouts)}
        return sorted(rollout_ids, key=order.__getitem__)

    def ref(self, rollout_id: str) -> str:
        return self.release_of[rollout_id].ref

    # -- a host: dispatches, jobs, reboots

    def deliver(self, host: Host, rollout_id: str, target: str, soak_due_at: float | None) -> None:
        if not host.reachable:
            self.load["dispatches_lost"] += 1
            return
        if self.too_old(rollout_id):
            self.load["dispatches_refused"] += 1
            return
        record = host.records.get(rollout_id)
        if record is None:
            host.records[rollout_id] = HostRecord(
                rollout_id=rollout_id,
                hostname=host.name,
                channel=host.channel,
                state="Pending",
                target_closure=target,
                dispatched_at=self.now,
                soak_due_at=soak_due_at,
                last_event_seq=0,
            )
        elif record.state == "Pending":
            host.records[rollout_id] = msgspec.structs.replace(record, target_closure=target, soak_due_at=soak_due_at)
        now, closure = self.now, host.closure
        self.feed(
            host,
            rollout_id,
            lambda seq: ev.LocalActivate(
                seq,
                target_closure=target,
                soak_due_at=soak_due_at,
                current_closure_at_dispatch=closure,
                received_at=now,
            ),
        )

    def too_old(self, rollout_id: str) -> bool:
        resign, signed = self.cp.resign, self.release_of[rollout_id].at
        if resign == "always":
            return False
        if resign != "never":
            while signed + resign <= self.now:
                signed += resign
        return bool(self.now - signed > self.cp.manifest_max_age)

    def ask_job(self, host: Host, job: tuple[str, str, str]) -> None:
        host.jobs.append(job)
        if len(host.jobs) == 1:
            self.start_job(host)

    def start_job(self, host: Host) -> None:
        kind, rollout_id, closure = host.jobs[0]
        ref, settings, now = self.ref(rollout_id), host.settings, self.now
        if kind == "rollback":
            takes = self.duration(settings["rollback"], "rollback", host.name, ref)
            self.at(now + takes, host, "job", lambda: self.end_job(host, "rolled back"))
            return
        self.feed(
            host,
            rollout_id,
            lambda seq: ev.LocalActivationStarted(seq, started_at=now, switch_method="switch-to-configuration"),
        )
        if host.closure == closure:
            self.end_job(host, "completed")
            return
        takes = self.duration(settings["activation"], "activation", host.name, ref)
        timeout = settings["activation_timeout"]
        if timeout is not None and takes > timeout:
            self.at(now + timeout, host, "job", lambda: self.end_job(host, "timed out"))
        else:
            self.at(now + takes, host, "job", lambda: self.end_job(host, "switched"))

    def end_job(self, host: Host, how: str) -> None:
        _, rollout_id, closure = host.jobs[0]
        ref, settings, now = self.ref(rollout_id), host.settings, self.now
        if how == "switched":
            if self.draw("defer", host.name, ref) < settings["defer"].probability:
                how = "deferred"
            elif self.draw("activation_failure", host.name, ref) < settings["activation_failure"]:
                how = "failed"
            else:
                how = "completed"
        # the job is over; who is next is started after what this one brings
        if how == "rolled back":
            if not self.draw("rollback_failure", host.name, ref) < settings["rollback_failure"]:
                host.closure = closure
                self.feed(
                    host,
                    rollout_id,
                    lambda seq: ev.LocalRollbackCompleted(
                        seq, reverted_to_closure=closure, exit_code=0, completed_at=now
                    ),
                )
        elif how == "completed":
            host.closure = closure
            host.reboot_at = host.reboot_to = None
            host.reboot_number += 1
            counted = host.runs
            host.runs = Counter({key: n for key, n in counted.items() if key[0] != rollout_id})
            if not self.feed(
                host,
                rollout_id,
                lambda seq: ev.LocalActivationCompleted(
                    seq, observed_current_closure=closure, exit_code=0, completed_at=now
                ),
            ):
                host.runs = counted  # refused, for a reply has told the agent already: it is the same activation
        elif how == "deferred":
            component = self.component(host, ref)
            self.plan_reboot(host, closure, ref)
            self.feed(
                host,
                rollout_id,
                lambda seq: ev.LocalActivationDeferred(seq, component=component, deferred_at=now),
            )
        else:
            code = -1 if how == "timed out" else 1
            self.feed(
                host,
                rollout_id,
                lambda seq: ev.LocalActivationFailed(seq, exit_code=code, stderr_tail="", failed_at=now),
            )
        host.jobs.pop(0)
        if host.jobs:
            self.start_job(host)
        elif host.reboot_at is not None and host.reboot_at <= now:
            self.go_down(host)

    def component(self, host: Host, ref: str) -> str:
        shares = host.settings["defer"].components
        point = self.draw("component", host.name, ref) * sum(shares.values())
        for name, share in shares.items():
            point -= share
            if point < 0:
                return str(name)
        return str(list(shares)[-1])

    def plan_reboot(self, host: Host, closure: str, ref: str) -> None:
        reboot, planned = host.settings["reboot"], host.reboot_to is not None
        host.reboot_to = (closure, ref)
        if planned or reboot == "never":
            return
        if hasattr(reboot, "quantile"):
            host.reboot_at = self.now + self.duration(reboot, "reboot", host.name, ref)
        else:
            day, moment = divmod(self.now, 86400.0)
            if reboot.start <= reboot.end:
                inside = reboot.start <= moment < reboot.end
            else:
                inside = moment >= reboot.start or moment < reboot.end
            if inside:
                host.reboot_at = self.now
            else:
                host.reboot_at = day * 86400.0 + reboot.start + (0.0 if moment < reboot.start else 86400.0)
        number = host.reboot_number
        self.at(host.reboot_at, host, "power", lambda: self.reboot_due(host, number))

    def reboot_due(self, host: Host, number: int) -> None:
        if host.reboot_number == number and not host.jobs and host.reboot_at is not None:
            self.go_down(host)

    def go_down(self, host: Host) -> None:
        assert host.reboot_to is not None
        closure, ref = host.reboot_to
        host.reboot_at = host.reboot_to = None
        host.reboot_number += 1
        host.down = True
        host.start += 1
        host.records, host.tickers = {}, []
        if self.draw("boot_failure", host.name, ref) < host.settings["boot_failure"]:
            return
        takes = self.duration(host.settings["boot"], "boot", host.name, ref)
        self.at(self.now + takes, host, "power", lambda: self.come_up(host, closure))

    def come_up(self, host: Host, closure: str) -> None:
        host.down, host.closure = False, closure
        self.start_clocks(host, 0.0, 0.0)
        if host.reachable:
            self.back_online(host)

    # -- a host: probes, advance tick, heartbeat replies

    def reset_probes(self, host: Host, rollout_id: str) -> None:
        now = self.now
        host.tickers = []
        declared = [rp_probe(p) for p in host.probes]
        self.feed(host, rollout_id, lambda seq: ev.LocalProbeTopologyDeclared(seq, probes=declared, declared_at=now))
        tickers = [Ticker(rollout_id, p) for p in host.probes if p.mode != "disabled"]
        host.tickers = tickers
        for ticker in tickers:
            self.probe_run(host, ticker, now, 0)

    def probe_run(self, host: Host, ticker: Ticker, begin: float, k: int) -> None:
        if not any(t is ticker for t in host.tickers):
            return
        rollout_id, probe, now = ticker.rollout_id, ticker.probe, self.now
        record = host.records[rollout_id]
        host.runs[rollout_id, probe.name] += 1
        number = host.runs[rollout_id, probe.name]
        self.load["probe_runs"] += 1
        fails = self.run_fails(host, record, probe, number)
        if ticker.first:
            self.feed(
                host,
                rollout_id,
                lambda seq: ev.LocalProbeObservedFirst(seq, probe_name=probe.name, mode=probe.mode, observed_at=now),
            )
        if fails and not ticker.last_failed:
            self.feed(
                host,
                rollout_id,
                lambda seq: ev.LocalProbeFailureFirst(seq, probe_name=probe.name, mode=probe.mode, first_failed_at=now),
            )
        self.feed(
            host,
            rollout_id,
            lambda seq: ev.LocalProbeResult(
                seq,
                probe_name=probe.name,
                mode=probe.mode,
                status="fail" if fails else "pass",
                observed_at=now,
                failure_reason="it fails" if fails else None,
            ),
        )
        ticker.first, ticker.last_failed = False, fails
        interval = max(probe.interval, 5.0)
        place = host.probes.index(probe)  # of two probes at one time, the one declared first
        self.at(begin + (k + 1) * interval, host, "probe", lambda: self.probe_run(host, ticker, begin, k + 1), place)

    def run_fails(self, host: Host, record: HostRecord, probe: Any, number: int) -> bool:
        release = self.release_of[record.rollout_id]
        defect = release.defect
        if (
            defect is not None
            and host.name not in release.unchanged
            and self.matches(defect.match, host.name)
            and defect.probe in (None, probe.name)
            and self.draw("defect", host.name, release.ref) < defect.probability
        ):
            onset = self.duration(defect.onset, "onset", host.name, release.ref, probe.name)
            assert record.activation_completed_at is not None
            if self.now >= record.activation_completed_at + onset:
                return True
        outage = self.outages.get((host.name, probe.name))
        if outage is not None and not outage.up_at(self.now):
            return True
        return self.flake_fails(host.name, release.ref, probe, number)

    def advance_tick(self, host: Host) -> None:
        now = self.now
        soaking = [r for r in self.by_age(host.records) if host.records[r].state == "Soaking"]
        for rollout_id in soaking:
            record = host.records[rollout_id]
            enforced = {n: p for n, p in record.probes.items() if p.mode == "enforce"}
            failing = sorted(n for n, p in enforced.items() if p.status == "fail")
            first = record.probe_failure_first_at
            if first is not None and now - first >= self.cp.sustained_failure and failing:
                self.feed(
                    host,
                    rollout_id,
                    lambda seq, first=first, failing=failing: ev.LocalSustainedFailureCrossed(
                        seq,
                        failed_at=now,
                        sustained_duration_secs=now - first,
                        failing_probes=failing,
                        policy_applied=self.policy(host.channel),
                    ),
                )
            elif (
                record.soak_due_at is not None
                and now >= record.soak_due_at
                and record.current_closure == record.target_closure
                and not failing
            ):
                closure = record.current_closure
                self.feed(
                    host,
                    rollout_id,
                    lambda seq, closure=closure: ev.LocalConvergedReached(
                        seq, converged_at=now, current_closure=closure
                    ),
                )

    def reply_arrives(self, host: Host, records: list[HostRecord]) -> None:
        if not host.reachable:
            return
        moved: set[str] = set()
        for record in records:
            held = host.records.get(record.rollout_id)
            if held is None or STATES.index(held.state) < STATES.index(record.state):
                host.records[record.rollout_id] = record
                moved.add(record.rollout_id)
        for record in records:  # in order of opening
            mine = host.records[record.rollout_id]
            anew = self.rules.probe_restart == "heartbeat" or record.rollout_id in moved
            if anew and record.state == "Soaking" and mine.state == "Soaking":
                self.reset_probes(host, record.rollout_id)

    # -- the control plane

    def soak(self, rollout_id: str, name: str) -> float:
        manifest = self.manifest_of[rollout_id]
        wave = next(h.wave_index for h in manifest.host_set if h.hostname == name)
        waves = self.fleet.rollout_policies[self.fleet.channels[manifest.channel].rollout_policy].waves
        return float(quantize(waves[wave].soak_minutes * 60.0)) if wave < len(waves) else float(self.cp.default_soak)

    def poll(self) -> None:
        for channel, releases in self.releases.items():
            due = [r for r in releases if r.at <= self.now]
            if due:
                manifest = project_manifest(self.fleet, channel, due[-1].ref, due[-1].closures)
                if manifest is None:
                    self.manifests.pop(channel, None)
                else:
                    self.manifests[channel] = manifest
        k = self.load["polls"] = self.load["polls"] + 1
        self.push(k * self.cp.manifest_poll, 2, (), self.poll)
        self.plan_pass()

    def tick(self) -> None:
        k = self.load["ticks"] = self.load["ticks"] + 1
        self.push(k * self.cp.plan_tick, 3, (), self.tick)
        self.plan_pass()

    def in_view(self) -> list[str]:
        return sorted(m.rollout_id for m in self.manifests.values() if m.rollout_id in self.rollouts)

    def plan_pass(self) -> None:
        for (rollout_id, name), (since, gate) in self.blocked.items():
            self.blocked_s[rollout_id, name, gate] += self.now - since
        self.blocked = {}
        for rollout_id in self.in_view():
            self.promote(rollout_id)
        to_open = [m for _, m in sorted(self.manifests.items()) if m.rollout_id not in self.rollouts]
        queue: list[tuple[str, str]] = []
        counts: list[tuple[Any, int]] = []  # this pass's own count, by selector
        for rollout_id in self.in_view():
            rollout = self.rollouts[rollout_id]
            if rollout.terminal_at is not None:
                continue
            names = sorted(self.mirror[rollout_id])
            if self.rules.dispatch_order == "shuffled":
                names.sort(key=lambda name: (self.draw("shuffle", name, n=self.passes), name))
            for name in names:
                record = self.mirror[rollout_id][name]
                if record.state != "Pending" or record.dispatch_acked_at is not None:
                    continue
                block = self.ask_gates(rollout_id, name, counts)
                if block is None:
                    queue.append((rollout_id, name))
                    for budget in self.manifest_of[rollout_id].disruption_budgets:
                        if name in budget.hosts:
                            counts.append((budget.selector, 1))
                else:
                    self.load["gate_decisions"] += 1
                    self.gate_reasons[rollout_id, block[0], block[1]] += 1
                    self.blocked[rollout_id, name] = (self.now, block[0])
        self.passes += 1
        for manifest in to_open:
            self.open_rollout(manifest)
        for rollout_id, name in queue:
            self.queue_dispatch(rollout_id, name)

    def eligible(self, rollout_id: str, name: str) -> bool:
        record = self.mirror[rollout_id].get(name)
        good = ("Converged",) if self.rules.deferred == "strict" else ("Converged", "Deferred")
        return record is not None and record.state in good

    def promote(self, rollout_id: str) -> None:
        rollout = self.rollouts[rollout_id]
        waves = self.fleet.waves.get(rollout.channel, [])
        w = rollout.current_wave
        if rollout.terminal_at is not None or w + 1 >= len(waves) or not waves[w].hosts:
            return
        if all(self.eligible(rollout_id, name) for name in waves[w].hosts):
            self.rollouts[rollout_id] = msgspec.structs.replace(rollout, current_wave=w + 1)
            self.promotions.append((self.now, rollout_id, w + 1))
            self.changed()

    def ask_gates(self, rollout_id: str, name: str, counts: list[tuple[Any, int]]) -> tuple[str, str] | None:
        rollout, record = self.rollouts[rollout_id], self.mirror[rollout_id][name]
        channel = rollout.channel
        if self.rules.quarantine != "recorded" and (channel, record.target_closure) in self.quarantined:
            return "quarantine", f"channel={channel} closure={record.target_closure}"
        for edge in self.fleet.channel_edges:
            if edge.gated == channel and edge.gates in self.manifests:
                before = self.rollouts.get(self.manifests[edge.gates].rollout_id)
                if before is None or before.terminal_at is None:
                    return "channel-edges", f"predecessor={edge.gates}"
        waves = self.fleet.waves.get(channel, [])
        wave = next((n for n, w in enumerate(waves) if name in w.hosts), None)
        if waves and wave is None:
            return "wave-promotion-host-unstaged", f"channel={channel}"
        if wave is not None and wave > rollout.current_wave:
            return "wave-promotion", f"host_wave={wave} current_wave={rollout.current_wave}"
        for edge in self.fleet.edges:
            before_host = self.fleet.hosts.get(edge.gates)
            if edge.gated != name or before_host is None or before_host.channel != channel:
                continue
            if not self.eligible(rollout_id, edge.gates):
                return "host-edge", f"gating_host={edge.gates}"
        for budget in self.manifest_of[rollout_id].disruption_budgets:
            if budget.max_in_flight is not None and name in budget.hosts:
                flying = sum(n for selector, n in counts if selector == budget.selector) + self.in_flight(
                    budget.selector
                )
                if flying >= budget.max_in_flight:
                    return (
                        "disruption-budget",
                        f"in_flight={flying} max={budget.max_in_flight} selector={summary(budget.selector)}",
                    )
        if wave is not None and wave > 0 and self.rules.compliance_wave != "off":
            failing = sum(self.failing_count(rollout_id, h) for w in waves[:wave] for h in w.hosts)
            if failing > 0:
                return "compliance-wave", f"failing={failing} host_wave={wave}"
        return None

    def in_flight(self, selector: Any) -> int:
        total = 0
        for rollout_id in self.in_view():
            budgets = [b for b in self.manifest_of[rollout_id].disruption_budgets if b.selector == selector]
            if budgets:
                records = (self.mirror[rollout_id].get(name) for name in budgets[0].hosts)
                total += sum(r is not None and r.state in ("Activating", "Soaking") for r in records)
        return total

    def failing_count(self, rollout_id: str, name: str) -> int:
        if self.rules.compliance_wave == "latest":
            record = self.mirror[rollout_id].get(name)
            probes = record.probes.values() if record is not None else ()
            return sum(p.mode == "enforce" and p.status == "fail" for p in probes)
        return len(self.failing.get((rollout_id, name), ()))

    def rollout_step(self, rollout_id: str, event: Any) -> None:
        before = self.rollouts[rollout_id]
        try:
            self.rollouts[rollout_id], _ = rollout_reducer.step(before, event)
        except StepError as error:
            self.rejected[type(error).__name__] += 1
        if self.rollouts[rollout_id].state != before.state:
            self.changed()

    def open_rollout(self, manifest: Manifest) -> None:
        rollout_id, channel, now = manifest.rollout_id, manifest.channel, self.now
        self.rollouts[rollout_id] = RolloutRecord(
            rollout_id=rollout_id,
            channel=channel,
            target_ref=manifest.channel_ref,
            state="Opening",
            current_wave=0,
            opened_at=now,
        )
        self.manifest_of[rollout_id] = manifest
        self.mirror[rollout_id] = {}
        self.changed()
        for other, record in list(self.rollouts.items()):
            if other != rollout_id and record.channel == channel and record.state not in ("Superseded", "Pruned"):
                self.rollout_step(
                    other,
                    ev.SuccessorOpened(superseded_rollout_id=other, successor_rollout_id=rollout_id, at=now),
                )
        for entry in manifest.host_set:
            due = now + self.soak(rollout_id, entry.hostname) if self.rules.soak_from == "open" else None
            self.mirror[rollout_id][entry.hostname] = HostRecord(
                rollout_id=rollout_id,
                hostname=entry.hostname,
                channel=channel,
                state="Pending",
                target_closure=entry.target_closure,
                dispatched_at=now,
                soak_due_at=due,
                last_event_seq=0,
            )
            self.rollout_step(
                rollout_id,
                ev.HostJoined(rollout_id=rollout_id, host_id=entry.hostname, wave=entry.wave_index, at=now),
            )

    def queue_dispatch(self, rollout_id: str, name: str) -> None:
        record, slots = self.mirror[rollout_id][name], self.slots[name]
        due = record.soak_due_at
        if self.rules.soak_from == "dispatch":
            due = self.now + self.soak(rollout_id, name)
        elif due is None:
            due = self.now
        slots.pop(rollout_id, None)  # a slot queued again counts from then
        slots[rollout_id] = (record.target_closure, due)
        self.load["dispatches_queued"] += 1
        if self.hosts[name].reachable:
            for waiting in list(slots):
                self.take(self.hosts[name], waiting)

    def take(self, host: Host, rollout_id: str) -> None:
        target, due = self.slots[host.name].pop(rollout_id)
        self.load["dispatches_taken"] += 1
        record = self.mirror[rollout_id][host.name]
        if self.rules.soak_from == "dispatch" and record.soak_due_at is None:
            self.mirror[rollout_id][host.name] = msgspec.structs.replace(record, soak_due_at=due)
        self.at(self.now + host.delay, host, "dispatch", lambda: self.deliver(host, rollout_id, target, due))

    def report_arrives(self, host: Host, report: tuple[str, Any]) -> None:
        rollout_id, payload = report
        self.load["reports"] += 1
        self.load[f"reports.{type(payload).__name__}"] += 1
        if host.name not in self.mirror.get(rollout_id, {}):
            self.rejected["unknown"] += 1
            return
        self.remote(rollout_id, host.name, rp.remote_event(payload))

    def remote(self, rollout_id: str, name: str, event: Any) -> None:
        record = self.mirror[rollout_id][name]
        try:
            after, effects = host_reducer.step(record, event, self.policy(record.channel))
        except StepError as error:
            self.rejected[type(error).__name__] += 1
            return
        self.mirror[rollout_id][name] = self.switched(record, after, event)
        for effect in effects:
            if isinstance(effect, fx.RecordTransition):
                self.mirror_moves.append((rollout_id, name, record.state, after.state, self.now))
                self.changed()
            elif isinstance(effect, fx.RemoteInsertQuarantine):
                self.quarantined.add((effect.channel, effect.closure))
            elif isinstance(effect, fx.RemoteAppendEventLog) and isinstance(effect.payload, rp.ProbeResult):
                result = effect.payload
                if result.mode == "enforce" and result.status == "fail":
                    self.failing.setdefault((rollout_id, name), set()).add(result.probe_name)
        if after.state != record.state:
            self.rollout_step(rollout_id, host_state_changed(rollout_id, name, record.state, after.state, self.now))
            if after.state == "Converged" and all(r.state == "Converged" for r in self.mirror[rollout_id].values()):
                self.rollout_step(rollout_id, ev.RolloutTerminal(rollout_id=rollout_id, at=self.now))

    def heartbeat_arrives(self, host: Host, closure: str) -> None:
        now, name = self.now, host.name
        self.load["heartbeats"] += 1
        mine = [rollout_id for rollout_id in self.rollouts if name in self.mirror[rollout_id]]
        for rollout_id in mine:
            record = self.mirror[rollout_id][name]
            if self.rollouts[rollout_id].state == "Pruned" or record.target_closure != closure:
                continue
            seq = record.last_event_seq
            if record.state in ("Activating", "Deferred"):
                self.remote(rollout_id, name, self.completed(seq + 1, closure))
            elif record.state == "Pending":
                if self.rules.unchanged == "gated" and self.ask_gates(rollout_id, name, []) is not None:
                    continue
                self.remote(
                    rollout_id,
                    name,
                    ev.RemoteDispatchAck(seq + 1, current_closure_at_dispatch="", received_at=now),
                )
                self.remote(rollout_id, name, self.completed(seq + 2, closure))
                due = self.mirror[rollout_id][name].soak_due_at
                reached = now if due is None else max(now, due)
                self.remote(
                    rollout_id,
                    name,
                    ev.RemoteConverged(seq + 3, converged_at=reached, current_closure=closure),
                )
        reply = [self.mirror[r][name] for r in mine if self.mirror[r][name].state in OPEN_STATES]
        self.at(now + host.delay, host, "reply", lambda: self.reply_arrives(host, reply))

    def completed(self, seq: int, closure: str) -> Any:
        return ev.RemoteActivationCompleted(seq, observed_current_closure=closure, exit_code=0, completed_at=self.now)

    # -- results

    def changed(self) -> None:
        self.last_change = self.now

    def transitions(self) -> list[tuple[str, str, str, str, float, float | None]]:
        agent: dict[tuple[str, str, str, str], float] = {}
        mirror: dict[tuple[str, str, str, str], float] = {}
        for *key, at in self.agent_moves:
            agent.setdefault(tuple(key), at)
        for *key, at in self.mirror_moves:
            mirror.setdefault(tuple(key), at)
        rows = [(*key, agent.get(key, mirror.get(key)), mirror.get(key)) for key in {**agent, **mirror}]
        return sorted(rows, key=lambda r: (r[4], r[0], r[1], STATES.index(r[2])))


def rp_probe(probe: Any) -> Any:
    """A probe as a topology declares it."""
    return ev.DeclaredProbe(probe_name=probe.name, kind=probe.kind, mode=probe.mode)


def host_state_changed(rollout_id: str, name: str, source: str, target: str, at: float) -> Any:
    fields = ev.HostStateChanged.__struct_fields__
    words = {"rollout_id": rollout_id, "host_id": name, "to": target, "at": at}
    words["from_" if "from_" in fields else "from"] = source
    return ev.HostStateChanged(**words)


def simulate(scenario: Any, seed: int, replication: int = 0) -> Outcome:
    """Run a loaded scenario to its horizon."""
    return Reference(scenario, seed, replication).run()
