"""What a calibration holds: laws, probabilities, who differs, and what the log does not tell."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from sim.data.durations import Durations
from sim.data.fitting import Fit, Share, fit
from sim.data.groups import Apart, Group
from sim.data.openings import Openings
from sim.data.outcomes import Outcomes
from sim.data.probing import Probing

DURATIONS = ("activation", "reboot", "rollback", "boot", "network_delay")
"""Settings of hosts that are durations."""
BOOT = 60.0
"""The default of `boot` (s): a log cannot tell the boot from the wait before it."""


class Seen(NamedTuple):
    """What the rows of a log were turned into."""

    outcomes: Outcomes
    probing: Probing
    openings: Openings


class FittedProbe(msgspec.Struct):
    """A probe as a scenario has it; `match` is None where all hosts have it. Times in seconds."""

    kind: str
    mode: str
    match: dict[str, Any] | None
    interval: float | None
    flake: Share | None
    up: Fit | None = None
    down: Fit | None = None


class Defect(msgspec.Struct):
    """What was wrong with a release, by its reference: how many of the hosts that soaked failed, by which probe, and
    how long after the activation."""

    share: Share
    probe: str | None
    channel: str | None
    onset: Fit | None


class Calibration(msgspec.Struct):
    """What a log says. The keys of `fits` and `shares` are settings of the hosts, with the group in brackets where one
    differs, and of the probes."""

    rows: int
    seconds: float
    hosts: int
    fits: dict[str, Fit] = {}
    shares: dict[str, Share] = {}
    samples: dict[str, Durations] = {}
    """What each of the fits was fitted to."""
    apart: dict[str, list[Apart]] = {}
    groups: list[Group] = []
    probes: dict[str, FittedProbe] = {}
    defects: dict[str, Defect] = {}
    components: dict[str, int] = {}
    timeout: float | None = None
    boot: float = BOOT
    heartbeat: float | None = None
    plan_tick: float | None = None
    soak_from: str | None = None
    left: list[str] = []
    """Settings that keep their default, and why."""
    unknown: list[str] = []
    """What a log cannot tell."""

    def to_json(self) -> dict[str, Any]:
        """As page 10 has it, and what is not known besides."""
        return {
            "rows": self.rows,
            "fits": {name: found.to_json() for name, found in self.fits.items()},
            "probabilities": {name: found.to_json() for name, found in self.shares.items()},
            "defaults": self.left,
            "not_known": self.unknown,
        }


def named(setting: str, group: Group | None) -> str:
    """A setting of the hosts, of a group or of all others."""
    return setting if group is None else f"{setting} ({group.name})"


def fit_or_leave(found: Calibration, name: str, sample: Durations, only: str | None = None) -> Fit | None:
    """Fit a sample, or leave the setting as it is by default."""
    try:
        fitted = fit(sample, only)
    except ValueError as error:
        found.left.append(f"{name}: {error}{_also(sample)}")
        return None
    found.fits[name], found.samples[name] = fitted, sample
    return fitted


def _also(sample: Durations) -> str:
    return f" ({len(sample.censored):,} were still under way)" if len(sample.censored) else ""
