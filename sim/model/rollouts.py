"""A rollout as the control plane knows it: its record, its mirrors of the hosts' records, and what the log needs."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

from sim.model.fleet import ChannelRelease, Fleet
from sim.reducer.records import HealthPolicy, HostRecord, RolloutRecord


class Rollout:
    """One rollout. `number` is its place in the order of opening; hosts are named by host number."""

    __slots__ = (
        "agents",
        "asked_at",
        "begun",
        "changed_at",
        "channel",
        "converged",
        "deferred_at_promotion",
        "failing",
        "failing_since",
        "first_dispatch_at",
        "hosts",
        "mirrors",
        "number",
        "on_health_failure",
        "opened_at",
        "parked",
        "premature",
        "queued",
        "record",
        "ref",
        "release",
        "rollout_id",
        "soak_of_wave",
        "soaks_since",
        "target_of",
        "wave_count",
        "wave_of",
        "wave_opened_at",
    )

    def __init__(
        self,
        number: int,
        record: RolloutRecord,
        release: ChannelRelease,
        on_health_failure: HealthPolicy,
        hosts: Sequence[int],
        wave_of: dict[int, int],
        wave_count: int,
        soak_of_wave: dict[int, float],
    ):
        self.number = number
        self.record = record
        self.release = release
        self.channel = record.channel
        self.ref = record.target_ref
        self.rollout_id = record.rollout_id
        self.opened_at = record.opened_at
        self.on_health_failure = on_health_failure
        self.hosts = hosts
        """In order of number, which is the order of name."""
        self.wave_of = wave_of
        """Host -> the wave that the gates see; -1 where the channel lists waves and the host is in none."""
        self.wave_count = wave_count
        self.soak_of_wave = soak_of_wave
        """Wave of `wave_of` -> seconds of soak of its hosts."""
        self.target_of = release.closures
        self.mirrors: dict[int, HostRecord] = {}
        """Host -> the control plane's record of it."""
        self.agents: dict[int, HostRecord] = {}
        """Host -> its agent's own record, of those that have one."""
        self.soaks_since: dict[int, float] = {}
        """Host -> when its mirror began to soak (s); not of those whose own report, which nothing awaited, said so."""
        self.converged = 0
        self.queued: dict[int, float] = {}
        """Host -> when its first dispatch was queued (s)."""
        self.begun: set[int] = set()
        """Hosts whose agent has had a dispatch delivered."""
        self.parked: set[int] = set()
        """Hosts whose dispatch waits in its slot because they are offline."""
        self.premature: set[int] = set()
        """Hosts whose mirror a heartbeat converged while it was Pending; what their agents may still report is
        refused."""
        self.failing: dict[int, dict[str, bool]] = {}
        """Host -> enforce probe -> whether its latest result is fail; a probe is listed once it has ever failed."""
        self.failing_since: dict[int, float] = {}
        """Host -> when gate 6 last came to count one more failing probe of it (s)."""
        self.wave_opened_at: dict[int, float] = {0: record.opened_at}
        self.first_dispatch_at: dict[int, float] = {}
        self.deferred_at_promotion: dict[int, int] = {}
        self.changed_at = record.opened_at
        self.asked_at: float | None = None

    def soak_of(self, host: int) -> float:
        """Seconds of soak of a host."""
        return self.soak_of_wave[self.wave_of[host]]


def rollout_of(
    number: int,
    release: ChannelRelease,
    fleet: Fleet,
    listed_in: Mapping[str, tuple[int, ...]],
    default_soak: float,
    now: float,
) -> Rollout:
    """The rollout of a release that is opened now (s) on its channel, without a mirror of any host yet.

    Args:
        listed_in: host name -> the waves of the channel that list it, in order.
        default_soak: seconds for hosts whose wave index the policy does not have.
    """
    manifest, channel, artifact = release.manifest, release.channel, fleet.artifact
    assert manifest is not None
    policy = artifact.rollout_policies[artifact.channels[channel].rollout_policy]
    waves = artifact.waves.get(channel, [])
    absent = (-1,) if waves else (0,)
    soaks = dict.fromkeys(range(max(1, len(waves))), default_soak)
    soaks |= {wave: _soak_seconds(one.soak_minutes) for wave, one in enumerate(policy.waves)}
    soaks[-1] = soaks[0]  # a manifest gives the wave index 0 to hosts that no wave lists
    hosts, names = sorted(release.closures), fleet.names
    wave_of = {host: listed_in.get(names[host], absent)[0] for host in hosts}
    record = RolloutRecord(
        rollout_id=manifest.rollout_id,
        channel=channel,
        target_ref=manifest.channel_ref,
        state="Opening",
        current_wave=0,
        opened_at=now,
    )
    return Rollout(
        number, record, release, policy.on_health_failure, array("i", hosts), wave_of, max(1, len(waves)), soaks
    )


def _soak_seconds(minutes: float) -> float:
    """A soak of the artifact, in minutes, as seconds on the grid of times."""
    return round(minutes * 60.0 * 2**20) / 2**20
