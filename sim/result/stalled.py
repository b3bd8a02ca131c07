"""What a stalled rollout waits for, in a sentence a person would write, and what one can do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from sim.result.words import counted, duration, some

if TYPE_CHECKING:
    from sim.result.result import Result

StateOf = Callable[[str, str], str | None]
"""(rollout id, host name) -> the state at the end, None where the rollout does not have the host."""


def states_at_the_end(result: Result) -> StateOf:
    """How to look a host's state at the end up; the table is read when it is first needed."""
    found: dict[tuple[str, str], str] = {}

    def state_of(rollout_id: str, host: str) -> str | None:
        if not found:
            frame = result.hosts[["rollout_id", "host", "state"]].astype("str")
            for rollout, name, state in frame.itertuples(index=False):
                found[rollout, name] = state
        return found.get((rollout_id, host))

    return state_of


def stall_sentences(rollout: dict[str, Any], state_of: StateOf) -> Iterator[str]:
    """What a stalled rollout of a summary waits for, and what one can do about it."""
    stalled = rollout["stalled"]
    waits = [_waiting(one, rollout["rollout_id"], state_of) for one in stalled["waiting_for"]]
    said = "; ".join(waits) or "nothing is due any more"
    since = duration(stalled["since_s"])
    yield f"{rollout['channel']} waits in wave {stalled['wave']} since {since}: {said}"
    for kind in dict.fromkeys(one["gate"] for one in stalled["waiting_for"]):
        if kind in _WHAT_TO_DO:
            yield f"-> {_WHAT_TO_DO[kind]}"


def _waiting(waiting: dict[str, Any], rollout_id: str, state_of: StateOf) -> str:
    gate, hosts = waiting["gate"], counted(waiting["hosts"], "host")
    names = waiting["culprits"]
    shown = some(names)
    match gate:
        case "wave-promotion":
            awaited = _with_states(names, rollout_id, state_of) or "a wave that lists no host"
            return f"{gate} holds {hosts}, waiting for {awaited}"
        case "host-edge":
            return f"{gate} holds {hosts}, waiting for {_with_states(names, rollout_id, state_of)}"
        case "channel-edges":
            return f"{gate} holds {hosts}, waiting for the rollout of {shown}"
        case "quarantine":
            return f"{gate} holds {hosts}, whose closure a host has reverted ({shown})"
        case "wave-promotion-host-unstaged":
            return f"{gate} holds {hosts} that no wave lists ({shown})"
        case "disruption-budget":
            return f"{gate} holds {hosts}, waiting for room in the budget of {shown}"
        case "compliance-wave":
            return f"{gate} holds {hosts}, because of failed enforce probes on {shown}"
        case "manifest-signing-age":
            return f"{hosts} refuse the dispatch because the manifest was signed too long ago ({shown})"
        case "unreachable":
            return f"{hosts} may go but will never take the dispatch ({shown})"
        case _:
            return f"{hosts} will stay {gate} ({shown})"


def _with_states(names: list[str], rollout_id: str, state_of: StateOf) -> str:
    """`host-17 (Failed) and 3 more`."""
    shown = names[:3]
    known = [f"{name} ({state_of(rollout_id, name) or 'not in this rollout'})" for name in shown]
    return some(known + names[len(shown) :], len(shown))


_WHAT_TO_DO = {
    "wave-promotion": "the wave is left when every host it lists is Converged or Deferred: see why those are not",
    "host-edge": "see why the host that goes first is not done, or drop the edge",
    "channel-edges": "the channel that goes first has to finish, or drop the edge",
    "quarantine": "release another closure; rules.quarantine=recorded does as the system as built",
    "wave-promotion-host-unstaged": "let a wave of the policy list them",
    "disruption-budget": "see why the hosts in flight stay there, or raise max_in_flight",
    "compliance-wave": "rules.compliance_wave=latest lets a probe that passes again count as passed",
    "manifest-signing-age": "sign more often (control_plane.resign) or allow more (control_plane.manifest_max_age)",
    "unreachable": "see hosts.default.online and the overrides: do they ever come online again?",
    "Activating": "hosts.default.activation_timeout ends an activation that takes too long",
    "Deferred": "they wait for a reboot (hosts.default.reboot, boot_failure)",
    "Soaking": "an enforce probe that fails, or a closure that is not the target, keeps them from converging",
    "Failed": "a failed host stays so until a later release reaches it",
    "Reverted": "a reverted host stays so until a later release reaches it",
}
