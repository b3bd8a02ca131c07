"""What a stalled rollout waits for, in a sentence a person would write, and what one can do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.result.fates import FateOf, alike, told
from sim.result.words import counted, duration, some

WAIT_FOR_HOSTS = ("wave-promotion", "host-edge")
"""Gates whose culprits are hosts of the rollout that have to be done first."""


def stall_sentences(rollout: dict[str, Any], fate_of: FateOf) -> Iterator[str]:
    """What a stalled rollout of a summary waits for, and what one can do about it."""
    stalled = rollout["stalled"]
    waits = [_waiting(one, rollout["rollout_id"], fate_of) for one in stalled["waiting_for"]]
    said = "; ".join(waits) or "nothing is due any more"
    since = duration(stalled["since_s"])
    yield f"{rollout['channel']} waits in wave {stalled['wave']} since {since}: {said}"
    for kind in dict.fromkeys(_kinds(stalled["waiting_for"], rollout["rollout_id"], fate_of)):
        if kind in _WHAT_TO_DO:
            yield f"-> {_WHAT_TO_DO[kind]}"


def _kinds(waiting_for: list[dict[str, Any]], rollout_id: str, fate_of: FateOf) -> Iterator[str]:
    """The gates and states to say something about: where a gate waits for hosts, their states; where these are only
    hosts that another gate holds, that one alone."""
    for one in waiting_for:
        fates = [fate_of(rollout_id, name) for name in one["culprits"]] if one["gate"] in WAIT_FOR_HOSTS else []
        states = {fate.state if fate else "" for fate in fates}
        if states == {"Pending"} and len(waiting_for) > 1:
            continue
        yield from sorted(states & set(_WHAT_TO_DO)) or [one["gate"]]


def _waiting(waiting: dict[str, Any], rollout_id: str, fate_of: FateOf) -> str:
    gate, hosts = waiting["gate"], counted(waiting["hosts"], "host")
    names = waiting["culprits"]
    shown = some(names)
    match gate:
        case "wave-promotion":
            awaited = told(names, rollout_id, fate_of) or "a wave that lists no host"
            return f"{gate} holds {hosts}, waiting for {awaited}"
        case "host-edge":
            return f"{gate} holds {hosts}, waiting for {told(names, rollout_id, fate_of)}"
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
            stay = alike(names, rollout_id, fate_of).items()
            return "; ".join(
                f"{counted(len(some_hosts), 'host')} will stay {gate}{f': {why}' if why else ''} ({some(some_hosts)})"
                for why, some_hosts in stay
            )


_WHAT_TO_DO = {
    "wave-promotion": "a wave is left when every host that it lists is done: see who is not, and why",
    "host-edge": "see why the host that goes first is not done, or drop the edge",
    "channel-edges": "the channel that goes first has to finish, or drop the edge",
    "quarantine": "release another closure; rules.quarantine=recorded does as the system as built",
    "wave-promotion-host-unstaged": "let a wave of the policy list them",
    "disruption-budget": "see why the hosts in flight stay there, or raise max_in_flight",
    "compliance-wave": "rules.compliance_wave=latest lets a probe that passes again count as passed",
    "manifest-signing-age": "sign more often (control_plane.resign) or allow more (control_plane.manifest_max_age)",
    "unreachable": "see hosts.default.online and the overrides: do they ever come online again?",
    "Activating": "hosts.default.activation_timeout ends an activation that takes too long",
    "Deferred": "they need a reboot: hosts.default.reboot says when, boot_failure how often it fails",
    "Soaking": "an enforce probe that fails, or a closure that is not the target, keeps them from converging",
    "Failed": "a failed host stays so until a later release reaches it",
    "Reverted": "a reverted host stays so until a later release reaches it",
}
