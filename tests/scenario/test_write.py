"""A scenario written as a file again: complete, and equal when it is read back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sim.scenario import reading
from sim.scenario.loader import ScenarioError, load, with_settings
from sim.scenario.reading import read_yaml
from sim.scenario.schema import HostSettings, Scenario
from sim.scenario.write import bundle, plain, to_yaml

Loaded = Callable[..., Scenario]
QUICK = settings(deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow])


def again(scenario: Scenario, folder: Path) -> Scenario:
    """The scenario after it was written to a folder and read back."""
    for name, content in bundle(scenario).items():
        (folder / name).write_bytes(content)
    return load(folder / "scenario.yaml")


# -- complete

FULL = """\
name: x
description: ''
seed: 1
until: 7d
fidelity: events
fleet:
  generate:
    channels:
      c:
        hosts: 20
        name: '{channel}-{index:05d}'
        system: x86_64-linux
        tags: {}
        policy: p
    policies:
      p:
        on_health_failure: rollback-and-halt
        waves:
        - percent: 10%
          soak: 5m
        - percent: 100%
          soak: 10m
    edges: []
    channel_edges: []
    disruption_budgets: []
releases:
- at: 0s
  ref: r1
  closures: per-host
  unchanged: 0.0
hosts:
  default:
    network_delay: 50ms
    activation:
      dist: lognormal
      median: 1m30s
      p95: 5m
    activation_timeout: never
    activation_failure: 0.0
    rollback: 1m
    rollback_failure: 0.0
    defer:
      probability: 0.0
      components:
        kernel: 0.6
        systemd: 0.3
        dbus: 0.1
    reboot:
      dist: uniform
      min: 1h
      max: 1d
    boot: 1m
    boot_failure: 0.0
    online: always
  overrides: []
probes: []
control_plane:
  plan_tick: 15s
  manifest_poll: 30s
  heartbeat: 1m
  advance_tick: 5s
  sustained_failure: 2m
  default_soak: 1h
  phases: random
  manifest_max_age: 1h1m
  resign: always
rules:
  deferred: converged
  soak_from: open
  failure_clock: first-failure
  compliance_wave: sticky
  quarantine: 'on'
  dispatch_order: hostname
  unchanged: ungated
  probe_restart: heartbeat
"""


def test_every_default_is_filled_in(loaded: Loaded, minimal: str) -> None:
    assert bundle(loaded(minimal)) == {"scenario.yaml": FULL.encode()}


def test_defaults_of_what_is_given_are_filled_in(loaded: Loaded, minimal: str) -> None:
    data = plain(loaded(minimal + "probes: [{name: a}]\nreleases: [{ref: r, defect: {}}]\n"))
    assert data["probes"] == [{"name": "a", "kind": "http", "mode": "enforce", "interval": "30s", "flake": 0.0}]
    assert data["releases"][0]["defect"] == {"probability": 1.0, "onset": "0s"}


def test_what_is_not_set_is_left_out(loaded: Loaded, minimal: str) -> None:
    text = yaml.safe_dump(plain(loaded(minimal + "hosts: {overrides: [{match: {all: true}, boot: 5s}]}\n")))
    assert "null" not in text
    assert "overrides:\n  - boot: 5s\n    match:\n      all: true\n" in text


def test_another_yaml_reader_reads_the_same(loaded: Loaded, minimal: str) -> None:
    words = [
        "1e5",
        "12e456",
        "0x10",
        "1_000",
        "1:30",
        "2001-01-01",
        "on",
        "y",
        "no",
        "null",
        "~",
        "",
        "=",
        "<<",
        "5",
        ".5",
    ]
    words += [
        "#",
        "- a",
        "a: b",
        "'",
        '"',
        "a\nb",
        " a ",
        "\t",
        "é",
        "\U0001f600",
        "\x85",
        "\u2028",
        "\x1b[31m",
        "\ufeff",
    ]
    words += ["!!int", "&a", "*a", "%", "@", "`", "|", ">", "?", "[", "{", "x" * 300, "a " * 100]
    scenario = with_settings(
        loaded(minimal), {"releases": [{"ref": f"{word} " if not word.strip() else word} for word in ["a"]]}
    )
    for word in words:
        text = to_yaml({**plain(scenario), "description": word})
        assert yaml.safe_load(text)["description"] == word
        assert read_yaml(text, "x")[0]["description"] == word


# -- equal


def test_a_timeout_of_never_is_written(loaded: Loaded, minimal: str, tmp_path: Path) -> None:
    # over a default that is not never
    text = minimal + (
        "hosts: {default: {activation_timeout: 5m}, overrides: [{match: {all: true}, activation_timeout: never}]}\n"
    )
    found = again(loaded(text), tmp_path)
    assert found.hosts.overrides[0].given() == {"activation_timeout": None}
    assert found.hosts.default.activation_timeout == 300.0


def test_bounds_of_a_constant_are_written(loaded: Loaded, minimal: str, tmp_path: Path) -> None:
    scenario = loaded(
        minimal + "hosts: {default: {boot: {dist: constant, value: 5s, min: 1s, max: 9s}, rollback: 5s}}\n"
    )
    assert again(scenario, tmp_path) == scenario.model_copy(update={"name": scenario.name})
    data = plain(scenario)["hosts"]["default"]
    assert data["boot"] == {"dist": "constant", "min": "1s", "max": "9s", "value": "5s"}
    assert data["rollback"] == "5s"


def test_commits_that_look_like_numbers_stay_text(loaded: Loaded, minimal: str, tmp_path: Path) -> None:
    refs = [
        "1e5",
        "12e4567",
        "1234567",
        "0x1234",
        "1_0",
        "1.",
        ".5",
        "-1",
        "+1",
        "on",
        "1:30",
        "007",
        ".inf",
        "~",
        "null",
    ]
    scenario = with_settings(loaded(minimal), {"releases": [{"ref": ref} for ref in refs]})
    assert [release.ref for release in again(scenario, tmp_path).releases] == refs


def test_the_values_of_a_file_are_written_in_place(loaded: Loaded, minimal: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "times.csv").write_text("host,seconds\na,30\nb,1m\nc,0.1\n")
    (tmp_path / "in" / "a.yaml").write_text(
        minimal + "hosts: {default: {boot: {dist: empirical, file: times.csv, column: seconds, max: 50s}}}\n"
    )
    scenario = load(tmp_path / "in" / "a.yaml")
    found = again(scenario, tmp_path / "out")
    assert found == scenario
    assert found.hosts.default.boot.mean() == scenario.hosts.default.boot.mean()
    assert plain(found)["hosts"]["default"]["boot"] == {
        "dist": "empirical",
        "max": "50s",
        "values": ["100ms", "30s", "1m"],
    }
    assert not (tmp_path / "out" / "times.csv").exists()


def test_no_more_values_are_read_than_can_be_written(
    loaded: Loaded, minimal: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_VALUES", 1000)
    text = minimal + "hosts: {default: {boot: {dist: empirical, file: times.csv, column: s}}}\n"
    times = folder / "times.csv"
    times.write_text("s\n" + "".join(f"{n / 8}\n" for n in range(1000)))
    scenario = loaded(text)
    assert again(scenario, tmp_path) == scenario
    times.write_text("s\n" + "1\n" * 1001)
    with pytest.raises(ScenarioError, match=r"expected at most 1,000 values in times.csv, got 1,001; a sample will do"):
        loaded(text)


FLEET: dict[str, Any] = {
    "schemaVersion": 1,
    "hosts": {
        "web-1": {"system": "x86_64-linux", "channel": "stable", "tags": ["web"], "closureHash": "abc", "pubkey": "k"},
        "größe\n": {"system": "x86_64-linux", "channel": "stable", "pin": {"any": ["thing", None]}},
    },
    "channels": {
        "stable": {
            "rolloutPolicy": "p",
            "reconcileIntervalMinutes": 1,
            "signingIntervalMinutes": 60,
            "freshnessWindow": 1440,
            "compliance": {"mode": "x"},
        }
    },
    "rolloutPolicies": {
        "p": {
            "strategy": "canary",
            "waves": [{"selector": {"tags": ["web"], "not": {"all": False}}, "soakMinutes": 1.5}],
            "onHealthFailure": "halt",
        }
    },
    "waves": {"stable": [{"hosts": ["web-1"], "soakMinutes": 1.5}]},
    "edges": [{"gates": "web-1", "gated": "größe\n"}],
    "channelEdges": [{"before": "stable", "after": "stable"}],
    "disruptionBudgets": [{"hosts": ["web-1"], "maxInFlight": 1}, {"selector": {"and": [{"all": True}]}}],
    "meta": {"schemaVersion": 1, "ciCommit": "0123"},
    "unknown": {"keys": ["are", "ignored"]},
}


def test_an_artifact_comes_along(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "f.json").write_text(json.dumps(FLEET))
    (tmp_path / "in" / "a.yaml").write_text("fleet: {resolved: f.json}\nreleases: [{ref: a, closures: declared}]\n")
    scenario = load(tmp_path / "in" / "a.yaml")
    assert set(bundle(scenario)) == {"scenario.yaml", "fleet.resolved.json"}
    found = again(scenario, tmp_path / "out")
    assert found.artifact() == scenario.artifact()
    assert found.fleet.resolved == "fleet.resolved.json"
    # but for the artifact's name and its older spellings, everything is equal
    assert plain(found) == {**plain(scenario), "fleet": {"resolved": "fleet.resolved.json"}}
    assert bundle(found) == bundle(scenario)


def test_with_settings_keeps_the_artifact(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text(json.dumps(FLEET))
    (tmp_path / "a.yaml").write_text("fleet: {resolved: f.json}\n")
    scenario = load(tmp_path / "a.yaml")
    (tmp_path / "f.json").unlink()
    changed = with_settings(scenario, {"seed": 5})
    assert changed.artifact() == scenario.artifact()
    assert changed.fleet.warnings == scenario.fleet.warnings


# -- any scenario

TEXT = st.text(min_size=1, max_size=12).filter(lambda text: text.strip())
NAME = TEXT | st.sampled_from(["web", "1e5", "on", "null", "5", "a: b", "#", "02:00"])
SECONDS = st.integers(0, 2**40).map(lambda steps: steps / 2**20)
DURATION = SECONDS | st.sampled_from(["0s", "50ms", "90s", "1h30m", "2d", 0, 5, 0.1, 1e-05, "0.3ms"])
SOME = st.integers(1, 10**9).map(lambda ms: ms / 1000)
SHARE = st.floats(0, 1) | st.sampled_from([0, 1])
SPREAD = st.floats(0.05, 5)


def _bounded(law: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    bounds = st.fixed_dictionaries({}, optional={"min": SECONDS.map(lambda s: s / 2**16), "max": SOME})
    return st.tuples(law, bounds).map(lambda both: {**both[0], **both[1]})


def _of(dist: str, **parameters: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"dist": st.just(dist), **parameters})


LAW = (
    DURATION
    | _of("constant", value=DURATION)
    | _of("uniform", min=SECONDS, max=SECONDS).map(lambda law: {**law, "max": law["min"] + law["max"]})
    | _bounded(
        _of("exponential", mean=SOME)
        | _of("lognormal", mean=SOME, cv=SPREAD)
        | _of("lognormal", median=SOME, p95=SOME).map(lambda law: {**law, "p95": law["median"] + law["p95"] + 1})
        | _of("gamma", mean=SOME, cv=SPREAD)
        | _of("weibull", scale=SOME, shape=SPREAD)
        | _of("empirical", values=st.lists(DURATION, min_size=1, max_size=5))
    )
)
PLAIN_MATCH = st.fixed_dictionaries(
    {},
    optional={
        "tags": st.lists(NAME, max_size=2),
        "tags_any": st.lists(NAME, max_size=2),
        "hosts": st.lists(NAME, max_size=2),
        "channel": NAME,
        "all": st.booleans(),
    },
).filter(bool)
MATCH = st.recursive(
    PLAIN_MATCH,
    lambda inner: st.fixed_dictionaries(
        {"all": st.booleans()}, optional={"not": inner, "and": st.lists(inner, max_size=2)}
    ),
    max_leaves=3,
)
ALTERNATING = st.fixed_dictionaries({"up": LAW, "down": SOME.map(lambda seconds: seconds + 1)})
HOST = st.fixed_dictionaries(
    {},
    optional={
        "network_delay": LAW,
        "activation": LAW,
        "activation_timeout": st.just("never") | DURATION,
        "activation_failure": SHARE,
        "rollback": LAW,
        "rollback_failure": SHARE,
        "defer": st.fixed_dictionaries(
            {"probability": SHARE},
            optional={"components": st.dictionaries(st.sampled_from(["dbus", "init"]), st.floats(0.1, 9), min_size=1)},
        ),
        "reboot": st.just("never") | st.just({"window": "22:00-04:00"}) | LAW,
        "boot": LAW,
        "boot_failure": SHARE,
        "online": st.just("always") | ALTERNATING,
    },
)
WAVE = st.fixed_dictionaries({"selector": MATCH, "soak": DURATION})
PERCENT = st.floats(0, 100) | st.integers(0, 100).map(lambda percent: f"{percent}%") | st.just(5e-324)
EDGE = st.fixed_dictionaries({"gates": NAME, "gated": NAME}, optional={"reason": NAME})


@st.composite
def scenarios(draw: st.DrawFn) -> dict[str, Any]:
    """A scenario that is right but for bounds that may leave nothing of a law."""
    channels = draw(st.lists(NAME, min_size=1, max_size=3, unique=True))
    policies = draw(st.dictionaries(NAME, st.lists(WAVE, max_size=2), min_size=1, max_size=2))
    probes = draw(st.lists(NAME, max_size=2, unique=True))
    percent = draw(PERCENT)
    generate = {
        "channels": {
            channel: {
                "hosts": draw(st.integers(0, 5)),
                "name": f"{number}-{draw(st.sampled_from(['{index}', '{channel}{index:03d}']))}",
                "tags": draw(st.dictionaries(NAME, SHARE, max_size=2)),
                "policy": draw(st.sampled_from(sorted(policies))),
            }
            for number, channel in enumerate(channels)
        },
        "policies": {
            name: {
                "waves": [*waves, {"percent": percent, "soak": draw(DURATION)}],
                "on_health_failure": draw(st.sampled_from(["halt", "rollback-and-halt"])),
            }
            for name, waves in policies.items()
        },
        "edges": draw(st.lists(EDGE, max_size=1)),
        "channel_edges": draw(st.lists(EDGE, max_size=1)),
        "disruption_budgets": [
            {"selector": draw(MATCH), "max_in_flight": draw(st.integers(0, 9)), "max_in_flight_pct": percent}
        ],
    }
    defect = {"probability": draw(SHARE), "onset": draw(LAW), "match": draw(MATCH)}
    if probes:
        defect["probe"] = draw(st.sampled_from(probes))
    release = {
        "at": draw(DURATION),
        "ref": draw(NAME),
        "channels": channels,
        "unchanged": draw(SHARE),
        "defect": defect,
    }
    return {
        "name": draw(NAME),
        "description": draw(st.text(max_size=20)),
        "seed": draw(st.integers(0, 2**63 - 1)),
        "until": draw(DURATION),
        "fleet": {"generate": generate},
        "releases": draw(st.sampled_from([[release], []])),
        "hosts": {
            "default": draw(HOST),
            "overrides": [{**draw(HOST), "match": draw(MATCH)} for _ in range(draw(st.integers(0, 2)))],
        },
        "probes": [
            {"name": name, "interval": draw(SOME), "match": draw(MATCH), "outage": draw(ALTERNATING)} for name in probes
        ],
        "control_plane": {"resign": draw(st.sampled_from(["always", "never", "5m", 0.3])), "plan_tick": draw(SOME)},
        "rules": {"compliance_wave": draw(st.sampled_from(["off", False, "latest"])), "quarantine": True},
    }


@QUICK
@given(scenarios())
def test_any_scenario_comes_back(
    loaded: Loaded, tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]
) -> None:
    try:
        scenario = loaded(json.dumps(data))
    except ScenarioError as error:
        assert all("has values" in problem.message or "not above" in problem.message for problem in error.problems)
        assume(False)
    folder = tmp_path_factory.getbasetemp()
    found = again(scenario, folder)
    assert found == scenario
    assert found.artifact() == scenario.artifact()
    assert [one.given() for one in found.hosts.overrides] == [one.given() for one in scenario.hosts.overrides]
    assert bundle(found) == bundle(scenario)
    # complete: what a file may leave out is there
    assert set(plain(found)["hosts"]["default"]) == set(HostSettings.model_fields)
    assert with_settings(scenario, {"seed": scenario.seed}) == scenario
