"""Two reducers side by side through one run: where does another differ from the project's own?

Every step is made by both. The project's own decides how the run goes on, so that one mistake of the other does not
take the run elsewhere, and every difference is one on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from sim.model.remote import Answer, Remote, Step, answer_of
from sim.reducer.checked import HostAnswer, RolloutAnswer
from sim.reducer.events import HostEvent, RolloutEvent
from sim.reducer.protocol import BUILT_IN, Steps
from sim.reducer.records import HealthPolicy, HostRecord, RolloutRecord
from sim.reducer.vectors import HostStep, RolloutStep, answer_to

_encoder = msgspec.json.Encoder()


class Counted(msgspec.Struct):
    """Steps on one kind of event, and how many of them differ."""

    steps: int = 0
    differences: int = 0


class Difference(msgspec.Struct, frozen=True):
    """A step that the two make in different ways: the case and both results, as decoded JSON (page 8)."""

    request: dict[str, Any]
    ours: Any
    theirs: Any


class Differing:
    """The steps of `ours`, each held against what a program makes of it.

    Args:
        same: whether two results, as decoded JSON, say the same.
    """

    def __init__(self, theirs: Remote, same: Callable[[Any, Any], bool], ours: Steps = BUILT_IN):
        self._theirs = theirs
        self._ours = ours
        self._same = same
        self.by_event: dict[str, Counted] = {}
        self.first: Difference | None = None

    @property
    def steps(self) -> int:
        """How many steps were made by both."""
        return sum(one.steps for one in self.by_event.values())

    @property
    def differences(self) -> int:
        """How many of them differ."""
        return sum(one.differences for one in self.by_event.values())

    def forget(self) -> None:
        """See `sim.model.remote.Foresighted`."""
        self._theirs.forget()

    def ahead(self, steps: Sequence[Step]) -> list[Answer]:
        """See `sim.model.remote.Foresighted`."""
        self._theirs.prepare(steps)
        return [answer_of(self._ours, step) for step in steps]

    def while_waiting(self, look: Callable[[], None]) -> None:
        """See `sim.model.remote.Foresighted`."""
        self._theirs.while_waiting(look)

    def host_step(self, record: HostRecord, event: HostEvent, on_health_failure: HealthPolicy) -> HostAnswer:
        """See `sim.reducer.protocol.Steps`."""
        self._compare(HostStep(record, event, on_health_failure))
        return self._ours.host_step(record, event, on_health_failure)

    def rollout_step(self, record: RolloutRecord, event: RolloutEvent) -> RolloutAnswer:
        """See `sim.reducer.protocol.Steps`."""
        self._compare(RolloutStep(record, event))
        return self._ours.rollout_step(record, event)

    def _compare(self, step: Step) -> None:
        theirs = self._theirs.answer(_encoder.encode(step))
        ours = msgspec.to_builtins(answer_to(step, self._ours))
        counted = self.by_event.setdefault(type(step.event).__name__, Counted())
        counted.steps += 1
        if not self._same(ours, theirs):
            counted.differences += 1
            if self.first is None:
                self.first = Difference(msgspec.to_builtins(step), ours, theirs)
