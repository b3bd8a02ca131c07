"""What a reducer is, whoever wrote it, and the project's own (spec pages 1 to 3, 6 and 10).

Any object with these methods can take the place of the project's own: `sim.run(scenario, reducer=mine)`. A step must
depend on nothing but its arguments and change none of them; it refuses an event by raising one of the `StepError`s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sim.reducer import host, rollout
from sim.reducer.actions import Action
from sim.reducer.artifact import FleetArtifact
from sim.reducer.effects import HostEffect, RolloutEffect
from sim.reducer.events import HostEvent, RolloutEvent
from sim.reducer.gates import View
from sim.reducer.manifest import Manifest, project_manifest
from sim.reducer.planner import advance_waves, plan_next
from sim.reducer.records import HealthPolicy, HostRecord, RolloutRecord


class Steps(Protocol):
    """The two reducers: all that a run asks of one. Its planner is the project's, kept by running counts."""

    def host_step(
        self, record: HostRecord, event: HostEvent, on_health_failure: HealthPolicy, /
    ) -> tuple[HostRecord, Sequence[HostEffect]]:
        """The record of a host after an event, and the effects in order (page 1).

        Raises:
            StepError: the event is refused: SeqRegression, IllegalForState, Invariant or Unimplemented.
        """
        ...

    def rollout_step(
        self, record: RolloutRecord, event: RolloutEvent, /
    ) -> tuple[RolloutRecord, Sequence[RolloutEffect]]:
        """The record of a rollout after an event, and the effects in order (page 2).

        Raises:
            StepError: as `host_step`.
        """
        ...


class Reducer(Steps, Protocol):
    """The steps, the planner and the projection: all that conformance vectors ask of one."""

    def plan(self, view: View, now: float, /) -> tuple[Mapping[str, int], Sequence[Action]]:
        """The rollouts whose wave is over with the next one, and what is to be done at `now` (s) without regard to
        that (page 3)."""
        ...

    def project(self, fleet: FleetArtifact, channel: str, ci_commit: str | None, /) -> Manifest | None:
        """A channel's manifest of a release; None if no host of it has a closure (page 6).

        Raises:
            FleetError: the fleet has no such channel.
        """
        ...


class BuiltIn:
    """The project's own reducer. A class that derives from it may put one of its methods in another way."""

    # the functions themselves, so that a run which binds them calls nothing in between
    host_step = staticmethod(host.step)
    rollout_step = staticmethod(rollout.step)
    project = staticmethod(project_manifest)

    @staticmethod
    def plan(view: View, now: float) -> tuple[Mapping[str, int], Sequence[Action]]:
        return advance_waves(view), plan_next(view, now)


BUILT_IN: Reducer = BuiltIn()
