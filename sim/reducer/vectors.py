"""Conformance cases (spec page 8): decoded JSON in, what a correct implementation answers out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from sim.reducer import host, rollout
from sim.reducer.artifact import FleetArtifact, parse_artifact
from sim.reducer.errors import FleetError, StepError, VectorError
from sim.reducer.events import HostEvent, RolloutEvent
from sim.reducer.gates import RolloutSummary, View
from sim.reducer.manifest import Manifest, manifest_to_json, project_manifest
from sim.reducer.planner import advance_waves, plan_next
from sim.reducer.records import HealthPolicy, HostRecord, RolloutRecord


class _FleetState(msgspec.Struct, frozen=True):
    hosts: list[HostRecord]
    rollouts: list[RolloutSummary]
    outstanding_failing_enforce_probes: dict[str, dict[str, int]] = {}


def expected_of(case: Mapping[str, Any]) -> object:
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
        return _KINDS[kind](case)
    except RecursionError:
        raise VectorError(f"{kind}: nested too deep") from None


def _input(case: Mapping[str, Any], key: str, form: Any) -> Any:
    if key not in case:
        raise VectorError(f"{case['kind']}: `{key}` is missing")
    try:
        return msgspec.convert(case[key], form)
    except (msgspec.ValidationError, OverflowError, TypeError, UnicodeEncodeError) as error:
        raise VectorError(f"{case['kind']}: `{key}`: {error}") from None


def _host_step(case: Mapping[str, Any]) -> object:
    record: HostRecord = _input(case, "state", HostRecord)
    event: HostEvent = _input(case, "event", HostEvent)
    policy: HealthPolicy = _input(case, "on_health_failure", HealthPolicy)
    try:
        after, effects = host.step(record, event, policy)
    except StepError as error:
        return {"error": error.kind}
    return {"state": msgspec.to_builtins(after), "effects": msgspec.to_builtins(list(effects))}


def _rollout_step(case: Mapping[str, Any]) -> object:
    record: RolloutRecord = _input(case, "record", RolloutRecord)
    event: RolloutEvent = _input(case, "event", RolloutEvent)
    try:
        after, effects = rollout.step(record, event)
    except StepError as error:
        return {"error": error.kind}
    return {"record": msgspec.to_builtins(after), "effects": msgspec.to_builtins(list(effects))}


def _plan(case: Mapping[str, Any]) -> object:
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
    return {"advance_waves": advance_waves(view), "actions": msgspec.to_builtins(plan_next(view, now))}


def _project_manifest(case: Mapping[str, Any]) -> object:
    channel: str = _input(case, "channel", str)
    commit: str | None = _input(case, "ci_commit", str | None)
    try:
        manifest = project_manifest(_fleet(case), channel, commit)
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


_KINDS: dict[str, Callable[[Mapping[str, Any]], object]] = {
    "host_step": _host_step,
    "rollout_step": _rollout_step,
    "plan": _plan,
    "project_manifest": _project_manifest,
}
