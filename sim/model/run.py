"""One run: build the world, let SimPy's clock go until nothing can change any more, and hand over what it left."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf

import numpy as np
from numpy.typing import NDArray

from sim.model.control_plane import ControlPlane
from sim.model.every import Every
from sim.model.fleet import Fleet
from sim.model.foresight import Foresight
from sim.model.journal import Journal
from sim.model.load import derived
from sim.model.luck import Stays
from sim.model.probes import ProbeRuns
from sim.model.recording import Recording, RolloutLog
from sim.model.relevant import Relevant
from sim.model.remote import Foresighted
from sim.model.rollouts import Rollout
from sim.model.stalls import stall_of
from sim.model.world import World
from sim.reducer.checked import Checked
from sim.reducer.errors import ReducerError
from sim.reducer.index import PlanIndex
from sim.reducer.planner import PlannerRules
from sim.reducer.protocol import BUILT_IN, Steps
from sim.reducer.records import STATES
from sim.reducer.wire import shown
from sim.scenario.schema import Scenario


class Progress:
    """What a live view may read while a run goes on."""

    def __init__(self, world: World):
        self._world = world

    @property
    def events(self) -> int:
        """SimPy events so far."""
        return self._world.clock.events

    @property
    def now(self) -> float:
        """Simulated time (s)."""
        return self._world.clock.now

    def states(self) -> dict[str, int]:
        """Host records per state, over the rollouts that are not superseded, by the control plane's mirrors."""
        self._world.control_plane.catch_up()
        counts: dict[str, int] = dict.fromkeys(STATES, 0)
        for rollout in self._world.control_plane.rollouts:
            if rollout.record.state != "Superseded":
                for mirror in rollout.mirrors.values():
                    counts[mirror.state] += 1
        return counts

    def waves(self) -> dict[str, tuple[int, int]]:
        """Per rollout that is not superseded: its current wave and how many it has."""
        self._world.control_plane.catch_up()
        return {
            rollout.rollout_id: (rollout.record.current_wave, rollout.wave_count)
            for rollout in self._world.control_plane.rollouts
            if rollout.record.state != "Superseded"
        }


def run(
    scenario: Scenario,
    *,
    seed: int | None = None,
    replication: int = 0,
    record_events: bool = False,
    journal: Callable[[World], Journal] | None = None,
    progress: Callable[[Progress], None] | None = None,
    reducer: Steps | None = None,
) -> Recording:
    """Simulate a scenario once.

    Args:
        scenario: a loaded scenario; it is not changed.
        seed: in place of the scenario's own.
        replication: number of the replication; it takes part in every draw but those of the fleet's tags.
        record_events: keep every report, effect, rollout event, dispatch and gate change.
        journal: makes what takes note of all that happens, in place of the frame's own `Journal`.
        progress: called soon after the start, and then about ten times a second of wall time.
        reducer: makes the steps of hosts and rollouts in place of the project's own.

    Raises:
        ReducerError: that reducer failed, or the model cannot go on with what it answered.

    Ctrl-C (`KeyboardInterrupt`) ends the run with what is known so far, its `end` being "interrupted".
    """
    started = time.perf_counter()
    seed = scenario.seed if seed is None else seed
    with _collector_off():
        if reducer is None:
            recording = _simulated(scenario, seed, replication, record_events, journal, progress, BUILT_IN)
        else:
            with _answerable(reducer):
                steps = reducer if isinstance(reducer, Foresighted) else Checked(reducer)
                recording = _simulated(scenario, seed, replication, record_events, journal, progress, steps)
    recording.wall_s = time.perf_counter() - started
    return recording


def _simulated(
    scenario: Scenario,
    seed: int,
    replication: int,
    record_events: bool,
    journal: Callable[[World], Journal] | None,
    progress: Callable[[Progress], None] | None,
    steps: Steps,
) -> Recording:
    if journal is None and record_events:
        journal = Journal
    world = World(scenario, Fleet(scenario, seed, replication), journal is not None, steps)
    try:
        world.journal = None if journal is None else journal(world)
        _set_up(world)
        if isinstance(steps, Foresighted):
            world.foresight = Foresight(world, steps)
            world.clock.before_mail = world.foresight.arriving
            world.clock.before_events = world.foresight.falling_due
        end = _advance(world, Progress(world), progress)
        recording = _record(world, seed, replication, end)
        if world.journal is not None:
            world.journal.finish(recording.ended_at, end)
            recording.events = world.journal.rows if record_events else None
    finally:
        _take_apart(world)
    return recording


@contextmanager
def _answerable(reducer: Steps) -> Iterator[None]:
    """Answers that make sense one by one may still not go together. What comes of that, somewhere in the model, is told
    as the reducer's, which is the only thing that is not ours."""
    try:
        yield
    except ReducerError:
        raise
    except Exception as error:
        name = getattr(reducer, "name", type(reducer).__name__)
        raise ReducerError(
            f"the simulation cannot go on with what the reducer {shown(str(name))} has answered: "
            f"{type(error).__name__}: {error}",
            "nixfleet-sim conform and diff-reducer show where its answers differ from the project's own",
        ) from error


@contextmanager
def _collector_off() -> Iterator[None]:
    """Freeze the cycle collector: it would walk the whole fleet again and again, for half the time of a large run.

    What a run leaves in cycles is collected while all older things are frozen. Later it would count as old, and in a
    process that makes one run after the other the collector would not look at it for long.
    """
    if not gc.isenabled():
        yield
        return
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.enable()
        gc.unfreeze()


def _take_apart(world: World) -> None:
    """Let go of what the run's parts hold of each other, so that they are freed now and not by the cycle collector,
    which would walk through the whole fleet first, and does not see what a `Job` or a `Calm` holds."""
    world.clock.clear()
    for host in world.hosts:
        host.job = host.watch = None
        host.jobs_to_come = ()
    for part in (*map(vars(world).get, ("control_plane", "recurrence")), world):
        if part is not None:
            vars(part).clear()


def _set_up(world: World) -> None:
    scenario, fleet, rules = world.scenario, world.fleet, world.rules
    luck = fleet.luck
    if world.journal is not None and world.journal.takes_every_report:
        for host in world.hosts:
            host.exact = True
    shuffle = None
    if rules.dispatch_order == "shuffled":
        numbers = fleet.numbers

        def shuffle(number: int, names: list[str]) -> list[str]:
            drawn = luck.uniforms("shuffle", n=number)
            return sorted(names, key=lambda name: drawn[numbers[name]])

    index = PlanIndex(
        fleet.artifact,
        PlannerRules(deferred=rules.deferred, compliance_wave=rules.compliance_wave, quarantine=rules.quarantine),
        shuffle=shuffle,
        on_gate_change=world.journal.gate if world.journal is not None else None,
    )
    world.control_plane = ControlPlane(world, index)
    world.recurrence = Every(world) if scenario.fidelity == "full" else Relevant(world)
    settings = world.settings
    heartbeats = fleet.phase("phase_heartbeat", settings.heartbeat)
    ticks = fleet.phase("phase_advance", settings.advance_tick)
    env = world.clock.env
    for host, heartbeat, tick in zip(world.hosts, heartbeats, ticks, strict=True):
        host.heartbeat_start, host.tick_start = heartbeat, tick
        online = host.settings.online
        if online != "always":
            stays = Stays(world.alternation("online", online), host.number)
            if not stays.is_up(0):
                host.available = host.online = False
                host.awaited = True
                if world.journal is not None:
                    world.journal.host_event(0.0, host, "offline", {})
                host.presence = [(-1.0, False)]
                world.online_count -= 1
            env.process(host.availability(stays))
        world.recurrence.start(host)
    env.process(world.control_plane.polls())
    env.process(world.control_plane.ticks())


def _advance(world: World, view: Progress, progress: Callable[[Progress], None] | None) -> str:
    """Let the clock go up to and including the horizon, or until the run is quiescent; how it ended."""
    look_at = 0.0

    def look() -> None:
        nonlocal look_at
        if progress is not None and time.monotonic() >= look_at:
            progress(view)
            look_at = time.monotonic() + 0.1

    def between() -> None:
        # in small lots: what was sent long ago a large fleet finds in slow memory, with all that it is about
        world.control_plane.read(world.clock.now)
        look()

    if world.foresight is not None:
        world.foresight.steps.while_waiting(look)
    try:
        world.clock.run(world.scenario.until, between)
    except KeyboardInterrupt:
        return "interrupted"
    world.control_plane.read(world.clock.now, inf)
    return "quiescent" if world.quiet() else "horizon"


def _record(world: World, seed: int, replication: int, end: str) -> Recording:
    if end == "quiescent":
        ended_at = world.last_change
    elif end == "horizon":
        ended_at = world.scenario.until
    else:
        ended_at = world.clock.now
    plane = world.control_plane
    plane.catch_up()
    world.recurrence.finish(ended_at)
    gates = plane.index.finish(ended_at)
    mirror = world.mirror_moves.columns()
    world.tally.moments("moves").frombytes(mirror.at.tobytes())
    counts = derived(world.tally.per_minute(ended_at))
    rejected = {kind: int(counts.pop(f"rejected.{kind}", np.zeros(1)).sum()) for kind in REJECTED}
    return Recording(
        scenario=world.scenario.name,
        seed=seed,
        replication=replication,
        fidelity=world.scenario.fidelity,
        host_names=world.fleet.names,
        rollouts=[_log(world, rollout, end, ended_at) for rollout in plane.rollouts],
        agent=world.agent_moves.columns(),
        mirror=mirror,
        gates=gates,
        load=counts,
        rejected=rejected,
        ended_at=ended_at,
        end=end,
        wall_s=0.0,
        simulated=world.clock.events,
        skipped=world.recurrence.skipped,
        host_steps=world.host_steps,
        rollout_steps=world.rollout_steps,
        events=None,
    )


REJECTED = ("IllegalForState", "SeqRegression", "Invariant", "unknown", "Unimplemented")


def _log(world: World, rollout: Rollout, end: str, ended_at: float) -> RolloutLog:
    hosts = rollout.hosts
    probe_runs, probe_fails = _counted_runs(hosts, world.probe_runs[rollout.number])
    calm_runs = world.recurrence.calm_runs.get(rollout.number)
    if calm_runs is not None:
        probe_runs += calm_runs[hosts]
    seconds = world.control_plane.index.blocked_seconds(rollout.rollout_id)
    names = world.fleet.names
    failing = world.failing.upto(ended_at)
    number = rollout.number
    record = rollout.record
    return RolloutLog(
        rollout_id=rollout.rollout_id,
        channel=rollout.channel,
        ref=rollout.ref,
        state=record.state,
        opened_at=rollout.opened_at,
        terminal_at=record.terminal_at,
        superseded_at=record.superseded_at,
        current_wave=record.current_wave,
        hosts=np.array(hosts, dtype=np.int32),
        wave=np.array([rollout.wave_of[host] for host in hosts], dtype=np.int32),
        unchanged=np.isin(hosts, list(rollout.release.unchanged)),
        wave_count=rollout.wave_count,
        wave_opened_at=rollout.wave_opened_at,
        first_dispatch_at=rollout.first_dispatch_at,
        deferred_at_promotion=rollout.deferred_at_promotion,
        probe_runs=probe_runs,
        probe_fails=probe_fails,
        failing_s=np.array([failing.get((number, host), 0.0) for host in hosts]) if failing else np.zeros(len(hosts)),
        queued_at=np.array([rollout.queued.get(host, np.nan) for host in hosts], dtype=np.float64),
        asked_at=rollout.asked_at,
        blocked_s=np.array([seconds.get(names[host], 0.0) for host in hosts]) if seconds else np.zeros(len(hosts)),
        stall=stall_of(world, rollout) if end == "quiescent" else None,
    )


def _counted_runs(
    hosts: Sequence[int], kept: dict[int, list[ProbeRuns]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many probe runs each host made, and how many of them failed."""
    runs, fails = [0] * len(hosts), [0] * len(hosts)
    for place, host in enumerate(hosts):
        for one in kept.get(host, ()):
            runs[place] += one.n
            fails[place] += one.fails
    return np.array(runs, dtype=np.int64), np.array(fails, dtype=np.int64)
