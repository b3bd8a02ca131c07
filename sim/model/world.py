"""What all parts of one running simulation share: clock, fleet, rules, the recorder's columns, and the counts by
which the end of a run is seen."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from sim.model.clock import DELIVERY, INBOX, Clock
from sim.model.fleet import Fleet
from sim.model.host import Host
from sim.model.inbox import A_REPORT, Inbox
from sim.model.load import Tally
from sim.model.luck import Alternation, Flakes, Stays
from sim.model.may_step import may_step
from sim.model.probes import SHORTEST, ProbeRuns, flakeless, up_from_the_start
from sim.model.recording import FailingTime, MoveLog
from sim.model.rollouts import Rollout
from sim.model.schedule import Schedule
from sim.model.switches import adjusted_events
from sim.reducer.protocol import BUILT_IN, Steps
from sim.scenario.schema import Alternating, Probe, Scenario
from sim.scenario.units import quantize

if TYPE_CHECKING:
    from sim.model.control_plane import ControlPlane
    from sim.model.foresight import Foresight
    from sim.model.journal import Journal


class Recurrence(Protocol):
    """How what recurs on the agents' clocks is carried out: every time, or only when it can matter."""

    skipped: int
    calm_runs: dict[int, NDArray[np.int64]]
    """Once the run is over, of soaks that are counted as a whole: for each rollout the probe runs by host number, none
    of which failed."""

    def start(self, host: Host) -> None:
        """The agent starts with the simulation."""

    def agent_stopped(self, host: Host) -> None:
        """The host goes down; the agent's records are still there."""

    def agent_started(self, host: Host) -> None:
        """The host is up again, its clocks begin now."""

    def came_online(self, host: Host) -> None: ...

    def went_offline(self, host: Host) -> None: ...

    def reset(self, host: Host, rollout: Rollout, now: float) -> None:
        """LocalResetProbeCache: this record's probes start over now (s)."""

    def left_soaking(self, host: Host, rollout: Rollout, now: float) -> None: ...

    def mirror_soaks(self, host: Host, rollout: Rollout, now: float) -> None:
        """The control plane's record soaks from now on: heartbeats reset the probes."""

    def reply_taken(self, host: Host) -> None: ...

    def review(self, host: Host) -> None:
        """Something happened by which the host's next heartbeat may make a step."""

    def became_exact(self, host: Host) -> None:
        """From now on every report of the host matters."""

    def finish(self, at: float) -> None:
        """The run is over: count what was skipped up to `at` (s)."""


class World:
    """The state of one run.

    `restless` counts what is under way and will change something by itself: jobs, reboots, reports on a disk, soaking
    records (of messages the clock knows); `waiting` the dispatches in slots of hosts that can come back; `dirty` says
    that a plan pass has something to look at, and `interested` holds hosts whose heartbeat may make a step. With none
    of them, and no release to come, the run is quiescent.
    """

    control_plane: ControlPlane
    recurrence: Recurrence

    def __init__(self, scenario: Scenario, fleet: Fleet, record_events: bool, steps: Steps):
        self.scenario = scenario
        self.fleet = fleet
        self.rules = scenario.rules
        self.settings = scenario.control_plane
        self.adjusts = adjusted_events(scenario.rules)
        self.step_host = steps.host_step
        self.step_rollout = steps.rollout_step
        """The two reducers, bound once."""
        self.foresight: Foresight | None = None
        """Where steps are cheaper when asked for many at a time, who says which ones are coming."""
        self.clock = Clock()
        self.tally = Tally()
        self.agent_moves = MoveLog()
        self.mirror_moves = MoveLog()
        self.failing = FailingTime()
        self.journal: Journal | None = None
        self.recording = record_events
        self.inbox = Inbox()
        self.awaits_all = record_events or scenario.fidelity == "full" or steps is not BUILT_IN
        """Whether every report is an event: who takes note of all, or answers many steps at a time, wants each at its
        time."""
        self.asks_all = record_events or scenario.fidelity == "full"
        """Whether the reducers are asked even where the answer changes nothing and is only counted."""
        self.probe_runs: defaultdict[int, dict[int, list[ProbeRuns]]] = defaultdict(dict)
        """By rollout and host number."""
        self._flakeless: dict[str, list[float]] = {}
        self._all_steady = not any(probe.flake or probe.outage for probe in scenario.probes if probe.mode != "disabled")
        """Whether nothing but a release's defect makes a probe fail."""
        self.host_steps = 0
        self.rollout_steps = 0
        self.last_change = 0.0
        self.restless = 0
        self.waiting = 0
        self.dirty = False
        self.interested: set[Host] = set()
        self.online_count = len(fleet.names)
        initial = fleet.initial_closures()
        settings = [fleet.settings[group] for group in fleet.setting_of.tolist()]
        self.hosts = [
            Host(self, number, own, closure)
            for number, own, closure in zip(fleet.numbers.values(), settings, initial, strict=True)
        ]

    def alternation(self, purpose: str, spec: Alternating, probe: str = "") -> Alternation:
        """An alternating process of every host."""
        return self.fleet.luck.alternation(purpose, spec, probe, begin_up=self.settings.phases == "zero")

    def make_runs(self, host: Host, rollout: Rollout, probe: Probe, completed_at: float | None) -> ProbeRuns:
        """The runs of one probe after an activation that was completed at some time (s), with everything that can make
        one fail."""
        luck, number, ref = self.fleet.luck, host.number, rollout.ref
        service = flakes = defect_at = None
        if probe.outage is not None:
            service = Stays(self.alternation("outage", probe.outage, probe.name), number)
        if probe.flake > 0.0:
            flakes = Flakes(luck, number, ref, probe.name, probe.flake)
        if number in rollout.release.bad:
            defect = rollout.release.release.defect
            assert defect is not None
            if defect.probe in (None, probe.name):
                onset = quantize(defect.onset.quantile(luck.first("onset", number, ref, probe.name)))
                defect_at = (completed_at or 0.0) + onset
        return ProbeRuns(probe, flakes, service, defect_at)

    @cached_property
    def _up_from_the_start(self) -> list[float]:
        return up_from_the_start(self.fleet, begin_up=self.settings.phases == "zero")

    def surely_passes(self, host: Host, rollout: Rollout, base: float, until: float) -> bool:
        """Whether surely no run of the host's probes in this rollout fails from `base` to `until` (s), both included.

        For a host that made no run in this rollout before `base`: told without its `ProbeRuns`, of which this makes
        none. False says that one may fail, not that it does.
        """
        number = host.number
        if number in rollout.release.bad:
            return False
        if self._all_steady:
            return True
        passing = self._flakeless.get(rollout.ref)
        if passing is None:
            passing = self._flakeless[rollout.ref] = flakeless(self.fleet, rollout.ref, self.settings.heartbeat)
        if until - base >= passing[number] and self._flakes(host, rollout, base, until):
            return False
        if until < self._up_from_the_start[number]:
            return True
        for probe in host.probes:
            if probe.outage is not None and probe.mode != "disabled":
                service = self.alternation("outage", probe.outage, probe.name)
                stay = service.stay_at(number, base)
                if not service.is_up(number, stay) or service.bound(number, stay) <= until:
                    return False
        return True

    def _flakes(self, host: Host, rollout: Rollout, base: float, until: float) -> bool:
        """Whether one of the runs flakes, all of them being counted: the first at `base`, and anew at each reset."""
        first_reset = host.first_reset(base) if self.rules.probe_restart == "heartbeat" else None
        for probe in host.probes:
            if probe.flake and probe.mode != "disabled":
                interval = max(probe.interval, SHORTEST)
                runs = 1 + Schedule(base, True, first_reset, interval, self.settings.heartbeat).last(until)
                if self.fleet.luck.first_flakes(rollout.ref, probe.name, probe.flake)[host.number] <= runs:
                    return True
        return False

    def quiet(self) -> bool:
        """Whether nothing scheduled can change a state any more (page 9, "quiescent")."""
        if self.restless or self.dirty or self.control_plane.more_releases or self._mail_matters():
            return False
        if self.waiting and not self._slots_doomed():
            return False
        plane = self.control_plane
        # a host that a gate holds stays here: another's heartbeat may open the gate
        self.interested = {host for host in self.interested if not host.dead and may_step(host)}
        return not any(plane.heartbeat_may_change(host) for host in self.interested)

    def _mail_matters(self) -> bool:
        """Whether a report is under way, or a dispatch that may come of something."""
        clock = self.clock
        return (
            bool(self.inbox)
            or any(kind == A_REPORT for kind, _ in clock.under_way(INBOX))
            or any(matters for _, (*_, matters) in clock.under_way(DELIVERY))
        )

    def _slots_doomed(self) -> bool:
        now, plane = self.clock.now, self.control_plane
        return all(
            host.dead or plane.doomed(plane.rollouts[number], now + host.delay)
            for host in self.hosts
            for number in host.slots or ()
        )
