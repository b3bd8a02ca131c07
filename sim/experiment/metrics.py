"""Metrics: numbers of a run's summary (spec page 9), by their dotted paths (page 10).

A rollout is named by its place (`rollouts.0.`) or by its channel (`rollouts.stable.`, that channel's last rollout), a
wave by its index. What a scenario can be asked for is known before it is run, so a mistake is told at once.

None is a value: the run ended before it was reached. It counts as beyond every value that was: above all times, below
all throughputs and shares.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal

import msgspec

from sim.experiment.errors import ExperimentError
from sim.reducer.records import STATES
from sim.result.keys import PARTS, QUANTILES, REJECTED
from sim.scenario.schema import Scenario

Unit = Literal["s", "host-s", "hosts/h", "hosts", "share", "count"]


class Kind(msgspec.Struct, frozen=True):
    """What a number of the summary is: its unit, which way is better (None where neither is), and as what None
    counts."""

    unit: Unit
    better: Literal["less", "more"] | None = None
    beyond: float = math.inf


class Metric(msgspec.Struct, frozen=True):
    """A number of a summary: its path, the steps that lead to it, what it is."""

    path: str
    steps: tuple[str | int, ...]
    kind: Kind


_TIME = Kind("s", "less")
_MOMENT = Kind("s")
_HOST_SECONDS = Kind("host-s", "less")
_THROUGHPUT = Kind("hosts/h", "more", -math.inf)
_VERIFIED = Kind("share", "more", -math.inf)
_HOSTS = Kind("hosts")
_EXPOSED = Kind("hosts", "less")
_COUNT = Kind("count")
_LOAD = Kind("count", "less")

_QUANTILES = {f"p{percent}": _TIME for percent in QUANTILES}
_STATES = dict.fromkeys(map(str, STATES), _HOSTS) | {
    "Converged": Kind("hosts", "more"),
    "Failed": _EXPOSED,
    "Reverted": _EXPOSED,
}
_EXPOSURE = {
    "first_failure_at_s": _MOMENT,
    "running_at_first_failure": _EXPOSED,
    "took_after_first_failure": {"under_way": _EXPOSED, "same_wave": _EXPOSED, "later_wave": _EXPOSED},
    "took_before_verified": _EXPOSED,
    "failed": _EXPOSED,
    "reverted": _EXPOSED,
    "quarantined": _HOSTS,
}
_WAVE = {
    "hosts": _HOSTS,
    "opened_at_s": _TIME,
    "first_dispatch_at_s": _TIME,
    "eligible_at_s": _TIME,
    "converged_at_s": _TIME,
    "eligible_per_h": _THROUGHPUT,
    "converged_per_h": _THROUGHPUT,
    "verified_at_promotion": _VERIFIED,
    "parts": dict.fromkeys(PARTS, _HOST_SECONDS),
}
_ROLLOUT = {
    "time_to_converged_s": _QUANTILES,
    "time_to_eligible_s": _QUANTILES,
    "terminal_at_s": _TIME,
    "exposure": _EXPOSURE,
    "states": _STATES,
    "opened_at_s": _TIME,
    "current_wave": _COUNT,
    "hosts": _HOSTS,
}
_RUN = {
    "ended_at_s": _TIME,
    "hosts": _HOSTS,
    "load": {
        "reports": _LOAD,
        "heartbeats": _LOAD,
        "dispatches_queued": _LOAD,
        "dispatches_requeued": _LOAD,
        "wakeups": _LOAD,
        "event_log_rows": _LOAD,
        "rejected": dict.fromkeys(REJECTED, _LOAD),
    },
    "events": {"simulated": _COUNT, "skipped": _COUNT, "host_steps": _COUNT, "rollout_steps": _COUNT},
}
NO_METRICS = {
    "wall_s": "is the machine's time, another in each run of the same scenario",
    "seed": "is given, not measured",
    "replication": "is given, not measured",
}
MOST_NAMED = 20
"""Rollouts by place among the paths that a mistaken one is compared with."""

_Tree = Mapping[str, Any]


def find(scenario: Scenario, paths: Sequence[str]) -> list[Metric]:
    """The metrics of these paths, each once, in this order.

    Raises:
        ExperimentError: the scenario has no such metric; the message names near ones.
    """
    tree = _tree(scenario)
    return [_walk(tree, path) for path in dict.fromkeys(path.strip() for path in paths)]


def defaults(scenario: Scenario) -> list[Metric]:
    """What a rollout is judged by, per channel: the throughput of each wave, the times to 50, 90, 99 and 100 % of the
    hosts, how many took the release before the waves ahead of them were verified, and how many it left failed or
    reverted."""
    paths: list[str] = []
    for channel, waves in _waves(scenario).items():
        leaves = [f"waves.{index}.eligible_per_h" for index in range(waves)]
        leaves += [f"time_to_converged_s.p{percent}" for percent in QUANTILES]
        leaves += ["exposure.took_before_verified", "exposure.failed", "exposure.reverted"]
        paths += [f"rollouts.{channel}.{leaf}" for leaf in leaves]
    return find(scenario, paths)


def measure(summary: Mapping[str, Any], metrics: Sequence[Metric]) -> tuple[float | None, ...]:
    """The values of metrics in one run's summary; None where the run ended before they were reached.

    Raises:
        ExperimentError: a rollout by place has no such wave.
    """
    return tuple(_value(summary, metric) for metric in metrics)


def _value(summary: Mapping[str, Any], metric: Metric) -> float | None:
    found: Any = summary
    for place, step in enumerate(metric.steps):
        if place == 1 and metric.steps[0] == "rollouts":
            rollout = _rollout(found, step)
            if rollout is None:
                return None
            found = rollout
        elif isinstance(step, int) and step >= len(found):
            raise ExperimentError(
                f"{metric.path}: {summary['rollouts'][metric.steps[1]]['rollout_id']}, which is that rollout in "
                f"replication {summary['replication']}, has {len(found)} waves; name the rollout by its channel"
            )
        else:
            found = found[step]
        if found is None:
            return None
    return float(found)


def _rollout(rollouts: Sequence[Mapping[str, Any]], step: str | int) -> Mapping[str, Any] | None:
    """A rollout by place, or the last of a channel; None where it has not opened."""
    if isinstance(step, int):
        return rollouts[step] if step < len(rollouts) else None
    return next((one for one in reversed(rollouts) if one["channel"] == step), None)


# -- what there is to ask for


def _waves(scenario: Scenario) -> dict[str, int]:
    """The channels that may have a rollout, with their waves."""
    released: set[str] = set()
    generated = scenario.fleet.generate
    if generated is not None:
        waves = {channel: len(generated.policies[about.policy].waves) for channel, about in generated.channels.items()}
        inhabited = {channel for channel, about in generated.channels.items() if about.hosts}
    else:
        artifact = scenario.artifact()
        waves = {channel: len(artifact.waves.get(channel, [])) for channel in artifact.channels}
        inhabited = {host.channel for host in artifact.hosts.values()}
    for release in scenario.releases:
        released.update(waves if release.channels is None else release.channels)
    return {channel: max(1, count) for channel, count in waves.items() if channel in released & inhabited}


def _tree(scenario: Scenario) -> _Tree:
    """What a summary holds, a `Kind` for each number."""
    waves = _waves(scenario)
    opened = sum(
        len(waves if release.channels is None else waves.keys() & set(release.channels))
        for release in scenario.releases
    )
    rollouts = {channel: _of_rollout(count) for channel, count in waves.items()}
    # a channel may be called 0, too: then the place counts
    rollouts.update(dict.fromkeys(map(str, range(opened)), _of_rollout(max(waves.values(), default=0))))
    return {"rollouts": rollouts, **_RUN}


def _of_rollout(waves: int) -> _Tree:
    return {**_ROLLOUT, "waves": {str(index): _WAVE for index in range(waves)}}


def _walk(tree: _Tree, path: str) -> Metric:
    keys = path.split(".")
    if keys[0] == "rollouts":
        # the name of a channel may hold dots
        for end in range(len(keys), 1, -1):
            name = ".".join(keys[1:end])
            if name in tree["rollouts"]:
                keys[1:end] = [name]
                break
    found: Any = tree
    for key in keys:
        if not isinstance(found, Mapping) or key not in found:
            raise ExperimentError(_unknown(tree, path))
        found = found[key]
    if not isinstance(found, Kind):
        inside = [one for one in _paths(tree) if one.startswith(f"{path}.")]
        raise ExperimentError(f"{path} is no number but holds some: {_some(inside)}")
    steps: list[str | int] = list(keys)
    if keys[0] == "rollouts":
        steps[1] = int(keys[1]) if keys[1].isascii() and keys[1].isdigit() else keys[1]
        if keys[2] == "waves":
            steps[3] = int(keys[3])
    return Metric(path, tuple(steps), found)


def _unknown(tree: _Tree, path: str) -> str:
    if path in NO_METRICS:
        return f"{path} is no metric: it {NO_METRICS[path]}"
    paths = _paths(tree)
    ends = [one for one in paths if one.endswith(f".{path}")]
    near = ends[:3] or get_close_matches(path[:200], paths, n=3, cutoff=0.6)
    if near:
        return f"no metric {path!r}; did you mean {', '.join(near)}?"
    return f"no metric {path!r}; metrics are numbers of the summary that run --json prints, such as {_some(paths)}"


def _paths(tree: _Tree) -> list[str]:
    """The paths of metrics, those by channel first; of many rollouts by place the first few."""
    rollouts = tree["rollouts"]
    named = [name for name in rollouts if not name.isdigit()]
    named += [name for name in rollouts if name.isdigit()][:MOST_NAMED]
    return list(_dotted({**tree, "rollouts": {name: rollouts[name] for name in named}}, ""))


def _dotted(tree: _Tree, before: str) -> Iterator[str]:
    for key, inside in tree.items():
        if isinstance(inside, Kind):
            yield f"{before}{key}"
        else:
            yield from _dotted(inside, f"{before}{key}.")


def _some(paths: Sequence[str], most: int = 3) -> str:
    return ", ".join(paths[:most]) + (", …" if len(paths) > most else "")
