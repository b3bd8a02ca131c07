"""Whether a heartbeat can make a step, so that it has to be an event (spec pages 4 and 5, heartbeats)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.reducer.records import ORDER

if TYPE_CHECKING:
    from sim.model.host import Host

LIVE = frozenset({"Pending", "Activating", "Deferred", "Soaking"})
UNVERIFIED = frozenset({"Pending", "Activating", "Deferred"})
SOAKING = ORDER["Soaking"]


def may_step(host: Host) -> bool:
    """Whether a heartbeat could make the control plane step a record, or its reply take the agent's further.

    True too often does no harm: the heartbeat is then carried out and makes no difference.
    """
    for rollout in host.mirrored:
        mirror = rollout.mirrors[host.number]
        if mirror.state not in LIVE:
            continue
        ours = rollout.agents.get(host.number)
        theirs = ORDER[mirror.state]
        if ours is not None and ORDER[ours.state] >= SOAKING and theirs < SOAKING and not host.exact:
            continue  # the agent's own report is under way, ahead of any heartbeat sent since, and will be accepted
        if theirs < SOAKING and _may_say(host, mirror.target_closure):
            return True
        if theirs and (ours is None or ORDER[ours.state] < theirs):
            return True
    return False


def _may_say(host: Host, closure: str) -> bool:
    """Whether a heartbeat that is under way, or one still to be sent, may carry the closure."""
    if host.closure == closure:
        return True
    sent_since = host.world.clock.now - host.delay
    past = host.past_closures
    while past is not None:
        until, ran, past = past
        if until <= sent_since:
            return False
        if ran == closure:
            return True
    return False
