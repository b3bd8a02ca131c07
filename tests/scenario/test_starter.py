"""What `init` writes: a scenario that loads, whatever the artifact holds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.scenario.lints import lint_file, lint_scenario
from sim.scenario.loader import ScenarioError, load
from sim.scenario.schema import Scenario
from sim.scenario.starter import starter

QUICK = settings(deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
HOSTILE = [
    "a\nb: c",
    "x # y",
    "- a",
    "{a: b}",
    "'\"\\",
    "!!python/object:os.system",
    "*a",
    "&a",
    "%TAG",
    "\x1b[31mred",
    "a\x85\u2028\u2029b",
    "\u202eright to left",
    "\U0001f600",
    "\ufeff",
    "a\rfleet: 5",
    "tab\there",
    "nul\0",
    "trailing ",
    "x" * 20_000,
]


def artifact(name: str = "web-1", commit: str | None = None, *, closure: str | None = "h") -> dict[str, Any]:
    """An artifact whose names are all `name`, with lints that quote it."""
    return {
        "schemaVersion": 1,
        "hosts": {
            name: {"system": "x", "channel": name, "closureHash": closure},
            f"{name}2": {"system": "x", "channel": f"{name}3"},
        },
        "channels": {
            name: {
                "rolloutPolicy": name,
                "reconcileIntervalMinutes": 1,
                "signingIntervalMinutes": 60,
                "freshnessWindow": 60,
            }
        },
        "rolloutPolicies": {name: {"strategy": "staged", "waves": [], "onHealthFailure": "halt"}},
        "waves": {name: [{"hosts": [], "soakMinutes": 5}, {"hosts": [name, name], "soakMinutes": 5}]},
        "edges": [{"gates": name, "gated": f"{name}2"}, {"gates": name, "gated": name}],
        "channelEdges": [{"before": name, "after": name}],
        "meta": {"schemaVersion": 1, "ciCommit": commit},
    }


def started(folder: Path, of: dict[str, Any] | None, target: str = "my.yaml") -> tuple[str, Scenario]:
    """The starter's text, written to a file, and the scenario that it is."""
    source = None
    if of is not None:
        source = folder / "fleet.resolved.json"
        source.write_text(json.dumps(of))
    text = starter(source, folder / target)
    (folder / target).parent.mkdir(exist_ok=True)
    (folder / target).write_text(text)
    return text, load(folder / target)


def test_without_an_artifact(tmp_path: Path) -> None:
    text, scenario = started(tmp_path, None)
    assert scenario.name == "my"
    assert len(scenario.artifact().hosts) == 200
    assert lint_scenario(scenario) == []
    # what it says is a default is one
    assert scenario.hosts == Scenario.model_validate({"name": "x", "fleet": scenario.fleet}).hosts
    assert scenario.control_plane == Scenario.model_validate({"name": "x", "fleet": scenario.fleet}).control_plane
    assert text.startswith("# ")


def test_what_it_has_as_comments_is_a_scenario_too(tmp_path: Path) -> None:
    text, _ = started(tmp_path, None)
    for comment, setting in (
        ("activation_failure: 0.0", "activation_failure: 0.1"),
        ("on_health_failure: rollback-and-halt # or halt", "on_health_failure: halt"),
        ("[] # [{selector: {all: true}, max_in_flight: 20}]", "[{selector: {all: true}, max_in_flight: 20}]"),
        ("# defect:", "defect:"),
        ("[] # [{match: {tags: [laptop]}, activation: 10m}]:", "[{match: {tags: [laptop]}, activation: 10m}] #"),
        ("online: always # laptops: {up", "online: {up"),
        ("deferred: converged # or strict:", "deferred: strict #"),
        ("reboot: {dist: uniform, min: 1h, max: 24h} # or never, or {window", "reboot: {window"),
    ):
        assert comment in text
        text = text.replace(comment, setting)
    (tmp_path / "changed.yaml").write_text(text)
    scenario = load(tmp_path / "changed.yaml")
    assert scenario.releases[0].defect is not None
    assert scenario.hosts.overrides[0].match.tags == ["laptop"]
    assert scenario.hosts.default.online != "always"
    assert scenario.hosts.default.reboot != "never"
    assert scenario.rules.deferred == "strict"


def test_around_an_artifact(tmp_path: Path) -> None:
    text, scenario = started(tmp_path, artifact(commit="0123456789abcdef"), "deep/my.yaml")
    assert scenario.fleet.resolved == "../fleet.resolved.json"
    assert scenario.releases[0].ref == "0123456789abcdef"
    assert scenario.releases[0].closures == "declared"
    assert "\n# Its channels, with their hosts: web-1 (1).\n" in text
    _, lints = lint_file(tmp_path / "fleet.resolved.json")
    assert [lint.severity for lint in lints].count("error") == 6
    for lint in lints:
        assert f"\n# - {lint.severity}: {lint.place}: {lint.text}\n" in text
    assert text.count("\n# - ") == len(lints)


def test_an_artifact_before_its_ci(tmp_path: Path) -> None:
    _, scenario = started(tmp_path, artifact(closure=None))
    assert scenario.releases[0].ref == "r1"
    assert scenario.releases[0].closures == "per-host"
    for commit in ("", " ", "\n"):
        assert started(tmp_path, artifact(commit=commit))[1].releases[0].ref == "r1"


def test_an_artifact_that_is_fine_has_no_comments(tmp_path: Path) -> None:
    fine = artifact(commit="c")
    del fine["hosts"]["web-12"], fine["edges"], fine["channelEdges"], fine["waves"]
    fine["channels"]["web-1"]["freshnessWindow"] = 120
    text, scenario = started(tmp_path, fine)
    assert "finds in it" not in text
    assert lint_scenario(scenario) == []


def test_an_artifact_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ScenarioError, match="schemaVersion: missing"):
        starter(tmp_path / "x.json", tmp_path / "my.yaml")
    with pytest.raises(ScenarioError, match="cannot be read"):
        starter(tmp_path / "nope.json", tmp_path / "my.yaml")


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:20])
def test_hostile_names(tmp_path: Path, name: str) -> None:
    text, scenario = started(tmp_path, artifact(name, name))
    assert scenario.releases[0].ref == (name.strip() or "r1")
    assert list(scenario.artifact().channels) == [name]
    # nothing of it has left its line
    plain, _ = started(tmp_path, artifact("web", "web"))
    assert text.count("\n") == plain.count("\n")
    assert set(text) <= {c for c in text if c.isprintable() or c == "\n"}


@QUICK
@given(st.text(min_size=1).filter(str.strip), st.text())
def test_any_name_and_commit(tmp_path_factory: pytest.TempPathFactory, name: str, commit: str) -> None:
    _, scenario = started(tmp_path_factory.getbasetemp(), artifact(name, commit))
    assert scenario.releases[0].ref == (commit.strip() or "r1")
    assert list(scenario.artifact().channels) == [name]


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("canary.v2.yaml", "canary"),
        ("null.yaml", "null"),
        ("5.yaml", "5"),
        ("1e5.yaml", "1e5"),
        ("on.yaml", "on"),
        ("a b: c # d.yaml", "a b: c # d"),
        (".yaml", "rollout"),
        (" .yaml", "rollout"),
        ("größe.yaml", "größe"),
        ("'\"\\{}.yaml", "'\"\\{}"),
    ],
)
def test_names_of_the_file(tmp_path: Path, target: str, name: str) -> None:
    assert started(tmp_path, None, target)[1].name == name


def test_a_file_whose_name_is_no_text(tmp_path: Path) -> None:
    assert started(tmp_path, None, os.fsdecode(b"caf\xe9.yaml"))[1].name == "caf?"


def test_an_artifact_whose_path_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.json")
    path.write_text(json.dumps(artifact()))
    with pytest.raises(ScenarioError, match="expected a path of UTF-8 text"):
        starter(path, tmp_path / "my.yaml")
