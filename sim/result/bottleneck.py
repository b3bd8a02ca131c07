"""Which wave is the bottleneck of a rollout, and what its hosts' time went into: one answer for `describe` and the
report.

The bottleneck of a finished rollout is the wave through whose hosts most of its critical path runs, of waves alike the
one that comes first on it. A slow wave off that path is none: the rollout would end no sooner without it. The
bottleneck of a stalled rollout is the wave that it does not leave.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from sim.reducer.gates import GATES
from sim.result.keys import PARTS
from sim.result.words import duration, shortened

if TYPE_CHECKING:
    from sim.result.critical import Link
    from sim.result.result import Result

GATE_WORDS = {
    "quarantine": "the quarantine",
    "channel-edges": "channels that go first",
    "wave-promotion": "waves that go first",
    "wave-promotion-host-unstaged": "the want of a wave that lists them",
    "host-edge": "hosts that go first",
    "disruption-budget": "disruption budgets",
    "compliance-wave": "failed probes in earlier waves",
}
"""What each gate holds hosts because of."""

PART_WORDS = {
    "tick_s": "waiting for the first plan pass",
    "gates_s": "held by gates",
    "network_s": "with the dispatch under way or the host offline",
    "activating_s": "activating",
    "deferred_s": "waiting for a reboot",
    "soaking_failing_s": "soaking with failing probes",
    "soaking_clock_s": "soaking for the clock alone",
    "stopped_s": "failed or rolled back",
    "superseded_s": "passed over by a newer release",
}
"""What a host does in each of the parts of a wave's time (`sim.result.measures.PARTS`)."""

_LINK_WORDS = {
    "soak clock": "soaking",
    "probe results": "waiting for probe results",
    "reboot": "waiting for a reboot",
    "activation": "activating",
    "network": "waiting for a host to be reachable",
    "plan pass": "waiting for the next plan pass",
}
"""What a link of the critical path waited for; where it is a gate, see `GATE_WORDS`."""


class Bottleneck(NamedTuple):
    """Where the end of a finished rollout was set: in which wave of which rollout (another channel's, where that had to
    go first; no wave where none lists the hosts), for how long of the whole, and what most of that was for, longest on
    one host. Times in seconds."""

    rollout_id: str
    wave: int | None
    there_s: float
    whole_s: float
    what: str
    what_s: float
    host: str


def bottleneck(result: Result, links: list[Link]) -> Bottleneck | None:
    """The bottleneck on a critical path; None where the path is empty, as of a rollout that was over at once."""
    wave_of = _waves_of(result, {link.host for link in links})
    spent: dict[tuple[str, int | None], list[Link]] = {}
    for link in links:
        spent.setdefault((link.rollout_id, wave_of[link.rollout_id, link.host]), []).append(link)
    if not spent:
        return None
    (rollout_id, wave), there = max(spent.items(), key=lambda one: _length(one[1]))
    kinds: dict[str, list[Link]] = {}
    for link in there:
        kinds.setdefault(link.what, []).append(link)
    what, longest = max(kinds.items(), key=lambda one: _length(one[1]))
    host = max(longest, key=lambda link: link.to_s - link.from_s).host
    return Bottleneck(rollout_id, wave, _length(there), _length(links), what, _length(longest), host)


def bottleneck_sentence(rollout: dict[str, Any], found: Bottleneck | None) -> str | None:
    """The bottleneck of a rollout of a summary in words; `found` is what `bottleneck` says of a finished one. None
    where there is none to name: the rollout is under way or was superseded, or it is stalled and has but one wave."""
    stalled, waves = rollout["stalled"], rollout["waves"]
    if stalled is not None and len(waves) > 1:
        opened_at = waves[stalled["wave"]]["opened_at_s"]
        opened = "" if opened_at is None else f", open since {duration(opened_at)}"
        return f"The bottleneck is wave {stalled['wave']}{opened}: the rollout does not leave it."
    if rollout["terminal_at_s"] is None or found is None:
        return None
    doing = _LINK_WORDS.get(found.what, f"held because of {GATE_WORDS.get(found.what, found.what)}")
    took, passed, whole = duration(found.what_s), duration(found.there_s), duration(found.whole_s)
    if found.rollout_id == rollout["rollout_id"] and len(waves) == 1:
        return f"All its hosts go in one wave; what set the end most is {doing}: {took} ({shortened(found.host)})."
    where = "the hosts in no wave" if found.wave is None else f"wave {found.wave}"
    return (
        f"The bottleneck is {where} of {found.rollout_id}: of the {whole} that set the end "
        f"{'all' if passed == whole else passed} passed there, {'all' if took == passed else took} of it {doing} "
        f"({shortened(found.host)})."
    )


def most_time(rollout: dict[str, Any]) -> tuple[str, float] | None:
    """The part of its hosts' time short of Converged that is the largest, and its share; None where they took none.

    Of parts that are equal the one counts that comes first in a host's way, which is the order of `PARTS`: of gates and
    network the gates, because without them the host would have been sent its dispatch before it was out of reach.
    """
    seconds = {part: sum(wave["parts"][part] for wave in rollout["waves"]) for part in PARTS}
    whole = sum(seconds.values())
    if whole <= 0:
        return None
    part = max(PARTS, key=lambda one: seconds[one])
    return part, seconds[part] / whole


def held_by(gates: pd.DataFrame, rollout_id: str) -> dict[str, float]:
    """Host-seconds for which each gate held the rollout's hosts, the longest first, of those alike the one that is
    asked first. `gates` is the frame of that name."""
    held = gates[gates["rollout_id"] == rollout_id].groupby("gate")["blocked_s"].sum()
    asked = [gate for gate in GATES if held.get(gate, 0.0) > 0]
    return {gate: float(held[gate]) for gate in sorted(asked, key=lambda gate: -held[gate])}


def _length(links: Iterable[Link]) -> float:
    return sum(link.to_s - link.from_s for link in links)


def _waves_of(result: Result, hosts: set[str]) -> dict[tuple[str, str], int | None]:
    frame = result.hosts
    frame = frame[frame["host"].isin(hosts)]
    return {
        (str(rollout), str(host)): None if pd.isna(wave) else int(wave)
        for rollout, host, wave in zip(frame["rollout_id"], frame["host"], frame["wave"], strict=True)
    }
