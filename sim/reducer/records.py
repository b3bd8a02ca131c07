"""The records the reducers step: one per (rollout, host) (spec page 1) and one per rollout (spec page 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

HostState = Literal["Pending", "Activating", "Deferred", "Soaking", "Converged", "Failed", "Reverted"]
RolloutState = Literal["Opening", "Active", "Converging", "Terminal", "Reverted", "Failed", "Superseded", "Pruned"]
HealthPolicy = Literal["halt", "rollback-and-halt"]
ProbeMode = Literal["enforce", "observe", "disabled"]
ProbeStatus = Literal["pass", "fail"]

STATES: tuple[HostState, ...] = (
    "Pending",
    "Activating",
    "Deferred",
    "Soaking",
    "Converged",
    "Failed",
    "Reverted",
)
ORDER = {state: place for place, state in enumerate(STATES)}
"""How far along each state is, which also is its number in the columns of a run."""
IN_FLIGHT = frozenset({"Activating", "Soaking"})
"""The states that count against a disruption budget (spec page 3, gate 5)."""


class ProbeEntry(msgspec.Struct, frozen=True, gc=False):
    """What a record remembers of one probe (spec page 1, `probes`). Times in seconds."""

    status: ProbeStatus
    mode: ProbeMode
    last_observed_at: float
    last_pass_at: float | None = None
    failure_reason: str | None = None


NO_PROBES: Mapping[str, ProbeEntry] = {}
"""`probes` before anything is seen of them: one for all records, of which a large fleet has hundreds of thousands."""


class HostRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One host in one rollout (spec page 1, Record). Times in seconds; `probes` maps a probe's name to its
    entry."""

    rollout_id: str
    hostname: str
    channel: str
    state: HostState = "Pending"
    target_closure: str
    current_closure_at_dispatch: str | None = None
    current_closure: str | None = None
    reverted_to: str | None = None
    dispatched_at: float
    dispatch_acked_at: float | None = None
    activation_started_at: float | None = None
    activation_completed_at: float | None = None
    activation_failed_at: float | None = None
    probe_observed_first_at: float | None = None
    probe_failure_first_at: float | None = None
    soak_due_at: float | None = None
    converged_at: float | None = None
    failed_at: float | None = None
    policy_applied: HealthPolicy | None = None
    reverted_at: float | None = None
    probes: Mapping[str, ProbeEntry] = {}
    last_event_seq: int = 0


class RolloutRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One rollout (spec page 2, Record). Times in seconds."""

    rollout_id: str
    channel: str
    target_ref: str
    state: RolloutState = "Opening"
    current_wave: int = 0
    opened_at: float
    terminal_at: float | None = None
    superseded_at: float | None = None
