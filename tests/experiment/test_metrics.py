"""Metric paths against the summaries that runs leave."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.experiment import ExperimentError
from sim.experiment.metrics import defaults, find, measure
from tests.experiment.conftest import TWENTY_HOSTS, Load

SCENARIOS = Path(__file__).parents[2] / "scenarios"
QUICK = ("quickstart", "superseded", "stalled", "bad-release", "channel-chain")
NO_MEASURES = {"seed", "replication", "wall_s"}


def leaves(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Numbers and nulls of a summary by path; what a stall waits for and a wave's own index measure nothing."""
    if isinstance(data, dict):
        for key, inside in data.items():
            if key not in ("stalled", "index"):
                yield from leaves(inside, (*path, key))
    elif isinstance(data, list):
        for place, inside in enumerate(data):
            yield from leaves(inside, (*path, str(place)))
    elif not isinstance(data, str) and ".".join(path) not in NO_MEASURES:
        yield ".".join(path), data


@pytest.mark.parametrize("name", QUICK)
def test_every_number_of_a_summary_is_a_metric(name):
    scenario = sim.load(SCENARIOS / f"{name}.yaml")
    summary = sim.run(scenario).summary
    there = dict(leaves(summary))
    metrics = find(scenario, list(there))
    assert measure(summary, metrics) == tuple(None if value is None else float(value) for value in there.values())


@pytest.mark.parametrize("name", QUICK)
def test_a_channel_names_its_last_rollout(name):
    scenario = sim.load(SCENARIOS / f"{name}.yaml")
    summary = sim.run(scenario).summary
    last = {rollout["channel"]: place for place, rollout in enumerate(summary["rollouts"])}
    for channel, place in last.items():
        ends = [path.split(".", 2)[2] for path, _ in leaves(summary) if path.startswith(f"rollouts.{place}.")]
        by_channel = find(scenario, [f"rollouts.{channel}.{end}" for end in ends])
        by_place = find(scenario, [f"rollouts.{place}.{end}" for end in ends])
        assert measure(summary, by_channel) == measure(summary, by_place)


def test_the_last_rollout_of_a_channel_is_another_than_its_first():
    scenario = sim.load(SCENARIOS / "superseded.yaml")
    summary = sim.run(scenario).summary
    assert len(summary["rollouts"]) > 1
    channel = summary["rollouts"][0]["channel"]
    first, last = measure(summary, find(scenario, ["rollouts.0.opened_at_s", f"rollouts.{channel}.opened_at_s"]))
    assert first < last


def test_what_has_not_opened_is_not_reached(load: Load):
    scenario = load({**TWENTY_HOSTS, "until": "1h", "releases": [{"ref": "a"}, {"ref": "b", "at": "2h"}]})
    summary = sim.run(scenario).summary
    assert measure(summary, find(scenario, ["rollouts.1.opened_at_s"])) == (None,)


def test_defaults_are_throughput_times_and_exposure(twenty_hosts):
    assert [metric.path for metric in defaults(twenty_hosts)] == [
        "rollouts.stable.waves.0.eligible_per_h",
        "rollouts.stable.waves.1.eligible_per_h",
        "rollouts.stable.time_to_converged_s.p50",
        "rollouts.stable.time_to_converged_s.p90",
        "rollouts.stable.time_to_converged_s.p99",
        "rollouts.stable.time_to_converged_s.p100",
        "rollouts.stable.exposure.took_before_verified",
        "rollouts.stable.exposure.failed",
        "rollouts.stable.exposure.reverted",
    ]


def test_a_channel_without_hosts_or_release_has_no_metrics(load: Load):
    channels = {name: {"hosts": hosts, "policy": "p"} for name, hosts in (("a", 2), ("empty", 0), ("unreleased", 2))}
    fleet = {"generate": {"channels": channels, "policies": {"p": {}}}}
    scenario = load({"fleet": fleet, "releases": [{"ref": "r", "channels": ["a", "empty"]}]})
    assert {metric.path.split(".")[1] for metric in defaults(scenario)} == {"a"}
    with pytest.raises(ExperimentError, match="no metric"):
        find(scenario, ["rollouts.unreleased.terminal_at_s"])


def test_units_direction_and_side_of_what_is_not_reached(twenty_hosts):
    time, throughput, exposed, load = find(
        twenty_hosts,
        [
            "rollouts.0.terminal_at_s",
            "rollouts.0.waves.1.converged_per_h",
            "rollouts.0.exposure.failed",
            "load.reports",
        ],
    )
    assert (time.kind.unit, time.kind.better, time.kind.beyond) == ("s", "less", math.inf)
    assert (throughput.kind.unit, throughput.kind.better, throughput.kind.beyond) == ("hosts/h", "more", -math.inf)
    assert (exposed.kind.unit, exposed.kind.better) == ("hosts", "less")
    assert (load.kind.unit, load.kind.better) == ("count", "less")


def test_names_with_dots_and_digits(load: Load):
    channels = {name: {"hosts": 1, "policy": "p", "name": f"{name}-h"} for name in ("a.b", "a", "0")}
    scenario = load({"fleet": {"generate": {"channels": channels, "policies": {"p": {}}}}})
    summary = sim.run(scenario).summary
    dotted, place = find(scenario, ["rollouts.a.b.opened_at_s", "rollouts.0.hosts"])
    assert dotted.steps[:2] == ("rollouts", "a.b")
    assert place.steps[:2] == ("rollouts", 0)
    assert None not in measure(summary, [dotted, place])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("rollouts.stabel.terminal_at_s", "did you mean rollouts.stable.terminal_at_s"),
        (
            "rollouts.stable.waves.2.eligible_per_h",
            "did you mean rollouts.stable.waves.1.eligible_per_h, rollouts.stable.waves.0.",
        ),
        ("rollouts.stable.time_to_converged_s.p95", "did you mean rollouts.stable.time_to_converged_s.p9"),
        ("time_to_converged_s.p99", "did you mean rollouts.stable.time_to_converged_s.p99"),
        ("zzz", "such as rollouts.stable."),
        ("", "such as rollouts.stable."),
        ("rollouts.stable.waves.0", "holds some: rollouts.stable.waves.0.hosts"),
        ("rollouts.stable.state", "no metric"),
        ("wall_s", "the machine's time"),
        ("seed", "given, not measured"),
    ],
)
def test_a_mistaken_path_is_told_with_near_ones(twenty_hosts, path, said):
    with pytest.raises(ExperimentError) as error:
        find(twenty_hosts, [path])
    assert said in str(error.value)


def test_a_wave_that_a_rollout_by_place_does_not_have(load: Load):
    channels = {"a": {"hosts": 4, "policy": "at-once"}, "b": {"hosts": 4, "policy": "waves"}}
    policies = {"at-once": {}, "waves": {"waves": [{"percent": 50, "soak": "1m"}, {"percent": 100, "soak": "1m"}]}}
    scenario = load({"fleet": {"generate": {"channels": channels, "policies": policies}}})
    summary = sim.run(scenario).summary
    place = [rollout["channel"] for rollout in summary["rollouts"]].index("a")
    with pytest.raises(ExperimentError, match=r"a@r1, which is that rollout in replication 0, has 1 waves"):
        measure(summary, find(scenario, [f"rollouts.{place}.waves.1.opened_at_s"]))
