"""Every lint of page 6 with its severity and what it names; none on a fleet that is fine."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.reducer.artifact import parse_artifact
from sim.scenario.lints import Lint, lint_artifact, lint_file, lint_scenario
from sim.scenario.loader import ScenarioError
from sim.scenario.schema import Scenario

Loaded = Callable[..., Scenario]


def clean() -> dict[str, Any]:
    """A fleet of two channels that has nothing to complain of."""
    policy = {
        "strategy": "staged",
        "waves": [{"selector": {"tags": ["canary"]}, "soakMinutes": 5}, {"selector": {"all": True}, "soakMinutes": 10}],
        "healthGate": {},
        "onHealthFailure": "halt",
    }
    channel = {
        "rolloutPolicy": "p",
        "reconcileIntervalMinutes": 1,
        "signingIntervalMinutes": 60,
        "freshnessWindow": 120,
    }
    names = ["a", "b", "c", "d"]
    hosts = {name: {"system": "x86_64-linux", "channel": "stable", "closureHash": f"h-{name}"} for name in names}
    hosts["e"] = {"system": "x86_64-linux", "channel": "edge", "closureHash": "h-e", "tags": ["web"]}
    return {
        "schemaVersion": 1,
        "hosts": hosts,
        "channels": {"stable": channel, "edge": {**channel, "rolloutPolicy": "q"}},
        "rolloutPolicies": {"p": policy, "q": {**policy, "waves": []}},
        "waves": {"stable": [{"hosts": ["a"], "soakMinutes": 5}, {"hosts": ["a", "b", "c", "d"], "soakMinutes": 10}]},
        "edges": [{"gates": "a", "gated": "b"}, {"gates": "a", "gated": "c"}, {"gates": "b", "gated": "c"}],
        "channelEdges": [{"gates": "edge", "gated": "stable"}],
        "disruptionBudgets": [{"selector": {"all": True}, "maxInFlight": 2}],
    }


def lints(artifact: dict[str, Any]) -> list[Lint]:
    """The lints of an artifact's JSON."""
    return lint_artifact(parse_artifact(artifact)[0])


def changed(*places: tuple[str, Any]) -> list[tuple[str, str, str]]:
    """The lints of the clean artifact with some places changed; a place is a dotted path."""
    artifact: Any = copy.deepcopy(clean())
    for place, value in places:
        *way, last = (int(step) if step.isdecimal() else step for step in place.split("."))
        inside = artifact
        for step in way:
            inside = inside[step]
        if isinstance(inside, list) and last == len(inside):
            inside.append(value)
        else:
            inside[last] = value
    return [(lint.severity, lint.place, lint.text) for lint in lints(artifact)]


def test_a_clean_fleet_has_none() -> None:
    assert lints(clean()) == []


LATE = "one late signing and hosts refuse what they are given"


@pytest.mark.parametrize(
    ("places", "place", "text"),
    [
        (
            [("hosts.a.channel", "stabel"), ("edges", []), ("waves", {})],
            "hosts.a.channel",
            "a is of the unknown channel 'stabel' and will be in no rollout",
        ),
        (
            [("channels.edge.rolloutPolicy", "qq")],
            "channels.edge.rolloutPolicy",
            "the unknown policy 'qq': its rollouts cannot be projected",
        ),
        (
            [("waves.beta", [{"hosts": ["a"], "soakMinutes": 5}])],
            "waves.beta",
            "waves of an unknown channel: nobody reads them",
        ),
        (
            [("edges.3", {"gates": "z", "gated": "a"})],
            "edges[3]",
            "names the unknown host 'z' and holds nothing back",
        ),
        (
            [("edges.3", {"gates": "a", "gated": "z"})],
            "edges[3]",
            "names the unknown host 'z' and holds nothing back",
        ),
        (
            [("edges.3", {"gates": "e", "gated": "a"})],
            "edges[3]",
            "a of channel stable waits for e of channel edge: across channels an edge holds nothing back",
        ),
        (
            [("channelEdges.1", {"gates": "edge", "gated": "beta"})],
            "channelEdges[1]",
            "names the unknown channel 'beta'",
        ),
        (
            [("edges.3", {"gates": "c", "gated": "a"})],
            "edges",
            "a cycle: a → b → c → a; each host waits for the one before, for good",
        ),
        (
            [("edges.3", {"gates": "d", "gated": "d"})],
            "edges",
            "a cycle: d → d; each host waits for the one before, for good",
        ),
        (
            [("channelEdges.1", {"gates": "stable", "gated": "edge"})],
            "channelEdges",
            "a cycle: edge → stable → edge; each channel waits for the one before, for good",
        ),
        (
            [("channels.edge.freshnessWindow", 119)],
            "channels.edge.freshnessWindow",
            f"119 min is less than twice the signingIntervalMinutes of 60: {LATE}",
        ),
        ([("hosts.", {"system": "x", "channel": "edge", "closureHash": "h"})], "hosts", "an empty name"),
        ([("rolloutPolicies. ", clean()["rolloutPolicies"]["p"])], "rolloutPolicies", "an empty name"),
        (
            [("waves.stable.1.hosts", ["a", "b", "b", "c", "d", "c", "b"])],
            "waves.stable[1]",
            "a duplicate name: lists b, c twice",
        ),
    ],
)
def test_errors(places: list[tuple[str, Any]], place: str, text: str) -> None:
    assert changed(*places) == [("error", place, text)]


OVER = "does: it will be over before the wave starts, and a host then converges on its first probe results, or on none"


@pytest.mark.parametrize(
    ("places", "place", "text"),
    [
        (
            [("waves.stable.0.hosts", [])],
            "waves.stable[0]",
            "is empty and is never left: the rollout stalls here",
        ),
        (
            [("waves.stable.0.hosts", ["a", "e"])],
            "waves.stable[0]",
            "lists e, of another channel, never done in this rollout: it stalls in wave 0",
        ),
        (
            [("waves.stable.0.hosts", ["a", "z", "y", "x", "w", "v"])],
            "waves.stable[0]",
            "lists z, y, x and 2 more, which the fleet does not have, never done in this rollout: it stalls in wave 0",
        ),
        (
            [("hosts.a.closureHash", None)],
            "waves.stable[0]",
            "lists a, without a closure, never done in this rollout: it stalls in wave 0",
        ),
        (
            [("waves.stable.1.hosts", ["a", "b"])],
            "waves.stable",
            "c, d in none of the waves: never dispatched",
        ),
        (
            [("disruptionBudgets.0", {"selector": {"all": True}, "maxInFlightPct": 10})],
            "disruptionBudgets[0]",
            "has only maxInFlightPct, which is enforced nowhere: it holds nobody back",
        ),
        (
            [("disruptionBudgets.0", {"selector": {"all": True}})],
            "disruptionBudgets[0]",
            "has no limit: it holds nobody back",
        ),
        (
            [("disruptionBudgets.0.selector", {"tags": ["db"]})],
            "disruptionBudgets[0]",
            "matches nobody",
        ),
        (
            [("disruptionBudgets.0.selector", {"all": True, "not": {"tags": ["web"]}})],
            "disruptionBudgets[0]",
            "its selector's `not` is ignored here",
        ),
        (
            [("disruptionBudgets.0.selector", {"all": True, "not": {"tags": ["web"]}, "and": [{"all": True}]})],
            "disruptionBudgets[0]",
            "its selector's `not` and `and` are ignored here",
        ),
        (
            [("disruptionBudgets.0.maxInFlight", 0)],
            "disruptionBudgets[0]",
            "lets none of a, b, c and 2 more go: a limit of 0",
        ),
        (
            [("rolloutPolicies.p.waves.1.soakMinutes", 5)],
            "waves.stable[1]",
            f"its soak of 5m counts from the opening, as wave 0's 5m {OVER}",
        ),
        (
            # the policy has no second wave: the default soak of an hour holds
            [("rolloutPolicies.p.waves", [{"selector": {"all": True}, "soakMinutes": 61.5}])],
            "waves.stable[1]",
            f"its soak of 1h counts from the opening, as wave 0's 1h1m30s {OVER}",
        ),
    ],
)
def test_warnings(places: list[tuple[str, Any]], place: str, text: str) -> None:
    assert changed(*places) == [("warning", place, text)]


def test_the_last_wave_may_hold_what_it_likes() -> None:
    # it is not left, so nothing in it can hold a wave
    assert changed(("waves.stable.1.hosts", ["a", "b", "c", "d", "e", "z"])) == []
    assert changed(("hosts.d.closureHash", None)) == []
    found = changed(
        ("waves.stable", [{"hosts": ["a", "b", "c", "d"], "soakMinutes": 5}, {"hosts": [], "soakMinutes": 9}])
    )
    assert found == []


def test_a_longer_soak_before_hides_a_shorter_one_between() -> None:
    waves = [{"selector": {"all": True}, "soakMinutes": soak} for soak in (10, 5, 7, 11)]
    found = changed(
        ("rolloutPolicies.p.waves", waves),
        ("waves.stable", [{"hosts": [name], "soakMinutes": 1} for name in "abcd"]),
    )
    assert [(place, text.partition(" does")[0]) for _, place, text in found] == [
        ("waves.stable[1]", "its soak of 5m counts from the opening, as wave 0's 10m"),
        ("waves.stable[2]", "its soak of 7m counts from the opening, as wave 0's 10m"),
    ]


def test_a_budget_with_only_a_not() -> None:
    # the planner sees an empty selector
    assert changed(("disruptionBudgets.0.selector", {"not": {"tags": ["web"]}})) == [
        ("warning", "disruptionBudgets[0]", "matches nobody"),
        ("warning", "disruptionBudgets[0]", "its selector's `not` is ignored here"),
    ]
    assert changed(("disruptionBudgets.0.selector", {"all": True, "not": None, "and": []})) == []


def test_a_fleet_before_its_ci_is_told_once() -> None:
    found = changed(*((f"hosts.{name}.closureHash", None) for name in "abcde"))
    assert [(severity, place) for severity, place, _ in found] == [("warning", "hosts")]
    assert "no host has a closureHash" in found[0][2]
    assert lints({"schemaVersion": 1, "hosts": {}, "channels": {}}) == [
        Lint("warning", "hosts", "there are none: nothing rolls out")
    ]


def test_all_that_is_wrong_is_told() -> None:
    found = changed(
        ("edges.3", {"gates": "z", "gated": "y"}),
        ("channels.edge.freshnessWindow", 1),
        ("waves.stable.0.hosts", []),
        ("hosts.a.channel", "x"),
        ("hosts.b.channel", "x"),
        ("hosts.c.channel", "y"),
    )
    assert [place for severity, place, _ in found if severity == "error"] == [
        "hosts.a.channel",
        "hosts.c.channel",
        "channels.edge.freshnessWindow",
        "edges[1]",
        "edges[2]",
        "edges[3]",
        "edges[3]",
    ]
    assert found[0][2].startswith("a, b is of the unknown channel 'x'")


# -- cycles


def _edges(pairs: list[tuple[int, int]]) -> list[dict[str, str]]:
    return [{"gates": f"h{before}", "gated": f"h{after}"} for before, after in pairs]


def _fleet(hosts: int, pairs: list[tuple[int, int]]) -> dict[str, Any]:
    artifact = clean()
    artifact["hosts"] = {f"h{n}": {"system": "x", "channel": "edge", "closureHash": "h"} for n in range(hosts)}
    return {**artifact, "waves": {}, "edges": _edges(pairs), "disruptionBudgets": []}


def test_cycles_in_long_chains() -> None:
    # far longer than any stack
    chain = [(n, n + 1) for n in range(29_999)]
    assert lints(_fleet(30_000, chain)) == []
    (found,) = lints(_fleet(30_000, [*chain, (29_999, 0)]))
    assert (found.severity, found.place) == ("error", "edges")
    assert found.text == (
        "a cycle: h0 → h1 → h2 → h3 → … 29,995 more … → h29999 → h0; each host waits for the one before, for good"
    )


def test_a_cycle_at_the_end_of_a_chain() -> None:
    chain = [(n, n + 1) for n in range(5000)]
    (found,) = lints(_fleet(5001, [*chain, (5000, 4998)]))
    assert found.text == "a cycle: h4998 → h4999 → h5000 → h4998; each host waits for the one before, for good"


def test_many_ways_are_no_cycle() -> None:
    # each of 200 layers of 5 waits for all of the layer before: 5^200 ways through it
    pairs = [(5 * n + i, 5 * n + 5 + j) for n in range(199) for i in range(5) for j in range(5)]
    assert lints(_fleet(1000, pairs)) == []
    assert lints(_fleet(1000, pairs[::-1])) == []
    (found,) = lints(_fleet(1000, [*pairs, (999, 500)]))
    assert found.text.startswith("a cycle: h500 → ")


# -- scenarios


def scenario_lints(loaded: Loaded, text: str) -> list[tuple[str, str, str]]:
    """The lints of a scenario's text."""
    return [(lint.severity, lint.place, lint.text) for lint in lint_scenario(loaded(text))]


def test_a_clean_scenario_has_none(loaded: Loaded, minimal: str) -> None:
    assert scenario_lints(loaded, minimal) == []


OVERRIDDEN = """\
rules: {deferred: strict}
hosts:
  default: {defer: {probability: 0.1}}
  overrides: [{match: {all: true}, reboot: never}, {match: {all: true}, boot: 5s}]
"""
NEVER = "a host that is deferred never reboots: it stays Deferred"


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        (
            "hosts: {overrides: [{match: {all: true}, online: {up: 0, down: 1h}}]}",
            "hosts.overrides.0.online.up",
            "every stay lasts 0 s: what is sent to such a host finds it offline, and it takes no dispatch",
        ),
        (
            "control_plane: {resign: 62m}",
            "control_plane.resign",
            "signing again only every 1h2m, and hosts refuse one older than 1h1m: dispatches will be refused",
        ),
        (
            "control_plane: {resign: never}",
            "control_plane.resign",
            "manifests are never signed again, and hosts refuse one older than 1h1m: dispatches will be refused",
        ),
        ("probes: [{name: http, match: {tags: [web]}}]", "probes.0.match", "matches nobody"),
        ("hosts: {overrides: [{match: {tags: [web]}, boot: 5s}]}", "hosts.overrides.0.match", "matches nobody"),
        (
            "probes: [{name: http}]\nreleases: [{ref: a, defect: {match: {hosts: [x]}}}]",
            "releases.0.defect.match",
            "matches nobody",
        ),
        ("releases: [{ref: a, at: 8d}]", "releases.0.at", "is after the end of the run (7d)"),
        ("releases: []", "releases", "there are none: nothing rolls out"),
        (
            "releases: [{ref: a}, {ref: b}]",
            "releases.0.at",
            "is overtaken by releases.1 before the manifest poll sees it: no rollout of it on c",
        ),
        (
            "releases: [{ref: a, at: 60s}, {ref: b, at: 31s}]",
            "releases.1.at",
            "is overtaken by releases.0 before the manifest poll sees it: no rollout of it on c",
        ),
        (
            "releases: [{ref: a, closures: declared}]",
            "releases.0.closures",
            "no host of channel c has a declared closure: nothing rolls out there",
        ),
        (
            "releases: [{ref: a, defect: {}}]",
            "releases.0.defect",
            "no enforce probe shows it: nothing will stop the release",
        ),
        (
            "probes: [{name: http, mode: observe}, {name: tcp}]\nreleases: [{ref: a, defect: {probe: http}}]",
            "releases.0.defect",
            "no enforce probe shows it: nothing will stop the release",
        ),
        (
            "probes: [{name: http, interval: 2m}]",
            "probes.0.interval",
            "every heartbeat starts the probes over, so it runs every 1m in effect",
        ),
        ("probes: [{name: http, interval: 2s}]", "probes.0.interval", "no probe runs more often than every 5 s"),
        (
            "hosts: {default: {reboot: never, defer: {probability: 0.1}}}",
            "hosts.default.reboot",
            f"{NEVER}, and the rollout never ends",
        ),
        (
            OVERRIDDEN,
            "hosts.overrides.0.reboot",
            f"{NEVER}, and its wave with it, and the rollout never ends",
        ),
    ],
)
def test_warnings_of_scenarios(loaded: Loaded, minimal: str, text: str, place: str, said: str) -> None:
    found = scenario_lints(loaded, f"{minimal}{text}\n")
    if "declared" in text:
        # a wave of hosts without a closure stalls, too
        assert found[0][:2] == ("warning", "waves.c[0]")
        assert "without a closure" in found[0][2]
        found = found[1:]
    assert found == [("warning", place, said)]


@pytest.mark.parametrize(
    "text",
    [
        "control_plane: {resign: 61m}",
        "control_plane: {resign: 2h, manifest_max_age: 2h}",
        "probes: [{name: http, interval: 60s}]",
        "probes: [{name: http, interval: 2m}]\nrules: {probe_restart: boot}",
        "probes: [{name: http}]\nreleases: [{ref: a, at: 7d, defect: {}}]",
        "probes: [{name: http}]\nreleases: [{ref: a, defect: {probe: http, match: {channel: c}}}]",
        "hosts: {default: {reboot: never}}",
        "hosts: {default: {defer: {probability: 0.1}}, overrides: [{match: {all: true}, boot: 5s}]}",
    ],
)
def test_scenarios_that_are_fine(loaded: Loaded, minimal: str, text: str) -> None:
    assert scenario_lints(loaded, f"{minimal}{text}\n") == []


def test_soaks_count_from_elsewhere_under_other_rules(loaded: Loaded, minimal: str) -> None:
    text = minimal.replace("soak: 10m", "soak: 4m")
    assert [place for _, place, _ in scenario_lints(loaded, text)] == ["waves.c[1]"]
    for rule in ("dispatch", "activation"):
        assert scenario_lints(loaded, f"{text}rules: {{soak_from: {rule}}}\n") == []


def test_a_generated_fleet_is_linted_as_an_artifact(loaded: Loaded, minimal: str) -> None:
    text = minimal.replace("percent: 100", "percent: 50") + (
        "    edges: [{gates: c-00000, gated: nobody}]\n"
        "    channel_edges: [{gates: c, gated: c}]\n"
        "    disruption_budgets: [{selector: {tags: [web]}, max_in_flight_pct: 5}]\n"
    )
    assert [(severity, place) for severity, place, _ in scenario_lints(loaded, text)] == [
        ("error", "edges[0]"),
        ("error", "channelEdges"),
        ("warning", "waves.c"),
        ("warning", "disruptionBudgets[0]"),
        ("warning", "disruptionBudgets[0]"),
    ]
    assert scenario_lints(loaded, minimal.replace("hosts: 20", "hosts: 5").replace("percent: 10,", "percent: 0,")) == [
        ("warning", "waves.c[0]", "is empty and is never left: the rollout stalls here")
    ]


# -- files


def test_files_are_told_apart(tmp_path: Path, minimal: str) -> None:
    def kind(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return lint_file(tmp_path / name)[0]

    artifact = json.dumps(clean())
    assert kind("a.yaml", minimal) == "scenario"
    assert kind("a.json", artifact) == "artifact"
    assert kind("any name", f"\ufeff \n{artifact}") == "artifact"
    assert kind("scenario.json", '{"fleet": {"resolved": "a.json"}}') == "scenario"
    assert lint_file(str(tmp_path / "a.json")) == ("artifact", [])


def test_files_that_are_neither_are_told_as_what_they_seem(tmp_path: Path) -> None:
    for text, said in (
        ('{"schemaVersion": 1, "hosts": {', "is no JSON"),
        ('{"schemaVersion": 2}', "schemaVersion: expected 1, got 2"),
        ('{"hosts": {}}', "schemaVersion: missing"),
        ('{"hosts": ' + "[" * 2000, "nested too deep"),
        ('{"fleet": {', "is no YAML"),
        ("{}", "fleet: is missing"),
        ("fleet", "expected a scenario"),
    ):
        (tmp_path / "x").write_text(text)
        with pytest.raises(ScenarioError) as error:
            lint_file(tmp_path / "x")
        assert said in str(error.value), text


def test_duplicate_names_in_a_file(tmp_path: Path) -> None:
    artifact = json.dumps(clean())
    host = '"b": {"system": "x", "channel": "stable", "closureHash": "h"}'
    text = artifact.replace('"hosts": {', f'"hosts": {{{host}, {host}, ', 1)
    text = text.replace('"channels": {', '"unread": {"x": 1, "x": 2}, "channels": {"edge": {}, ', 1)
    text = text.replace('"schemaVersion": 1', f'"schemaVersion": 1, "more": {"1" * 4000}, "edges": []', 1)
    (tmp_path / "a.json").write_text(text)
    kind, found = lint_file(tmp_path / "a.json")
    assert kind == "artifact"
    message = "a duplicate name: only the last of them counts"
    assert found == [
        Lint("error", "edges", message),
        Lint("error", "hosts.b", message),
        Lint("error", "channels.edge", message),
    ]


def test_older_spellings_are_warned_of(tmp_path: Path) -> None:
    artifact = clean()
    artifact["channelEdges"] = [{"before": "edge", "after": "stable"}]
    artifact["disruptionBudgets"] = [{"hosts": ["a"], "maxInFlight": 1}]
    expected = [
        Lint("warning", "channelEdges[0]", "`before` is an older spelling of `gates`"),
        Lint("warning", "channelEdges[0]", "`after` is an older spelling of `gated`"),
        Lint(
            "warning",
            "disruptionBudgets[0]",
            "`hosts` in place of `selector` is an older spelling, which the control plane refuses",
        ),
    ]
    (tmp_path / "a.json").write_text(json.dumps(artifact))
    assert lint_file(tmp_path / "a.json") == ("artifact", expected)
    (tmp_path / "a.yaml").write_text("fleet: {resolved: a.json}\n")
    assert lint_file(tmp_path / "a.yaml") == ("scenario", expected)


def test_closures_matter_where_they_are_declared(tmp_path: Path) -> None:
    artifact = clean()
    artifact["hosts"]["a"]["closureHash"] = None
    artifact["hosts"]["e"]["closureHash"] = None
    (tmp_path / "a.json").write_text(json.dumps(artifact))

    def places(release: str) -> list[str]:
        (tmp_path / "a.yaml").write_text(f"fleet: {{resolved: a.json}}\nreleases: [{{ref: r, {release}}}]\n")
        return [lint.place for lint in lint_file(tmp_path / "a.yaml")[1]]

    assert places("closures: per-host") == []
    assert places("closures: declared") == ["waves.stable[0]", "releases.0.closures"]
    assert places("closures: declared, channels: [stable]") == ["waves.stable[0]"]
    assert places("closures: declared, channels: [edge]") == ["releases.0.closures"]


@pytest.mark.slow
def test_an_artifact_of_a_hundred_thousand_hosts(tmp_path: Path) -> None:
    artifact = clean()
    names = [f"h{n:06d}" for n in range(100_000)]
    artifact["hosts"] = {
        name: {"system": "x86_64-linux", "channel": "stable", "tags": ["web", "all"], "closureHash": f"h-{name}"}
        for name in names
    }
    artifact["waves"] = {
        "stable": [{"hosts": names[:1000], "soakMinutes": 5}, {"hosts": names[1000:], "soakMinutes": 10}]
    }
    artifact["edges"] = [
        {"gates": before, "gated": after} for before, after in zip(names[::2], names[1::2], strict=True)
    ]
    (tmp_path / "a.json").write_text(json.dumps(artifact))
    (tmp_path / "a.yaml").write_text("fleet: {resolved: a.json}\n")
    assert lint_file(tmp_path / "a.json") == ("artifact", [])
    assert lint_file(tmp_path / "a.yaml") == ("scenario", [])


def test_a_clock_that_falls_due_too_often_looks_like_a_mistake(tmp_path: Path) -> None:
    def found(settings: str) -> list[tuple[str, str]]:
        path = tmp_path / "s.yaml"
        fleet = "{generate: {channels: {a: {hosts: 1, policy: p}}, policies: {p: {}}}}"
        path.write_text(f"fleet: {fleet}\nuntil: 7d\ncontrol_plane: {settings}\n")
        return [(lint.place, lint.text) for lint in lint_file(path)[1]]

    assert found("{plan_tick: 1s}") == []
    # 7 d are 604,800 s, and 1024 heartbeats in each are 619,315,200
    assert found("{heartbeat: 0.0009765625}") == [
        (
            "control_plane.heartbeat",
            "falls due 619,315,200 times to the end of the run (7d), which may take hours; is a unit missing?",
        )
    ]
