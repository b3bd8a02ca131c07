"""The steps of a run made by a program: records and events out as JSON, records and effects in (spec page 10).

Steps are pure, so one may be asked for before it is due: `ahead` takes many of them in one batch, and who later makes
the same step finds the answer there. The request itself, to the byte, is what tells that it is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec

from sim.reducer.checked import HostAnswer, RolloutAnswer, makes_sense_host, makes_sense_rollout, what_step
from sim.reducer.effects import HostEffect, RolloutEffect
from sim.reducer.errors import KINDS, ReducerError, StepError
from sim.reducer.events import HostEvent, RolloutEvent
from sim.reducer.protocol import Steps
from sim.reducer.records import HealthPolicy, HostRecord, RolloutRecord
from sim.reducer.vectors import HostStep, RolloutStep
from sim.reducer.wire import shown

if TYPE_CHECKING:
    from sim.model.program import Program  # which not every run has to load

MOST = 500
"""Cases of one batch: more would make it no cheaper."""

Step = HostStep | RolloutStep
Answer = tuple[Any, Sequence[Any]] | None
"""The record after a step and its effects; None if it is refused."""
_encoder = msgspec.json.Encoder()


class _HostResult(msgspec.Struct, forbid_unknown_fields=True):
    state: HostRecord
    effects: list[HostEffect]


class _RolloutResult(msgspec.Struct, forbid_unknown_fields=True):
    record: RolloutRecord
    effects: list[RolloutEffect]


@runtime_checkable
class Foresighted(Steps, Protocol):
    """Steps that are cheaper when asked for many at a time."""

    def forget(self) -> None:
        """What was said to be likely and has not been made is not likely any more."""
        ...

    def ahead(self, steps: Sequence[Step]) -> list[Answer]:
        """What will come of these steps, which are likely to be made soon; None where one is refused."""
        ...

    def while_waiting(self, look: Callable[[], None]) -> None:
        """Call `look` every so often while an answer is awaited; what it raises ends the waiting."""
        ...


class Remote:
    """The steps that a program makes."""

    def __init__(self, program: Program):
        self.program = program
        self._ready: dict[bytes, Any] = {}
        self._read: dict[bytes, Any] = {}
        """What is ready and has been read: whoever said it is likely looks at it, too."""

    @property
    def name(self) -> str:
        """What the program calls itself."""
        return self.program.name

    def forget(self) -> None:
        """See `Foresighted`."""
        self._ready.clear()
        self._read.clear()

    def ahead(self, steps: Sequence[Step]) -> list[Answer]:
        """See `Foresighted`."""
        self.prepare(steps)
        return [answer_of(self, step) for step in steps]

    def while_waiting(self, look: Callable[[], None]) -> None:
        """See `Foresighted`."""
        self.program.while_waiting = look

    def prepare(self, steps: Sequence[Step]) -> None:
        """Ask for the steps in as few batches as can be, and keep what comes back until it is asked for."""
        requests = [_encoder.encode(step) for step in steps]
        for first in range(0, len(requests), MOST):
            some = requests[first : first + MOST]
            self._ready.update(zip(some, self.program.ask(some), strict=True))

    def answer(self, request: bytes) -> Any:
        """What the program makes of a step that is JSON, as decoded JSON."""
        return self._ready[request] if request in self._ready else self.program.ask([request])[0]

    def host_step(self, record: HostRecord, event: HostEvent, on_health_failure: HealthPolicy) -> HostAnswer:
        """See `sim.reducer.protocol.Steps`."""
        step = HostStep(record, event, on_health_failure)
        request = _encoder.encode(step)
        found = self._read.get(request)
        if found is None:
            found = self._result(step, self.answer(request), _HostResult)
            if isinstance(found, _HostResult):
                makes_sense_host(record, event, found.state, found.effects)
            self._keep(request, found)
        if isinstance(found, StepError):
            raise found
        return found.state, found.effects

    def rollout_step(self, record: RolloutRecord, event: RolloutEvent) -> RolloutAnswer:
        """See `sim.reducer.protocol.Steps`."""
        step = RolloutStep(record, event)
        request = _encoder.encode(step)
        found = self._read.get(request)
        if found is None:
            found = self._result(step, self.answer(request), _RolloutResult)
            if isinstance(found, _RolloutResult):
                makes_sense_rollout(record, event, found.record, found.effects)
            self._keep(request, found)
        if isinstance(found, StepError):
            raise found
        return found.record, found.effects

    def _keep(self, request: bytes, found: Any) -> None:
        if request in self._ready:
            self._read[request] = found

    def _result(self, step: Step, given: Any, form: type[Any]) -> Any:
        """A result as `form`, or the error with which the step is refused."""
        try:
            if isinstance(given, dict) and given.keys() == {"error"}:
                kind = given["error"]
                if isinstance(kind, str) and kind in KINDS:
                    return KINDS[kind](f"refused by {self.name}")
                raise ValueError(f"expected one of {', '.join(KINDS)} for `error`")
            result = msgspec.convert(given, form)
            # a field that is left out would be read as its default: that is a mistake, and it would go unseen
            unlike = _unlike(given, msgspec.to_builtins(result), "")
            if unlike is not None:
                raise ValueError(unlike)
        except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError) as error:
            record = step.state if isinstance(step, HostStep) else step.record
            raise ReducerError(
                f"{what_step(record, step.event)} came to {shown(json.dumps(given))}", shown(str(error))
            ) from None
        return result


def answer_of(reducer: Steps, step: Step) -> Answer:
    """What a reducer makes of a step; None if it refuses it."""
    try:
        if isinstance(step, HostStep):
            return reducer.host_step(step.state, step.event, step.on_health_failure)
        return reducer.rollout_step(step.record, step.event)
    except StepError:
        return None


def _unlike(given: Any, read: Any, place: str) -> str | None:
    """Where what was given is not what was read of it; None if nowhere."""
    if given == read:
        return None
    if isinstance(read, dict):
        for key, value in read.items():
            if key not in given:
                return f"`{place}{key}` is missing"
            found = _unlike(given[key], value, f"{place}{key}.")
            if found is not None:
                return found
        return f"`{place}{next(key for key in given if key not in read)}` is not a field"
    if isinstance(read, list):
        for number, value in enumerate(read):
            found = _unlike(given[number], value, f"{place}{number}.")
            if found is not None:
                return found
    return f"`{place.rstrip('.')}` is read as {read!r}"
