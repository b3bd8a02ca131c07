"""What runs at a setting wait for: the parts of the chain that set the end of a rollout, or, in runs where it did not
end, of its hosts' time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.experiment.metrics import Metric
from sim.experiment.points import Values
from sim.experiment.work import Measure
from sim.reducer.gates import GATES
from sim.result.critical import ACTIVATION, NETWORK, PASS, PROBES, REBOOT, SOAK

if TYPE_CHECKING:
    from sim.result import Result

_OF_CHAIN = {
    SOAK: "soak",
    PROBES: "probes",
    REBOOT: "reboot",
    ACTIVATION: "activation",
    NETWORK: "network",
    PASS: "control plane tick",
}
_OF_HOSTS = {
    "soaking_clock_s": "soak",
    "soaking_failing_s": "probes",
    "deferred_s": "reboot",
    "activating_s": "activation",
    "network_s": "network",
    "tick_s": "control plane tick",
    "stopped_s": "failed hosts",
    "superseded_s": "a later release",
}
_GATE = {gate: f"gate {gate}" for gate in GATES}
WHAT = (*dict.fromkeys([*_OF_CHAIN.values(), *_OF_HOSTS.values(), *_GATE.values()]),)
"""What there is to wait for."""
COLUMNS = ("finished", *WHAT)
"""What a worker sends back: whether the rollout finished (1 or 0), then the time waited for each."""


class Bottleneck(NamedTuple):
    """What most of the time went into, and which share of it."""

    what: str
    share: float
    shares: Mapping[str, float]
    """Of all there is to wait for, the largest first."""
    finished: bool
    """Whether it is about the chain that set the end of finished rollouts (else: about the hosts' time in others)."""
    runs: int
    """How many it is about."""


def measure_for(metric: Metric) -> Measure[Values]:
    """What to make of a run to know where its time went, in the rollout that a metric is about; in the one that ended
    last, where it is about none."""
    return partial(waited, rollout=metric.steps[1] if metric.steps[0] == "rollouts" else None)


def waited(result: Result, rollout: str | int | None) -> Values:
    """`COLUMNS` of a run: seconds on the critical path of a finished rollout, host-seconds of another; all None where
    the rollout has not opened."""
    found = _rollout(result.summary["rollouts"], rollout)
    if found is None:
        return (None,) * len(COLUMNS)
    times = dict.fromkeys(WHAT, 0.0)
    finished = found["terminal_at_s"] is not None
    if finished:
        for link in result.critical_path(found["rollout_id"]):
            times[_OF_CHAIN.get(link.what) or _GATE[link.what]] += link.to_s - link.from_s
    else:
        for wave in found["waves"]:
            for part, name in _OF_HOSTS.items():
                times[name] += wave["parts"][part]
        gates = result.gates[result.gates["rollout_id"] == found["rollout_id"]]
        for gate, blocked_s in gates.groupby("gate", observed=True)["blocked_s"].sum().items():
            times[_GATE[str(gate)]] += float(blocked_s)
    return (float(finished), *times.values())


def bottleneck(rows: Sequence[Values]) -> Bottleneck | None:
    """What most of the time went into, by the mean of the runs' shares; of the finished runs where at least half have
    finished. None where no time passed."""
    ended = [row for row in rows if row[0] == 1.0]
    finished = 2 * len(ended) >= len(rows)
    chosen = [_shares(row[1:]) for row in (ended if finished else [row for row in rows if row[0] == 0.0])]
    known = [row for row in chosen if row]
    if not known:
        return None
    means = {what: sum(row[what] for row in known) / len(known) for what in WHAT}
    ordered = {what: means[what] for what in sorted(WHAT, key=lambda one: -means[one]) if means[what] > 0}
    what, share = next(iter(ordered.items()))
    return Bottleneck(what, share, ordered, finished, len(known))


def _shares(times: Values) -> dict[str, float]:
    whole = sum(time or 0.0 for time in times)
    return {what: (time or 0.0) / whole for what, time in zip(WHAT, times, strict=True)} if whole else {}


def _rollout(rollouts: Sequence[dict[str, Any]], which: str | int | None) -> dict[str, Any] | None:
    if isinstance(which, int):
        return rollouts[which] if which < len(rollouts) else None
    mine = [one for one in rollouts if which is None or one["channel"] == which]
    if which is None:
        # one that has not ended yet ends last
        mine.sort(key=lambda one: float("inf") if one["terminal_at_s"] is None else one["terminal_at_s"])
    return mine[-1] if mine else None
