"""The JSON Schema: it takes what the loader takes, and refuses unknown keys and wrong words."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sim.cli.start import schema as print_schema
from sim.scenario.lints import lint_scenario
from sim.scenario.loader import ScenarioError, load
from sim.scenario.reading import read_yaml
from sim.scenario.schema import json_schema
from sim.scenario.starter import starter
from sim.scenario.write import plain

TOP = Path(__file__).parents[2]
SHIPPED = sorted((TOP / "scenarios").glob("*.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(json_schema())

RICH = """\
name: rich
description: every key
seed: 7
until: 2d
fidelity: full
fleet:
  generate:
    channels:
      stable: {hosts: 40, name: "{channel}-{index}", system: x, tags: {web: 0.6, all: 1}, policy: staged}
    policies:
      staged:
        on_health_failure: halt
        waves:
          - {percent: 10%, soak: 30m}
          - {percent: 12.5, soak: 1800}
          - {selector: {tags: [web]}, soak: 40m}
    edges: [{gates: a, gated: b, reason: c}]
    channel_edges: [{gates: a, gated: b}]
    disruption_budgets: [{selector: {all: true}, max_in_flight: 20, max_in_flight_pct: 5%}]
releases:
  - at: 0s
    ref: r1
    channels: [stable]
    closures: shared
    unchanged: 0.1
    defect: {probability: 0.5, match: {tags: [web]}, probe: http, onset: {dist: exponential, mean: 10m, max: 1h}}
hosts:
  default:
    network_delay: {dist: uniform, min: 10ms, max: 90ms}
    activation: {dist: gamma, mean: 90s, cv: 0.5, max: 10m}
    activation_timeout: 300s
    activation_failure: 0.01
    rollback: {dist: weibull, scale: 60s, shape: 1.5}
    rollback_failure: 0
    defer: {probability: 0.3, components: {kernel: 1, init: 2}}
    reboot: {window: "22:00-04:00"}
    boot: {dist: empirical, values: [50s, 60, 70.5]}
    boot_failure: 0.001
    online: {up: {dist: lognormal, mean: 8h, cv: 1}, down: {dist: constant, value: 1h}}
  overrides:
    - match: {tags_any: [laptop], not: {channel: edge}, and: [{hosts: [a]}, {all: true}]}
      activation_timeout: never
      reboot: never
      online: always
      boot: "90"
    - {match: {all: true}, reboot: {dist: lognormal, median: 5, p95: 6}}
probes:
  - name: http
    kind: tcp
    mode: observe
    interval: 15s
    match: {tags: [web]}
    flake: 0.0005
    outage: {up: {dist: exponential, mean: 30d}, down: 5m}
control_plane: {plan_tick: 10s, phases: zero, manifest_max_age: 30m, resign: 20m}
rules: {deferred: strict, compliance_wave: off, quarantine: on}
"""


def data_of(text: str) -> Any:
    """The data of a scenario's text, as every other reader of YAML sees it."""
    return read_yaml(text, "x")[0]


def errors(data: object) -> list[str]:
    """What the schema has against a scenario."""
    return [error.message for error in VALIDATOR.iter_errors(data)]


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_section_is_closed_and_described() -> None:
    schema = json_schema()
    for name, section in [("the scenario", schema), *schema["$defs"].items()]:
        assert section["additionalProperties"] is False, name
        assert section["description"], name


def test_the_file_for_editors_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """To renew it: `nixfleet-sim schema > scenario.schema.json` at the top of the repository."""
    print_schema()
    printed = capsys.readouterr().out
    assert printed == json.dumps(json_schema(), indent=2) + "\n"
    assert (TOP / "scenario.schema.json").read_text() == printed


# -- it takes what the loader takes


def test_every_key_is_taken(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(RICH)
    scenario = load(tmp_path / "x.yaml")
    assert errors(data_of(RICH)) == []
    assert errors(plain(scenario)) == []


def test_the_least_is_taken(minimal: str) -> None:
    assert errors(data_of(minimal)) == []


def test_an_artifact_and_a_file_of_times_are_taken() -> None:
    times = "{dist: empirical, file: x.csv, column: seconds, max: 5m}"
    assert errors(data_of(f"fleet: {{resolved: x.json}}\nhosts: {{default: {{boot: {times}}}}}\n")) == []


def test_the_starter_is_taken(tmp_path: Path) -> None:
    assert errors(data_of(starter(None, tmp_path / "x.yaml"))) == []


def test_there_are_scenarios() -> None:
    assert SHIPPED


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_scenarios_are_taken(path: Path) -> None:
    scenario = load(path)
    assert errors(data_of(path.read_text())) == []
    assert errors(plain(scenario)) == []
    assert [lint for lint in lint_scenario(scenario) if lint.severity == "error"] == []


def test_the_defaults_are_taken() -> None:
    """A default in the schema is one that an editor may write into the file."""

    def defaults(section: Any) -> None:
        for setting in section["properties"].values():
            if "default" in setting and setting["default"] is not None:
                found = {**setting, "$defs": json_schema()["$defs"]}
                assert list(jsonschema.Draft202012Validator(found).iter_errors(setting["default"])) == []

    schema = json_schema()
    for section in [schema, *schema["$defs"].values()]:
        defaults(section)


# -- and refuses what it does not


def _places(data: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = data.keys() if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    return [place, *(inner for step in steps for inner in _places(data[step], (*place, step)))]


def _inside(data: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        data = data[step]
    return data


# what a file calls as it likes
NAMED = {("fleet", "generate", "channels"), ("fleet", "generate", "policies")}
NAMED |= {("fleet", "generate", "channels", "stable", "tags")}


def test_unknown_keys_are_refused_everywhere() -> None:
    data = data_of(RICH)
    for place in _places(data):
        if isinstance(_inside(data, place), dict) and place not in NAMED:
            changed = copy.deepcopy(data)
            _inside(changed, place)["no_such_key"] = 1
            assert errors(changed), place


def test_wrong_words_are_refused(tmp_path: Path) -> None:
    """Each word and each number of the rich scenario replaced by a word that stands for nothing."""
    data = data_of(RICH)
    free = {
        "name",
        "description",
        "system",
        "reason",
        "kind",
        "ref",
        "gates",
        "gated",
        "probe",
        "policy",
        "window",
        "channel",
    }
    for place in _places(data)[1:]:
        if isinstance(_inside(data, place), (dict, list)) or place[-1] in free:
            continue
        if len(place) > 1 and place[-2] in ("tags", "tags_any", "hosts", "channels") and isinstance(place[-1], int):
            continue  # names, too
        changed = copy.deepcopy(data)
        _inside(changed, place[:-1])[place[-1]] = "no such word"
        assert errors(changed), place
        (tmp_path / "x.json").write_text(json.dumps(changed))
        with pytest.raises(ScenarioError):
            load(tmp_path / "x.json")


@pytest.mark.parametrize(
    "text",
    [
        "seed: -1",
        "seed: 1.5",
        "until: -5",
        "until: 5 minutes",
        "until: 4294967296",
        "rules: {deferred: true}",
        "rules: {quarantine: off}",
        "hosts: {default: {boot_failure: 1.5}}",
        "hosts: {default: {boot_failure: '0.5'}}",
        "hosts: {default: {boot: {value: 5s}}}",
        "hosts: {default: {boot: {dist: normal, mean: 5s}}}",
        "hosts: {default: {boot: {dist: exponential}}}",
        "hosts: {default: {boot: {dist: gamma, mean: 5s, cv: 0}}}",
        "hosts: {default: {defer: {components: {kernl: 1}}}}",
        "hosts: {default: {online: sometimes}}",
        "hosts: {default: {reboot: sometimes}}",
        "hosts: {overrides: [{boot: 5s}]}",
        "hosts: {overrides: [{match: {all: true}, boot: null}]}",
        "releases: [{at: 5s}]",
        "releases: [{ref: a, channels: []}]",
        "releases: [{ref: 5}]",
        "probes: [{kind: http}]",
        "control_plane: {resign: weekly}",
        "probes: {}",
    ],
)
def test_mistakes_that_an_editor_can_see(minimal: str, text: str, tmp_path: Path) -> None:
    assert errors(data_of(f"{minimal}{text}\n"))
    (tmp_path / "x.yaml").write_text(f"{minimal}{text}\n")
    with pytest.raises(ScenarioError):
        load(tmp_path / "x.yaml")


def test_a_fleet_is_needed_and_a_name_is_not() -> None:
    assert errors({"name": "x"})
    assert json_schema()["required"] == ["fleet"]
