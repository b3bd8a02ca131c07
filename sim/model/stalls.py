"""Why a rollout of a quiescent run is not over, and since when that has been so (page 9, `stalled`).

Page 9 leaves open what `since_s` counts from. Here it is the first time from which on all that the stall says is true:
the last change, in the control plane's eyes, of a host that holds it into the state in which it holds it, and not
before the gate began to hold. So "wave 2 waits since 3h10m for host-17, Deferred" means that host-17 was deferred at
3h10m. What goes on beside it, as hosts of the wave that converge later, moves nothing. All of it is the control plane's
record of reports and decisions, so that both fidelities agree.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sim.model.recording import Stall, Waiting
from sim.model.rollouts import Rollout
from sim.model.world import World
from sim.reducer.records import IN_FLIGHT, STATES
from sim.reducer.selectors import summary

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
    since: list[float] = []
    if pending:
        waiting = _gates(world, rollout, pending, since)
    else:
        waiting = []
        for state in STATES:
            hosts = [host for host in rollout.hosts if rollout.mirrors[host].state == state]
            if hosts and state != "Converged":
                waiting.append(Waiting(state, len(hosts), _names(world, hosts)))
                since.append(_changed(world, rollout, hosts))
    return Stall(rollout.record.current_wave, max(since, default=rollout.changed_at), waiting)


def _gates(world: World, rollout: Rollout, pending: list[int], since: list[float]) -> list[Waiting]:
    """What holds the pending hosts; since when each of that does is added to `since` (s)."""
    index = world.control_plane.index
    held: dict[str, dict[str, int]] = {}
    counted = 0
    for rollout_id, _, gate, reason, hosts in index.blocked_groups():
        if rollout_id == rollout.rollout_id and hosts:
            reasons = held.setdefault(gate, {})
            reasons[reason] = reasons.get(reason, 0) + hosts
            counted += hosts
    waiting = []
    for gate, reasons in held.items():
        culprits = _culprits(world, rollout, gate, reasons)
        waiting.append(Waiting(gate, sum(reasons.values()), culprits))
        since.append(_held_since(world, rollout, gate, culprits))
    if counted < len(pending):
        free = [host for host in pending if index.ask(rollout.rollout_id, world.fleet.names[host]) is None]
        now, plane = world.clock.now, world.control_plane
        refused = [host for host in free if plane.doomed(rollout, now + world.hosts[host].delay)]
        rest = [host for host in free if host not in set(refused)]
        for what, hosts_left in ((SIGNING_AGE, refused), (UNREACHABLE, rest)):
            if hosts_left:
                waiting.append(Waiting(what, len(hosts_left), _names(world, hosts_left)))
                since.append(max(rollout.queued.get(host, rollout.opened_at) for host in hosts_left))
    return waiting


def _held_since(world: World, rollout: Rollout, gate: str, culprits: list[str]) -> float:
    """Since when (s) a gate has held the rollout's hosts for what holds it now."""
    plane, numbers = world.control_plane, world.fleet.numbers
    # gates 4 to 6 are asked only of hosts whose wave has come, and of an earlier wave none is pending
    wave_opened = rollout.wave_opened_at[rollout.record.current_wave]
    match gate:
        case "wave-promotion" | "host-edge":
            return max(wave_opened, _changed(world, rollout, [numbers[name] for name in culprits if name in numbers]))
        case "channel-edges":
            # of a channel that goes first the newest rollout counts, and only while it is not over
            first = [one.opened_at for one in plane.rollouts if one.channel in culprits and _counts(one)]
            return max([rollout.opened_at, *first])
        case "quarantine":
            first_back = _quarantined_at(world, rollout.channel)
            return max([rollout.opened_at, *(first_back[closure] for closure in culprits)])
        case "disruption-budget":
            return max([wave_opened, *(_busy_since(world, one, culprits) for one in plane.rollouts)])
        case "compliance-wave":
            return max([wave_opened, *(rollout.failing_since[numbers[name]] for name in culprits)])
        case _:
            return rollout.opened_at


def _changed(world: World, rollout: Rollout, hosts: Iterable[int]) -> float:
    """The last time (s) at which a mirror of these hosts changed its state; the opening where none ever did."""
    moves = world.mirror_moves.columns()
    mine = (moves.rollout == rollout.number) & np.isin(moves.host, list(hosts))
    return float(moves.at[mine].max(initial=rollout.opened_at))


def _quarantined_at(world: World, channel: str) -> dict[str, float]:
    """By closure when (s) the first host of the channel went back from it."""
    moves, rollouts = world.mirror_moves.columns(), world.control_plane.rollouts
    back = moves.target == STATES.index("Reverted")
    found: dict[str, float] = {}
    for number, host, at in zip(moves.rollout[back], moves.host[back], moves.at[back], strict=True):
        if rollouts[number].channel == channel:
            found.setdefault(rollouts[number].target_of[int(host)], float(at))
    return found


def _counts(rollout: Rollout) -> bool:
    """Whether the planner has it in view and it is not over."""
    return rollout.record.state not in ("Terminal", "Superseded", "Pruned")


def _busy_since(world: World, rollout: Rollout, selectors: list[str]) -> float:
    """The last time (s) at which a host of these budgets came into the state in which it is in flight."""
    manifest = rollout.release.manifest
    assert manifest is not None
    numbers = world.fleet.numbers
    listed = {name for one in manifest.disruption_budgets if summary(one.selector) in selectors for name in one.hosts}
    found = (rollout.mirrors.get(numbers[name]) for name in listed)
    busy = [numbers[mirror.hostname] for mirror in found if mirror is not None and mirror.state in IN_FLIGHT]
    return _changed(world, rollout, busy) if busy and _counts(rollout) else rollout.opened_at


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
            last = max(int(reason.rpartition("=")[2]) for reason in reasons)
            earlier = {name for wave in world.fleet.artifact.waves[rollout.channel][:last] for name in wave.hosts}
            failing = [host for host, probes in rollout.failing.items() if any(probes.values()) or _sticky(world)]
            return [name for name in _names(world, sorted(failing)) if name in earlier]
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
