"""A reducer that is not the project's: what it answers is looked at before anything is made of it.

Two questions, and a `ReducerError` where the answer is no. Is it of the right form: a record and effects whose fields
are what they should be? And does it make sense to who carries it out: the record is still that of the same host, a
change of its state is told by one transition, an agent has no effects of the control plane? Whether it is *right* is
not asked: a run shows what comes of it, `conform` and `diff-reducer` say where it differs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any, get_args

import msgspec

from sim.reducer.effects import (
    HostEffect,
    LocalEmitEvent,
    LocalFireRollbackTo,
    LocalFireSwitch,
    LocalResetProbeCache,
    RecordRolloutTransition,
    RecordTransition,
    RemoteAppendEventLog,
    RemoteInsertQuarantine,
    RolloutEffect,
    UpdateCurrentWave,
)
from sim.reducer.errors import KINDS, ReducerError, StepError
from sim.reducer.events import HostEvent, RolloutEvent, WaveAdvanced
from sim.reducer.protocol import Steps
from sim.reducer.records import HealthPolicy, HostRecord, RolloutRecord

HostAnswer = tuple[HostRecord, Sequence[HostEffect]]
RolloutAnswer = tuple[RolloutRecord, Sequence[RolloutEffect]]

_HOST_EFFECTS = get_args(HostEffect)
_ROLLOUT_EFFECTS = get_args(RolloutEffect)
_AGENTS = (LocalEmitEvent, LocalFireRollbackTo, LocalFireSwitch, LocalResetProbeCache, RecordTransition)
_PLANES = (RemoteAppendEventLog, RemoteInsertQuarantine, RecordTransition)


class Checked:
    """The steps of another reducer, each answer checked for its form and its sense."""

    def __init__(self, steps: Steps):
        """
        Raises:
            ReducerError: it has no such methods.
        """
        for name in ("host_step", "rollout_step"):
            if not callable(getattr(steps, name, None)):
                what = steps.__name__ if isinstance(steps, type) else type(steps).__name__
                raise ReducerError(
                    f"the reducer, of type {what}, has no method {name}",
                    "derive it from sim.reducer.protocol.BuiltIn, which has all that one needs",
                )
        self._steps = steps

    def host_step(self, record: HostRecord, event: HostEvent, on_health_failure: HealthPolicy) -> HostAnswer:
        """See `sim.reducer.protocol.Steps`."""
        about = what_step(record, event)
        answer = _called(about, lambda: self._steps.host_step(record, event, on_health_failure))
        after, effects = _pair(about, answer, HostRecord, _HOST_EFFECTS)
        return makes_sense_host(record, event, after, effects)

    def rollout_step(self, record: RolloutRecord, event: RolloutEvent) -> RolloutAnswer:
        """See `sim.reducer.protocol.Steps`."""
        about = what_step(record, event)
        answer = _called(about, lambda: self._steps.rollout_step(record, event))
        after, effects = _pair(about, answer, RolloutRecord, _ROLLOUT_EFFECTS)
        return makes_sense_rollout(record, event, after, effects)


def what_step(record: HostRecord | RolloutRecord, event: object) -> str:
    """A step in words, as the beginning of what is wrong with it."""
    of = record.hostname if isinstance(record, HostRecord) else record.rollout_id
    return f"the reducer's step of {of} in state {record.state} on {type(event).__name__}"


def _called(about: str, step: Callable[[], object]) -> object:
    try:
        return step()
    except StepError as error:
        if type(error) in KINDS.values():
            raise
        raise ReducerError(
            f"{about} was refused with {type(error).__name__}", f"expected one of {', '.join(KINDS)}"
        ) from error
    except ReducerError:
        raise
    except Exception as error:
        raise ReducerError(
            f"{about} raised {type(error).__name__}: {error}", f"an event is refused with one of {', '.join(KINDS)}"
        ) from error


def _pair(about: str, answer: object, record: type[Any], effects: tuple[type[Any], ...]) -> tuple[Any, Any]:
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise ReducerError(f"{about} gave {_kind(answer)}", "expected a pair of the record after it and its effects")
    after, done = answer
    if type(after) is not record:
        raise ReducerError(f"{about} gave {_kind(after)} for the record after it", f"expected a {record.__name__}")
    if not isinstance(done, tuple | list):
        raise ReducerError(f"{about} gave {_kind(done)} for its effects", "expected a tuple or list of effects")
    for effect in done:
        if type(effect) not in effects:
            names = ", ".join(one.__name__ for one in effects)
            raise ReducerError(f"{about} gave {_kind(effect)} for an effect", f"expected one of {names}")
    for part in (after, *done):
        try:
            # structs take any value for a field; only reading them says whether it is one
            msgspec.convert(msgspec.to_builtins(part), type(part))
        except (msgspec.ValidationError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ReducerError(f"{about} gave a {type(part).__name__} that cannot be: {error}") from error
    return after, done


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def makes_sense_host(
    record: HostRecord, event: HostEvent, after: HostRecord, effects: Sequence[HostEffect]
) -> HostAnswer:
    """The answer, if it can be carried out.

    Raises:
        ReducerError: it cannot.
    """
    problem = _problem_of_host(record, event, after, effects) or _problem_of_moves(record, after, effects)
    if problem is not None:
        raise ReducerError(f"{what_step(record, event)} {problem}")
    return after, effects


def makes_sense_rollout(
    record: RolloutRecord, event: RolloutEvent, after: RolloutRecord, effects: Sequence[RolloutEffect]
) -> RolloutAnswer:
    """The answer, if it can be carried out.

    Raises:
        ReducerError: it cannot.
    """
    problem = _problem_of_rollout(record, event, after, effects) or _problem_of_moves(record, after, effects)
    if problem is not None:
        raise ReducerError(f"{what_step(record, event)} {problem}")
    return after, effects


def _problem_of_host(
    record: HostRecord, event: HostEvent, after: HostRecord, effects: Sequence[HostEffect]
) -> str | None:
    for field in ("rollout_id", "hostname", "channel", "target_closure"):
        if getattr(after, field) != getattr(record, field):
            return f"changed `{field}`, which no event changes"
    local = type(event).__name__.startswith("Local")
    for effect in effects:
        name = type(effect).__name__
        if not isinstance(effect, _AGENTS if local else _PLANES):
            side, other = ("an agent", "the control plane") if local else ("the control plane", "an agent")
            return f"gave {name}, which is for {other} to do and not for {side}"
        if getattr(effect, "rollout_id", record.rollout_id) != record.rollout_id:
            return f"gave a {name} of another rollout"
        if getattr(effect, "host", record.hostname) != record.hostname:
            return f"gave a {name} of another host"
    return None


def _problem_of_rollout(
    record: RolloutRecord, event: RolloutEvent, after: RolloutRecord, effects: Sequence[RolloutEffect]
) -> str | None:
    for field in ("rollout_id", "channel", "target_ref", "opened_at"):
        if getattr(after, field) != getattr(record, field):
            return f"changed `{field}`, which no event changes"
    for effect in effects:
        if effect.rollout_id != record.rollout_id:
            return f"gave a {type(effect).__name__} of another rollout"
        if isinstance(effect, UpdateCurrentWave) and not isinstance(event, WaveAdvanced):
            return "gave UpdateCurrentWave, which belongs to WaveAdvanced alone"
    if after.current_wave != record.current_wave and not isinstance(event, WaveAdvanced):
        return "changed `current_wave`, which only WaveAdvanced does"
    return None


def _problem_of_moves(
    record: HostRecord | RolloutRecord,
    after: HostRecord | RolloutRecord,
    effects: Sequence[HostEffect] | Sequence[RolloutEffect],
) -> str | None:
    """A change of state, and nothing else, is told by one transition."""
    moved = [] if after.state == record.state else [(record.state, after.state)]
    told = [one for one in effects if isinstance(one, RecordTransition | RecordRolloutTransition)]
    said = [(one.from_, one.to) for one in told]
    if said != moved:
        made, gave = (", ".join(f"{a} -> {b}" for a, b in moves) or "none" for moves in (moved, said))
        return f"changed its state ({made}) otherwise than its transitions say ({gave})"
    if not all(isfinite(one.at) for one in told):
        return "gave a transition at no time"
    return None
