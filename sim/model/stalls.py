"""Why a rollout of a quiescent run is not over (page 9, `stalled`)."""

from __future__ import annotations

from collections.abc import Iterable

from sim.model.recording import Stall, Waiting
from sim.model.rollouts import Rollout
from sim.model.world import World
from sim.reducer.records import STATES

SIGNING_AGE = "manifest-signing-age"
UNREACHABLE = "unreachable"
"""Not gates: what holds a pending host that every gate would let go."""


def stall_of(world: World, rollout: Rollout) -> Stall | None:
    """What a rollout waits for at the end of a quiescent run; None if it is Terminal or Superseded.

    Hosts still pending are told by the gate that holds them; where none is, the hosts short of `Converged`
    by their state.
    """
    if rollout.record.state in ("Terminal", "Superseded", "Pruned"):
        return None
    pending = [host for host in rollout.hosts if rollout.mirrors[host].state == "Pending"]
    if pending:
        waiting = _gates(world, rollout, pending)
    else:
        waiting = []
        for state in STATES:
            hosts = [host for host in rollout.hosts if rollout.mirrors[host].state == state]
            if hosts and state != "Converged":
                waiting.append(Waiting(state, len(hosts), _names(world, hosts)))
    return Stall(rollout.record.current_wave, rollout.changed_at, waiting)


def _gates(world: World, rollout: Rollout, pending: list[int]) -> list[Waiting]:
    index = world.control_plane.index
    held: dict[str, dict[str, int]] = {}
    counted = 0
    for rollout_id, _, gate, reason, hosts in index.blocked_groups():
        if rollout_id == rollout.rollout_id and hosts:
            reasons = held.setdefault(gate, {})
            reasons[reason] = reasons.get(reason, 0) + hosts
            counted += hosts
    waiting = [
        Waiting(gate, sum(reasons.values()), _culprits(world, rollout, gate, reasons)) for gate, reasons in held.items()
    ]
    if counted < len(pending):
        free = [host for host in pending if index.ask(rollout.rollout_id, world.fleet.names[host]) is None]
        now, plane = world.clock.now, world.control_plane
        refused = [host for host in free if plane.doomed(rollout, now + world.hosts[host].delay)]
        rest = [host for host in free if host not in set(refused)]
        for what, hosts_left in ((SIGNING_AGE, refused), (UNREACHABLE, rest)):
            if hosts_left:
                waiting.append(Waiting(what, len(hosts_left), _names(world, hosts_left)))
    return waiting


def _culprits(world: World, rollout: Rollout, gate: str, reasons: Iterable[str]) -> list[str]:
    """The hosts, budget or channel that hold a gate, from the gate's reasons (page 3); names may hold blanks."""
    match gate:
        case "channel-edges":
            return sorted(reason.removeprefix("predecessor=") for reason in reasons)
        case "host-edge":
            return sorted(reason.removeprefix("gating_host=") for reason in reasons)
        case "quarantine":
            return sorted({reason.partition(" closure=")[2] for reason in reasons})
        case "wave-promotion":
            return _ineligible(world, rollout)
        case "wave-promotion-host-unstaged":
            unstaged = [host for host in rollout.hosts if rollout.wave_of[host] == -1]
            return _names(world, [host for host in unstaged if rollout.mirrors[host].state == "Pending"])
        case "disruption-budget":
            return sorted({reason.partition(" selector=")[2] for reason in reasons})
        case "compliance-wave":
            failing = [host for host, probes in rollout.failing.items() if any(probes.values()) or _sticky(world)]
            return _names(world, sorted(failing))
        case _:
            return sorted(reasons)


def _sticky(world: World) -> bool:
    return world.rules.compliance_wave == "sticky"


def _ineligible(world: World, rollout: Rollout) -> list[str]:
    """The hosts that the current wave lists and that do not count as done."""
    fleet = world.fleet
    waves = fleet.artifact.waves.get(rollout.channel, [])
    eligible = ("Converged",) if world.rules.deferred == "strict" else ("Converged", "Deferred")
    listed = waves[rollout.record.current_wave].hosts
    return [
        name
        for name in listed
        if name not in fleet.numbers
        or (mirror := rollout.mirrors.get(fleet.numbers[name])) is None
        or mirror.state not in eligible
    ]


def _names(world: World, hosts: list[int]) -> list[str]:
    return [world.fleet.names[host] for host in hosts]
