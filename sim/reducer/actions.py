"""What a plan pass asks the control plane to do (spec page 3). Times in seconds."""

from __future__ import annotations

from sim.reducer.payloads import Tagged


class OpenRollout(Tagged, frozen=True):
    """A channel's manifest names a rollout that does not exist yet."""

    rollout_id: str
    channel: str
    target_ref: str


class QueueDispatch(Tagged, frozen=True):
    """A pending host may go."""

    host: str
    rollout: str
    target_closure: str
    soak_due_at: float


class DeferDispatch(Tagged, frozen=True):
    """A pending host has to wait: the gate that holds it, and why."""

    host: str
    rollout: str
    gate: str
    reason: str


Action = OpenRollout | QueueDispatch | DeferDispatch
