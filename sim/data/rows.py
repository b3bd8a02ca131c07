"""The rows of an event log (spec page 7): what each kind's payload is in the program, and how it is decoded.

An agent's event becomes the `Report` of the reducer, a rollout event and an effect the reducer's own struct of that
name, so that what is read can be stepped and compared as it is. Times are seconds since the log's start.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from functools import reduce
from operator import or_
from typing import Any, Literal, get_args

import msgspec
from msgspec.structs import astuple

from sim.data.times import nanoseconds, to_seconds
from sim.reducer.effects import RecordRolloutTransition, RecordTransition, RemoteInsertQuarantine
from sim.reducer.events import RolloutEvent
from sim.reducer.payloads import DeclaredProbe, ProbeTopologyDeclared, Report

Kind = Literal["agent_event", "plan_action", "effect", "gate_decision", "rollout_event"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""The kinds of rows that say something about a rollout."""
IGNORED = ("verify_outcome", "manifest_poll")
"""Kinds that a real log has, too, and that nothing here needs."""


class OpenRollout(msgspec.Struct, frozen=True, gc=False):
    """A pass opened a rollout to these hosts; the last row of an opening."""

    rollout_id: str
    channel: str
    target_ref: str
    hosts: list[str]


class QueueDispatch(msgspec.Struct, frozen=True, gc=False):
    """A pass queued a dispatch; `soak_due_at` in seconds, None with a soak that begins later."""

    host: str
    rollout: str
    target_closure: str
    soak_due_at: float | None


class GateDecision(msgspec.Struct, frozen=True, gc=False):
    """A gate held a host in a pass. `reason` is prose in a real log: go by `gate`."""

    gate: str
    reason: str
    host: str
    rollout: str


Effect = RecordTransition | RemoteInsertQuarantine | RecordRolloutTransition
Payload = Report | OpenRollout | QueueDispatch | Effect | GateDecision | RolloutEvent


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row: its number, when the control plane applied it (s since the log's start), and what it says."""

    seq: int
    at: float
    kind: Kind
    host: str | None
    rollout: str | None
    payload: Payload


class Time(ABC):  # noqa: B024
    """A time in a payload: RFC 3339 as written, read as seconds since the log's start."""


Time.register(float)  # so that msgspec asks the hook for one, and takes a plain number


def decoders(start: int) -> dict[Kind, Callable[[bytes], Payload]]:
    """From a kind to what decodes its payloads, times counted from `start` (nanoseconds since 1970).

    A decoder raises `msgspec.DecodeError`, of which `msgspec.ValidationError` is one, saying what is wrong and where.
    """

    def time(kind: type, text: object) -> float:
        if not isinstance(text, str):
            raise TypeError("expected a time as text")
        return to_seconds(nanoseconds(text) - start)

    return {kind: _decoder(models, time) for kind, models in _MODELS.items()}


def _decoder(written: Mapping[type, type], time: Callable[[type, object], float]) -> Callable[[bytes], Payload]:
    any_of_them: Any = reduce(or_, written)
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(any_of_them, dec_hook=time).decode

    def decoded(payload: bytes) -> Payload:
        found = decode(payload)
        fields = astuple(found)
        model: Callable[..., Payload] = written[type(found)]
        if model is ProbeTopologyDeclared:
            seq, probes, declared_at = fields
            return ProbeTopologyDeclared(seq, [DeclaredProbe(*astuple(probe)) for probe in probes], declared_at)
        return model(*fields)

    return decoded


def camel(name: str) -> str:
    """A field's name as most payloads write it."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _written(model: type, tag_field: str | None, rename: Callable[[str], str] | None) -> type:
    """The struct as which a payload that becomes a `model` is read: the same fields in the same order."""
    fields: list[Any] = []
    for field in msgspec.structs.fields(model):
        kind = _as_written(field.type) if field.name == "at" or field.name.endswith("_at") else field.type
        if kind == list[DeclaredProbe]:
            kind = list[_written(DeclaredProbe, None, camel)]  # type: ignore[misc]
        name = field.encode_name if rename is None else rename(field.encode_name)
        described = msgspec.field(name=name) if field.required else msgspec.field(name=name, default=field.default)
        fields.append((field.name, kind, described))
    tag = model.__name__ if tag_field else None
    return msgspec.defstruct(model.__name__, fields, frozen=True, gc=False, tag_field=tag_field, tag=tag)


def _as_written(kind: Any) -> Any:
    return Time if kind is float else Time | None


def _all_written(
    models: tuple[type, ...], tag_field: str | None, rename: Callable[[str], str] | None
) -> dict[type, type]:
    return {_written(model, tag_field, rename): model for model in models}


_MODELS: dict[Kind, dict[type, type]] = {
    "agent_event": _all_written(get_args(Report), "kind", camel),
    "plan_action": _all_written((OpenRollout, QueueDispatch), "action", None),
    "effect": {
        **_all_written((RecordTransition, RemoteInsertQuarantine), "effect", None),
        **_all_written((RecordRolloutTransition,), "effect", camel),
    },
    "gate_decision": _all_written((GateDecision,), None, None),
    "rollout_event": _all_written(get_args(RolloutEvent), "kind", camel),
}
"""Kind of row -> the structs as which its payloads are read, and what each of them becomes."""
