"""What a log does not tell, in words: each stands in the scenario, so that nobody takes a default for a measurement."""

from __future__ import annotations

from collections.abc import Iterator

from sim.data.calibration import Calibration, Seen
from sim.reducer.artifact import FleetArtifact
from sim.reducer.gates import CHANNEL_EDGES, DISRUPTION_BUDGET, HOST_EDGE, UNSTAGED
from sim.result.words import counted


def untold(seen: Seen, found: Calibration, artifact: FleetArtifact | None) -> Iterator[str]:
    """What no log tells, or this one does not; a sentence each, beginning with the setting that it is of."""
    yield "rules: only soak_from shows in a log; where others are not the defaults, as deferred may be strict, set them"
    yield "online: an idle host that is offline looks like one that is not; times of hosts that were are too long"
    if seen.probing.caught_up:
        yield f"online: {seen.probing.caught_up:,} probe results came late, together: some hosts were offline"
    if seen.outcomes.late:
        yield f"activation: {seen.outcomes.late:,} were told of late, by hosts that were offline: by their own clocks"
    if seen.outcomes.at_once:
        left_out = counted(seen.outcomes.at_once, "duration")
        yield f"activation: {left_out} of 0s left out, as hosts that were offline tell both ends at once"
    if any(name.startswith("reboot") for name in found.fits):
        taken = "has been taken off the wait" if found.boot else "is 0s, as some were back sooner than after 60s"
        yield f"boot: a log has the wait and the boot together; the boot {taken}"
        yield "reboot: a daily window, or hosts that never reboot, are not told from long waits"
        yield "boot_failure: a host that never comes back looks like one that is late"
    for name, probe in found.probes.items():
        if probe.down is not None:
            yield (
                f"probes.{name}: an outage of a single run looks like a flake; how many there are, and of none, is "
                "reckoned for exponential times: no other law can be told from windows and without the shortest"
            )
    if artifact is None:
        yield from _of_the_fleet(seen)
    else:
        strange = sum(host not in artifact.hosts for one in seen.openings.rollouts.values() for host in one.hosts)
        if strange:
            yield f"fleet: the artifact lacks {strange:,} hosts of the log's rollouts; they are left out of what is run"
    waiting = seen.outcomes.stuck
    if waiting and not any(name.startswith("rollback") for name in found.fits):
        yield f"rollback: {waiting:,} hosts failed and did not come back; whether they would have is not known"


def _of_the_fleet(seen: Seen) -> Iterator[str]:
    """What the artifact knows and was not given."""
    for gate, what in ((HOST_EDGE, "edges"), (CHANNEL_EDGES, "channel_edges")):
        if gate in seen.openings.gates:
            yield f"{what}: the gate {gate} held hosts; who goes first is not in the log, but in the artifact (--fleet)"
    if UNSTAGED in seen.openings.gates:
        yield "waves: some hosts are in none; a log puts them into the first, as HostJoined does"
    soaks = seen.openings.soaks()
    for channel, hosts in seen.openings.channels().items():
        unseen = sorted(set(hosts.values()) - soaks[channel].keys())
        if unseen:
            which = ", ".join(map(str, unseen))
            yield f"waves: nothing was sent to wave {which} of channel {channel}; its soak is the default of 1h"
    if DISRUPTION_BUDGET in seen.openings.gates:
        yield (
            "disruption_budgets: a budget held hosts; whose it is is not in the log, but in the artifact (--fleet). "
            "Without it each channel gets one, of the most hosts that were in flight at once"
        )
