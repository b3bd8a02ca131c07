"""The rows of an event log (spec page 7): what each kind's payload is in the program, and how it is decoded.

An agent's event becomes the `Report` of the reducer, a rollout event and an effect the reducer's own struct of that
name, so that what is read can be stepped and compared as it is. Times are seconds since the log's start.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec.structs import astuple

from sim.data.times import clock, rfc3339, to_nanoseconds
from sim.reducer.effects import RecordRolloutTransition, RecordTransition, RemoteInsertQuarantine
from sim.reducer.events import RolloutEvent
from sim.reducer.payloads import DeclaredProbe, ProbeResult, ProbeTopologyDeclared, Report

Kind = Literal["agent_event", "plan_action", "effect", "gate_decision", "rollout_event"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""The kinds of rows that say something about a rollout."""
MOST_WAVES = 10_000
"""What numbers a wave beyond that is no log."""
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

    seconds = clock(start)

    def time(kind: type, text: object) -> float:
        if not isinstance(text, str):
            raise TypeError("expected a time as text")
        return seconds(text)

    return {kind: _decoder(forms, time) for kind, forms in _FORMS.items()}


def _decoder(forms: Sequence[Form], time: Callable[[type, object], float]) -> Callable[[bytes], Payload]:
    any_of_them: Any = reduce(or_, [form.written for form in forms])
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(any_of_them, dec_hook=time).decode
    model_of: dict[type, Callable[..., Payload]] = {form.written: form.model for form in forms}

    def decoded(payload: bytes) -> Payload:
        found = decode(payload)
        kind = type(found)
        fields = astuple(found)
        if kind is _TOPOLOGY.written:
            seq, probes, declared_at = fields
            return ProbeTopologyDeclared(seq, [DeclaredProbe(*astuple(probe)) for probe in probes], declared_at)
        if kind is _RESULT.written:
            return ProbeResult(*fields[:-1])
        return model_of[kind](*fields)

    return decoded


def encoder(start: int) -> Callable[[Payload], str]:
    """What writes payloads as JSON, t = 0 being `start` (nanoseconds since 1970)."""
    encode = msgspec.json.Encoder().encode
    form_of = {form.model: form for forms in _FORMS.values() for form in forms}

    def encoded(payload: Payload) -> str:
        form = form_of[type(payload)]
        fields = list(astuple(payload))
        for place in form.times:
            if fields[place] is not None:
                fields[place] = rfc3339(start + to_nanoseconds(fields[place]))
        if type(payload) is ProbeTopologyDeclared:
            fields[1] = [_PROBE.written(*astuple(probe)) for probe in payload.probes]
        return str(encode(form.written(*fields)), "utf-8")

    return encoded


class Form(msgspec.Struct, frozen=True):
    """How payloads that are a `model` are written: as a struct with the same fields in the same order, those at the
    places `times` being text."""

    model: Any
    written: Any
    times: tuple[int, ...]


def camel(name: str) -> str:
    """A field's name as most payloads write it."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _form(model: type, tag_field: str | None, rename: Callable[[str], str] | None, *more: Any) -> Form:
    fields: list[Any] = []
    times = []
    for place, field in enumerate(msgspec.structs.fields(model)):
        kind = field.type
        if field.name == "at" or field.name.endswith("_at"):
            times.append(place)
            kind = Time if kind is float else Time | None
        elif field.name == "wave":
            kind = Annotated[int, msgspec.Meta(ge=0, lt=MOST_WAVES)]
        elif kind == list[DeclaredProbe]:
            kind = list[_PROBE.written]  # type: ignore[name-defined]
        name = field.encode_name if rename is None else rename(field.encode_name)
        described = msgspec.field(name=name) if field.required else msgspec.field(name=name, default=field.default)
        fields.append((field.name, kind, described))
    tag = model.__name__ if tag_field else None
    written = msgspec.defstruct(model.__name__, [*fields, *more], frozen=True, gc=False, tag_field=tag_field, tag=tag)
    return Form(model, written, tuple(times))


_PROBE = _form(DeclaredProbe, None, camel)
_TOPOLOGY = _form(ProbeTopologyDeclared, "kind", camel)
_RESULT = _form(ProbeResult, "kind", camel, ("sub_results", Any, msgspec.field(name="subResults", default=None)))
"""A real log has there what a compliance probe found in detail; it is written as null, and not read."""
_FORMS: dict[Kind, list[Form]] = {
    "agent_event": [
        _TOPOLOGY,
        _RESULT,
        *(
            _form(model, "kind", camel)
            for model in get_args(Report)
            if model not in (ProbeTopologyDeclared, ProbeResult)
        ),
    ],
    "plan_action": [_form(model, "action", None) for model in (OpenRollout, QueueDispatch)],
    "effect": [
        _form(RecordTransition, "effect", None),
        _form(RemoteInsertQuarantine, "effect", None),
        _form(RecordRolloutTransition, "effect", camel),
    ],
    "gate_decision": [_form(GateDecision, None, None)],
    "rollout_event": [_form(model, "kind", camel) for model in get_args(RolloutEvent)],
}
"""Kind of row -> the forms of its payloads."""
KIND_OF: dict[type, Kind] = {form.model: kind for kind, forms in _FORMS.items() for form in forms}
"""What a payload becomes -> the kind of its row."""
