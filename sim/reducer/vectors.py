"""Conformance cases (spec page 8): decoded JSON in, what a correct implementation answers out.

The cases are also what travels to a reducer that is a program of its own, and the answers what comes back (page 10).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from sim.reducer.artifact import FleetArtifact, parse_artifact
from sim.reducer.errors import FleetError, StepError, VectorError
from sim.reducer.events import HostEvent, RolloutEvent
from sim.reducer.gates import RolloutSummary, View
from sim.reducer.manifest import Manifest, manifest_to_json
from sim.reducer.protocol import BUILT_IN, Reducer, Steps
from sim.reducer.records import HealthPolicy, HostRecord, RolloutRecord


class HostStep(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="host_step"):
    """A step of a host's record."""

    state: HostRecord
    event: HostEvent
    on_health_failure: HealthPolicy


class RolloutStep(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="rollout_step"):
    """A step of a rollout's record."""

    record: RolloutRecord
    event: RolloutEvent


class _FleetState(msgspec.Struct, frozen=True):
    hosts: list[HostRecord]
    rollouts: list[RolloutSummary]
    outstanding_failing_enforce_probes: dict[str, dict[str, int]] = {}


def answer_to(step: HostStep | RolloutStep, reducer: Steps = BUILT_IN) -> object:
    """The `expect` object for a step, ready to be written as JSON."""
    try:
        if type(step) is HostStep:
            after, effects = reducer.host_step(step.state, step.event, step.on_health_failure)
            return {"state": after, "effects": list(effects)}
        assert type(step) is RolloutStep
        rollout, done = reducer.rollout_step(step.record, step.event)
        return {"record": rollout, "effects": list(done)}
    except StepError as error:
        return {"error": error.kind}


def expected_of(case: Mapping[str, Any], reducer: Reducer = BUILT_IN) -> object:
    """The `expect` object for a case, as decoded JSON.

    Raises:
        VectorError: the case is malformed; the message says where.
    """
    if not isinstance(case, Mapping):
        raise VectorError("a case is an object")
    kind = case.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        given = repr(kind) if isinstance(kind, str) else "(not a string)"
        raise VectorError(f"unknown kind {given}; known are {', '.join(_KINDS)}")
    try:
        return _KINDS[kind](case, reducer)
    except RecursionError:
        raise VectorError(f"{kind}: nested too deep") from None


def _input(case: Mapping[str, Any], key: str, form: Any) -> Any:
    if key not in case:
        raise VectorError(f"{case['kind']}: `{key}` is missing")
    try:
        return msgspec.convert(case[key], form)
    except (msgspec.ValidationError, OverflowError, TypeError, UnicodeEncodeError) as error:
        raise VectorError(f"{case['kind']}: `{key}`: {error}") from None


def _host_step(case: Mapping[str, Any], reducer: Reducer) -> object:
    record: HostRecord = _input(case, "state", HostRecord)
    event: HostEvent = _input(case, "event", HostEvent)
    policy: HealthPolicy = _input(case, "on_health_failure", HealthPolicy)
    return msgspec.to_builtins(answer_to(HostStep(record, event, policy), reducer))


def _rollout_step(case: Mapping[str, Any], reducer: Reducer) -> object:
    record: RolloutRecord = _input(case, "record", RolloutRecord)
    event: RolloutEvent = _input(case, "event", RolloutEvent)
    return msgspec.to_builtins(answer_to(RolloutStep(record, event), reducer))


def _plan(case: Mapping[str, Any], reducer: Reducer) -> object:
    state: _FleetState = _input(case, "fleet_state", _FleetState)
    now: float = _input(case, "now", float)
    records: dict[str, dict[str, HostRecord]] = {}
    for record in state.hosts:
        records.setdefault(record.rollout_id, {})[record.hostname] = record
    view = View(
        fleet=_fleet(case),
        manifests=_input(case, "manifests", dict[str, Manifest]),
        rollouts={one.rollout_id: one for one in state.rollouts},
        records=records,
        quarantines=_input(case, "quarantines", dict[str, set[str]]),
        failing=state.outstanding_failing_enforce_probes,
    )
    waves, actions = reducer.plan(view, now)
    return {"advance_waves": waves, "actions": msgspec.to_builtins(actions)}


def _project_manifest(case: Mapping[str, Any], reducer: Reducer) -> object:
    channel: str = _input(case, "channel", str)
    commit: str | None = _input(case, "ci_commit", str | None)
    try:
        manifest = reducer.project(_fleet(case), channel, commit)
    except FleetError as error:
        raise VectorError(f"project_manifest: {error}") from None
    return None if manifest is None else manifest_to_json(manifest)


def _fleet(case: Mapping[str, Any]) -> FleetArtifact:
    if "fleet" not in case:
        raise VectorError(f"{case['kind']}: `fleet` is missing")
    try:
        return parse_artifact(case["fleet"])[0]
    except FleetError as error:
        raise VectorError(f"{case['kind']}: `fleet`: {error}") from None


_KINDS: dict[str, Callable[[Mapping[str, Any], Reducer], object]] = {
    "host_step": _host_step,
    "rollout_step": _rollout_step,
    "plan": _plan,
    "project_manifest": _project_manifest,
}
