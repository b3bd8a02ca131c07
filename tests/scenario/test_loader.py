"""From a file to a scenario: every default of page 9, every kind of mistake with its line, settings, hostile files.

Expected messages are written out, as a user sees them.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sim.reducer.selectors import Selector
from sim.scenario.distributions import Constant, Empirical, Exponential, Lognormal, Uniform
from sim.scenario.loader import Problem, ScenarioError, load, with_settings
from sim.scenario.schema import Alternating, Match, Policy, Scenario, Window
from sim.scenario.units import parse_duration

Loaded = Callable[..., Scenario]
Refused = Callable[..., list[str]]
DURATION = "expected a duration such as 90s, 15m, 1h30m, 2d or a number of seconds"

RICH = """\
name: rich
description: every key of page 9
seed: 7
until: 2d
fidelity: full
fleet:
  generate:
    channels:
      stable:
        hosts: 40
        name: "{channel}-{index:05d}"
        system: x86_64-linux
        tags: {web: 0.6, laptop: 0.1}
        policy: staged
      edge: {hosts: 5, policy: plain}
    policies:
      staged:
        on_health_failure: halt
        waves:
          - {percent: 10%, soak: 30m}
          - {selector: {tags: [web]}, soak: 40m}
          - {percent: 100, soak: 50m}
      plain: {}
    edges: [{gates: stable-00000, gated: stable-00001, reason: database first}]
    channel_edges: [{gates: edge, gated: stable}]
    disruption_budgets: [{selector: {all: true}, max_in_flight: 20, max_in_flight_pct: 5%}]
releases:
  - at: 0s
    ref: r1
    channels: [stable, edge]
    closures: shared
    unchanged: 0.1
    defect: {probability: 0.5, match: {tags: [web]}, probe: http, onset: {dist: exponential, mean: 10m}}
  - {at: 1h, ref: r2}
hosts:
  default:
    network_delay: {dist: uniform, min: 10ms, max: 90ms}
    activation: {dist: gamma, mean: 90s, cv: 0.5, max: 10m}
    activation_timeout: 300s
    activation_failure: 0.01
    rollback: {dist: weibull, scale: 60s, shape: 1.5}
    rollback_failure: 0.02
    defer: {probability: 0.3, components: {kernel: 1, init: 2}}
    reboot: {window: "22:00-04:00"}
    boot: {dist: empirical, values: [50s, 60s, 70s]}
    boot_failure: 0.001
    online: {up: {dist: exponential, mean: 8h}, down: 1h}
  overrides:
    - match: {tags_any: [laptop], not: {channel: edge}, and: [{hosts: [a]}, {all: true}]}
      activation_timeout: never
      reboot: never
      online: always
probes:
  - name: http
    kind: tcp
    mode: observe
    interval: 15s
    match: {tags: [web]}
    flake: 0.0005
    outage: {up: {dist: exponential, mean: 30d}, down: {dist: exponential, mean: 5m}}
control_plane: {plan_tick: 10s, manifest_poll: 20s, heartbeat: 30s, advance_tick: 4s, sustained_failure: 60s,
                default_soak: 30m, phases: zero, manifest_max_age: 30m, resign: 20m}
rules: {deferred: strict, soak_from: dispatch, failure_clock: sustained, compliance_wave: off, quarantine: recorded,
        dispatch_order: shuffled, unchanged: gated, probe_restart: boot}
"""


def unwrapped(text: str) -> list[str]:
    """The lines of a text; one that begins with two spaces goes on the line before it."""
    lines: list[str] = []
    for line in text.strip("\n").splitlines():
        if line.startswith("  "):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    return lines


def table(text: str) -> list[tuple[str, list[str]]]:
    """Blocks with a blank line between them: what is written, its line ends and tabs as escapes, and what is said."""
    blocks = [unwrapped(block) for block in text.strip("\n").split("\n\n")]
    return [(first.replace(r"\n", "\n").replace(r"\t", "\t"), rest) for first, *rest in blocks]


# -- what page 9 says


def test_every_default(loaded: Loaded, minimal: str) -> None:
    found = loaded(minimal)
    assert (found.name, found.description, found.seed) == ("x", "", 1)
    assert (found.until, found.fidelity) == (7 * 86_400.0, "events")
    assert [release.model_dump() for release in found.releases] == [
        {"at": "0s", "ref": "r1", "channels": None, "closures": "per-host", "unchanged": 0.0, "defect": None}
    ]
    assert found.probes == []
    assert found.hosts.overrides == []

    host = found.hosts.default
    assert host.network_delay == Constant(value=parse_duration("50ms"))
    assert host.activation == Lognormal(dist="lognormal", median=90.0, p95=300.0)
    assert host.activation_timeout is None
    assert host.activation_failure == 0.0
    assert host.rollback == Constant(value=60.0)
    assert host.rollback_failure == 0.0
    assert host.defer.probability == 0.0
    assert host.defer.components == {"kernel": 0.6, "systemd": 0.3, "dbus": 0.1}
    assert host.reboot == Uniform(dist="uniform", min=3600.0, max=86_400.0)
    assert host.boot == Constant(value=60.0)
    assert host.boot_failure == 0.0
    assert host.online == "always"
    assert len(type(host).model_fields) == 11

    plane = found.control_plane
    assert plane.plan_tick == 15.0
    assert plane.manifest_poll == 30.0
    assert plane.heartbeat == 60.0
    assert plane.advance_tick == 5.0
    assert plane.sustained_failure == 120.0
    assert plane.default_soak == 3600.0
    assert plane.phases == "random"
    assert plane.manifest_max_age == 3660.0
    assert plane.resign == "always"
    assert len(type(plane).model_fields) == 9

    rules = found.rules
    assert rules.deferred == "converged"
    assert rules.soak_from == "open"
    assert rules.failure_clock == "first-failure"
    assert rules.compliance_wave == "sticky"
    assert rules.quarantine == "on"
    assert rules.dispatch_order == "hostname"
    assert rules.unchanged == "ungated"
    assert rules.probe_restart == "heartbeat"
    assert len(type(rules).model_fields) == 8

    assert found.fleet.generate is not None
    assert found.fleet.generate.edges == found.fleet.generate.channel_edges == []
    assert found.fleet.generate.disruption_budgets == []
    channel = found.fleet.generate.channels["c"]
    assert (channel.name, channel.system, channel.tags) == ("{channel}-{index:05d}", "x86_64-linux", {})
    assert found.fleet.generate.policies["p"].on_health_failure == "rollback-and-halt"


def test_defaults_inside_of_what_is_given(loaded: Loaded, minimal: str) -> None:
    found = loaded(minimal + "probes: [{name: http}]\nreleases: [{ref: a, defect: {}}]\n")
    probe = found.probes[0]
    assert (probe.kind, probe.mode, probe.interval) == ("http", "enforce", 30.0)
    assert (probe.match, probe.flake, probe.outage) == (None, 0.0, None)
    defect = found.releases[0].defect
    assert defect is not None
    assert (defect.probability, defect.match, defect.probe) == (1.0, None, None)
    assert defect.onset == Constant(value=0.0)
    found = loaded(minimal.replace("waves: [{percent: 10, soak: 5m}, {percent: 100, soak: 10m}]", ""))
    assert found.fleet.generate is not None
    assert found.fleet.generate.policies["p"].waves == []


def test_every_key(loaded: Loaded) -> None:
    found = loaded(RICH)
    assert (found.name, found.seed, found.until, found.fidelity) == ("rich", 7, 172_800.0, "full")
    assert found.fleet.generate is not None
    stable = found.fleet.generate.channels["stable"]
    assert (stable.hosts, stable.tags, stable.policy) == (40, {"web": 0.6, "laptop": 0.1}, "staged")
    policy = found.fleet.generate.policies["staged"]
    assert policy.on_health_failure == "halt"
    assert [(wave.percent, wave.soak) for wave in policy.waves] == [(10, 1800.0), (None, 2400.0), (100, 3000.0)]
    assert policy.waves[1].selector == Match(tags=["web"])
    assert found.fleet.generate.edges[0].model_dump() == {
        "gates": "stable-00000",
        "gated": "stable-00001",
        "reason": "database first",
    }
    assert found.fleet.generate.disruption_budgets[0].max_in_flight == 20
    assert found.fleet.generate.disruption_budgets[0].max_in_flight_pct == 5
    first, second = found.releases
    assert (first.channels, first.closures, first.unchanged) == (["stable", "edge"], "shared", 0.1)
    assert (second.at, second.channels) == (3600.0, None)
    assert first.defect is not None
    assert (first.defect.probability, first.defect.probe) == (0.5, "http")
    assert isinstance(first.defect.onset, Exponential)
    host = found.hosts.default
    assert host.activation_timeout == 300.0
    assert host.defer.components == {"kernel": 1.0, "init": 2.0}
    assert isinstance(host.reboot, Window)
    assert (host.reboot.start, host.reboot.end) == (79_200.0, 14_400.0)
    assert isinstance(host.boot, Empirical)
    assert isinstance(host.online, Alternating)
    assert host.online.down == Constant(value=3600.0)
    override = found.hosts.overrides[0]
    assert override.given() == {"activation_timeout": None, "reboot": "never", "online": "always"}
    assert override.match.to_selector() == Selector(
        tags_any=("laptop",),
        not_=Selector(channel="edge"),
        and_=(Selector(hosts=("a",)), Selector(all=True)),
    )
    assert found.probes[0].outage is not None
    assert (found.probes[0].kind, found.probes[0].mode, found.probes[0].interval) == ("tcp", "observe", 15.0)
    assert found.control_plane.resign == 1200.0
    assert found.rules.compliance_wave == "off"
    assert found.rules.quarantine == "recorded"


def test_a_window_may_span_midnight_or_the_whole_day(loaded: Loaded, minimal: str) -> None:
    for window, start, end in (
        ("02:00-04:00", 7200, 14_400),
        ("23:00-01:00", 82_800, 3600),
        ("22:00-24:00", 79_200, 86_400),
        ("00:00-24:00", 0, 86_400),
        ("24:00-01:00", 0, 3600),
        ("2:00 - 4:00", 7200, 14_400),
    ):
        reboot = loaded(minimal + f"hosts: {{default: {{reboot: {{window: {window}}}}}}}\n").hosts.default.reboot
        assert isinstance(reboot, Window)
        assert (reboot.start, reboot.end) == (start, end)


def test_on_and_off_as_yaml_reads_them(loaded: Loaded, refused: Refused, minimal: str) -> None:
    for word in ("on", "On", "ON", "yes", "true", '"on"'):
        assert loaded(minimal + f"rules: {{quarantine: {word}}}\n").rules.quarantine == "on"
    for word in ("off", "Off", "OFF", "no", "false", "'off'"):
        assert loaded(minimal + f"rules: {{compliance_wave: {word}}}\n").rules.compliance_wave == "off"
    assert refused(minimal + "rules: {quarantine: off, compliance_wave: on}\n") == [
        "x.yaml:5: rules.compliance_wave: expected sticky or latest or off, got 'on'",
        "x.yaml:5: rules.quarantine: expected on or recorded, got 'off'",
    ]


def test_a_scenario_without_a_name_is_called_like_its_file(tmp_path: Path, minimal: str) -> None:
    for file, name in (("canary-10k.yaml", "canary-10k"), ("a.b.yaml", "a.b"), (" .yaml", "scenario"), ("x", "x")):
        (tmp_path / file).write_text(minimal)
        assert load(tmp_path / file).name == name
        assert load(str(tmp_path / file)).name == name


def test_a_file_whose_name_is_no_text(tmp_path: Path, minimal: str) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.yaml")
    path.write_text(minimal)
    assert load(path).name == "caf?"


# -- JSON


def test_json_is_a_scenario_too(loaded: Loaded) -> None:
    from sim.scenario.reading import read_yaml

    data, _, problems = read_yaml(RICH, "rich")
    assert problems == []
    for form in ({}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}):
        assert loaded(json.dumps(data, **form)) == loaded(RICH)


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize(
    "text",
    ["\U0001f600", "a/b", "\\U0001F600", "\\\\ud83d\\\\ude00", '"', "\t\n\r\x7f\x00", "größe", "\u2028", "\ufeff"],
)
def test_json_text_is_read_as_json(loaded: Loaded, minimal: str, text: str, ascii_only: bool) -> None:
    from sim.scenario.reading import read_yaml

    data = {**read_yaml(minimal, "x")[0], "description": text}
    if ascii_only or text.isprintable():
        assert loaded(json.dumps(data, ensure_ascii=ascii_only)).description == text


def test_json_numbers(loaded: Loaded, minimal: str) -> None:
    from sim.scenario.reading import read_yaml

    data = read_yaml(minimal, "x")[0]
    data["hosts"] = {"default": {"boot_failure": 1e-05, "boot": 1e-05}}
    data["until"] = 1e20
    text = json.dumps(data)
    assert "1e-05" in text and "1e+20" in text
    with pytest.raises(ScenarioError, match=r"until: expected a duration below 2\^32 s \(136 years\), got 1e\+20"):
        loaded(text)
    found = loaded(text.replace("1e+20", "1E+2"))
    assert found.until == 100.0
    assert found.hosts.default.boot_failure == 1e-05
    assert found.hosts.default.boot == Constant(value=parse_duration(1e-05))


# -- numbers and words as YAML has them


@pytest.mark.parametrize(
    ("value", "seconds"), [("90", 90.0), ("1e2", 100.0), ("1.", 1.0), ("+5", 5.0), ("'90'", 90.0), ("007", 7.0)]
)
def test_numbers_of_yaml(loaded: Loaded, minimal: str, value: str, seconds: float) -> None:
    assert loaded(minimal + f"until: {value}\n").until == seconds


@pytest.mark.parametrize(
    ("value", "got"),
    [
        ("1:30", "'1:30'"),  # sexagesimal in YAML 1.1
        ("12:30:45", "'12:30:45'"),
        ("2001-01-01", "'2001-01-01'"),
        ("2001-12-14t21:59:43.10-05:00", "'2001-12-14t21:59:43.10-05:00'"),
        ("0x10", "'0x10'"),
        ("0o7", "'0o7'"),
        ("1_000", "'1_000'"),
        (".nan", "nan"),
        ("NaN", "'NaN'"),
        (".inf", "inf"),
        ("-.INF", "-inf"),
        ("true", "true"),
        ("off", "false"),
        ("null", "nothing (null)"),
        ("", "nothing (null)"),
        ("~", "nothing (null)"),
        ("[1]", "a list"),
        ("{a: 1}", "a mapping"),
        ("'90s, or so'", "'90s, or so'"),
    ],
)
def test_what_yaml_reads_is_no_duration(refused: Refused, minimal: str, value: str, got: str) -> None:
    assert refused(minimal + f"until: {value}\n") == [f"x.yaml:5: until: {DURATION}, got {got}"]


ONE_MISTAKE = r"""
seed: 1.0
seed: expected a whole number, got 1.0

seed: '1'
seed: expected a whole number, got '1'

seed: true
seed: expected a whole number, got true

seed: -1
seed: expected a number of at least 0, got -1

seed: 9223372036854775808
seed: expected a number below 9,223,372,036,854,775,808, got a very large number

name: 5
name: expected some text, got 5; put it in quotes

name: 12e4567
name: expected some text, got inf; put it in quotes

name: on
name: expected some text, got true; put it in quotes

name: ' '
name: expected some text, got ' '

description: 5
description: expected some text, got 5

fidelity: event
fidelity: expected events or full, got 'event'; did you mean 'events'?

probes: {}
probes: expected a list, got a mapping

probes:
probes: expected a list, got nothing (null)

probes: [http]
probes.0: expected a mapping, got 'http'

hosts: []
hosts: expected a mapping, got a list

rules: strict
rules: expected a mapping, got 'strict'

hosts: {default: {boot_failure: '0.5'}}
hosts.default.boot_failure: expected a probability from 0 to 1, got '0.5'

hosts: {default: {boot_failure: 50%}}
hosts.default.boot_failure: expected a probability from 0 to 1, got '50%'

hosts: {default: {boot_failure: .nan}}
hosts.default.boot_failure: expected a probability from 0 to 1, got nan

hosts: {default: {boot_failure: true}}
hosts.default.boot_failure: expected a probability from 0 to 1, got true

hosts: {default: {boot_failure: 1.0000001}}
hosts.default.boot_failure: expected a probability from 0 to 1, got 1.0000001

hosts: {default: {boot: }}
hosts.default.boot: expected a duration such as 90s, 15m, 1h30m, 2d or a number of seconds, got nothing (null)

hosts: {default: {boot: {mean: 5}}}
hosts.default.boot: expected `dist`, one of constant, exponential, uniform, lognormal, gamma, weibull, empirical

hosts: {default: {boot: {dist: exponentail, mean: 5}}}
hosts.default.boot.dist: expected a distribution's name, got 'exponentail'; did you mean 'exponential'?

hosts: {default: {boot: {dist: 5}}}
hosts.default.boot.dist: expected a distribution's name, got 5

hosts: {default: {boot: {dist: exponential}}}
hosts.default.boot.mean: is missing

hosts: {default: {boot: {dist: exponential, mean: 0}}}
hosts.default.boot.mean: expected a duration above 0, got 0

hosts: {default: {boot: {dist: gamma, mean: 5, cv: 200}}}
hosts.default.boot.cv: expected a number of at most 100, got 200

hosts: {default: {boot: {dist: gamma, mean: 5, cv: 0.0001}}}
hosts.default.boot.cv: expected a number of at least 0.001, got 0.0001

hosts: {default: {boot: {dist: exponential, mean: 5, median: 5}}}
hosts.default.boot.median: is not a key here; did you mean 'mean'?

hosts: {default: {boot: {dist: empirical}}}
hosts.default.boot.values: is missing

hosts: {default: {boot: {dist: empirical, values: []}}}
hosts.default.boot.values: expected at least one entry

hosts: {default: {boot: {dist: empirical, values: [1, x]}}}
hosts.default.boot.values.1: expected a duration such as 90s, 15m, 1h30m, 2d or a number of seconds, got 'x'

hosts: {default: {boot: {dist: empirical, file: x.csv}}}
hosts.default.boot: expected `file` and `column`, both as text

hosts: {default: {reboot: Never}}
hosts.default.reboot: expected never, {window: HH:MM-HH:MM}, a duration or a distribution, got 'Never'; did you mean
  'never'?

hosts: {default: {reboot: -5m}}
hosts.default.reboot: expected a duration such as 90s, 15m, 1h30m, 2d or a number of seconds, got '-5m'

hosts: {default: {reboot: no}}
hosts.default.reboot: expected a duration such as 90s, 15m, 1h30m, 2d or a number of seconds, got false

hosts: {default: {reboot: {window: 02:00-04:00, max: 3h}}}
hosts.default.reboot.max: is not a key here; there are window

hosts: {default: {reboot: {window: 02:00-02:00}}}
hosts.default.reboot.window: expected a window that ends at another time than it begins

hosts: {default: {reboot: {window: 02:00}}}
hosts.default.reboot.window: expected a window such as 02:00-04:00, got '02:00'

hosts: {default: {reboot: {window: 02:00-25:00}}}
hosts.default.reboot.window: expected a time of day such as 02:00, got '25:00'

hosts: {default: {online: 8h}}
hosts.default.online: expected always, or {up: …, down: …}, got '8h'

hosts: {default: {online: off}}
hosts.default.online: expected always, or {up: …, down: …}, got false

hosts: {default: {online: {up: 8h}}}
hosts.default.online.down: is missing

hosts: {default: {online: {up: 0, down: 0}}}
hosts.default.online: expected `up` and `down` that together last at least 1 s on average

hosts: {default: {activation_timeout: nver}}
hosts.default.activation_timeout: expected `never` or a duration such as 90s, 15m, 1h30m, 2d or a number of seconds,
  got 'nver'

hosts: {default: {defer: {components: {}}}}
hosts.default.defer.components: expected at least one component with a weight above 0

hosts: {default: {defer: {components: {kernel: 0, dbus: 0}}}}
hosts.default.defer.components: expected at least one component with a weight above 0

hosts: {default: {defer: {components: {kernel: -1}}}}
hosts.default.defer.components.kernel: expected a number of at least 0, got -1

hosts: {overrides: [{activation: 5s}]}
hosts.overrides.0.match: is missing

hosts: {overrides: [{match: {all: true}, activaton: 5s}]}
hosts.overrides.0.activaton: is not a key here; did you mean 'activation'?

hosts: {overrides: [{match: {all: true}, activation: }]}
hosts.overrides.0.activation: expected a duration such as 90s, 15m, 1h30m, 2d or a number of seconds, got nothing (null)

hosts: {overrides: [{match: {all: true}, boot_failure: }]}
hosts.overrides.0.boot_failure: expected a probability from 0 to 1, got nothing (null)

hosts: {overrides: [{match: {tagsAny: [a]}}]}
hosts.overrides.0.match.tagsAny: is not a key here; did you mean 'tags_any'?

hosts: {overrides: [{match: {}}]}
hosts.overrides.0.match: expected a selector with one of all, hosts, channel, tags, tags_any, not, and

hosts: {overrides: [{match: {not: {and: [{tag: a}]}}}]}
hosts.overrides.0.match.not.and.0.tag: is not a key here; did you mean 'tags'?

hosts: {overrides: [{match: {all: 'yes'}}]}
hosts.overrides.0.match.all: expected true or false, got 'yes'

hosts: {overrides: [{match: all}]}
hosts.overrides.0.match: expected a mapping, got 'all'

releases: []\nprobes: [{name: a}, {name: a}]
probes.1.name: expected a name of its own; probe 0 is called 'a', too

releases: [{ref: a, channels: []}]
releases.0.channels: expected at least one entry

releases: [{ref: 12345}]
releases.0.ref: expected some text, got 12345; put it in quotes

releases: [{ref: a, channels: [d]}]
releases.0.channels.0: expected a channel of the fleet, got 'd'; there are c

releases: [{ref: a, defect: {probe: http}}]
releases.0.defect.probe: expected the name of a probe, got 'http'; there are none

control_plane: {plan_tick: 0}
control_plane.plan_tick: expected a duration above 0, got 0

control_plane: {plan_tick: 0.0000001}
control_plane.plan_tick: expected a duration above 0, got 1e-07

control_plane: {resign: 0}
control_plane.resign: expected `always`, `never` or a duration above 0

control_plane: {resign: weekly}
control_plane.resign: expected `always`, `never` or a duration such as 90s, 15m, 1h30m, 2d or a number of seconds, got
  'weekly'

rules: {deferred: strct}
rules.deferred: expected converged or strict, got 'strct'; did you mean 'strict'?

rules: {deferd: strict}
rules.deferd: is not a key here; did you mean 'deferred'?

<<: {seed: 2}
<<: is not a key here; merge keys are not read: write the keys out, or use an alias as a whole value

on: 1
on: is not a key here; there are name, description, seed, until, fidelity, fleet, releases, hosts, …

'a; b': 1
a; b: is not a key here; there are name, description, seed, until, fidelity, fleet, releases, hosts, …
"""


@pytest.mark.parametrize(("written", "said"), table(ONE_MISTAKE))
def test_one_mistake(refused: Refused, minimal: str, written: str, said: list[str]) -> None:
    assert len(said) == 1
    assert refused(f"{minimal}{written}\n") == [f"x.yaml:{4 + len(written.splitlines())}: {said[0]}"]


FLEET_MISTAKE = r"""
name: x
1: fleet: is missing

fleet:
1: fleet: expected a mapping, got nothing (null)

fleet: {}
1: fleet: expected either `resolved` or `generate`

fleet: {resolved: a.json, generate: {channels: {c: {hosts: 1, policy: p}}, policies: {p: {}}}}
1: fleet: expected either `resolved` or `generate`

fleet: {generate: {}}
1: fleet.generate.channels: is missing

fleet: {generate: {channels: {}}}
1: fleet.generate.channels: expected at least one entry

fleet: {generate: {channels: {c: {hosts: 1, policy: p}}}}
1: fleet.generate.channels.c.policy: expected one of the policies, got 'p'; there are none

fleet:\n  generate:\n    policies: {}\n    channels:\n      c:\n        hosts: 1
5: fleet.generate.channels.c.policy: is missing

fleet: {generate: {policies: {p: {}}, channels:\n {c: {hosts: -1, policy: p}}}}
2: fleet.generate.channels.c.hosts: expected a number of at least 0, got -1

fleet: {generate: {policies: {p: {}}, channels:\n {c: {hosts: 2000001, policy: p}}}}
2: fleet.generate.channels.c.hosts: expected a number of at most 2,000,000, got 2000001

fleet: {generate: {policies: {p: {}}, channels:\n {c: {hosts: 2000000, policy: p}, d: {hosts: 1, policy: p}}}}
1: fleet.generate.channels: expected at most 2,000,000 hosts in all, got 2,000,001

fleet: {generate: {policies: {p: {}}, channels:\n {c: {hosts: 2, name: a, policy: p}}}}
2: fleet.generate.channels.c.name: expected a name for every host; 'a' is one of channel c already

fleet: {generate: {policies: {p: {}}, channels:\n {c: {hosts: 1, name: '{index}', policy: p},
  d: {hosts: 1, name: '{index}', policy: p}}}}
2: fleet.generate.channels.d.name: expected a name for every host; '0' is one of channel c already

fleet: {generate: {policies: {p: {}}, channels: {'': {hosts: 1, policy: p}}}}
1: fleet.generate.channels.: expected some text, got ''

fleet: {generate: {channels: {c: {hosts: 1, policy: p}},\n policies: {p: {waves:\n [{percent: 20, soak: 1},
  {percent: 10, soak: 1}]}}}}
2: fleet.generate.policies.p.waves: expected percentages that do not fall: each counts the waves before it

fleet: {generate: {channels: {c: {hosts: 1, policy: p}},\n policies: {p: {waves:\n [{soak: 1}]}}}}
3: fleet.generate.policies.p.waves.0: expected either `percent` or `selector`

fleet: {generate: {channels: {c: {hosts: 1, policy: p}},\n policies: {p: {waves:\n [{percent: 20}]}}}}
3: fleet.generate.policies.p.waves.0.soak: is missing

fleet: {generate: {channels: {c: {hosts: 1, policy: p}},\n policies: {p: {on_health_failure: rollback}}}}
2: fleet.generate.policies.p.on_health_failure: expected halt or rollback-and-halt, got 'rollback'; did you mean
  'rollback-and-halt'?

fleet: {generate: {channels: {c: {hosts: 1, policy: p}}, policies: {p: {}},\n edges: [{gates: a, gated: b, why: c}]}}
2: fleet.generate.edges.0.why: is not a key here; there are gates, gated, reason

fleet: {generate: {channels: {c: {hosts: 1, policy: p, name: "{channel.name}"}}, policies: {p: {}}}}
1: fleet.generate.channels.c.name: expected a name with no more in braces than {channel}, {index} or {index:05d}
"""


@pytest.mark.parametrize(("written", "said"), table(FLEET_MISTAKE))
def test_one_mistake_in_the_fleet(refused: Refused, written: str, said: list[str]) -> None:
    assert refused(f"{written}\n") == [f"x.yaml:{line}" for line in said]


ALL_SAID = """
x.yaml:1: name: expected some text, got 5; put it in quotes
x.yaml:2: seed: expected a number of at least 0, got -1
x.yaml:3: until: expected a duration such as 90s, 15m, 1h30m, 2d or a number of seconds, got 'soon'
x.yaml:4: fidelity: expected events or full, got 'evnts'; did you mean 'events'?
x.yaml:5: fleeet: is not a key here; did you mean 'fleet'?
x.yaml:9: fleet.generate.channels.stable.hosts: expected a whole number, got 20.5
x.yaml:10: fleet.generate.channels.edge.name: expected a name with no more in braces than {channel}, {index} or
  {index:05d}
x.yaml:10: fleet.generate.channels.edge.policy: expected one of the policies, got 'stagd'; did you mean 'staged'?
x.yaml:14: fleet.generate.policies.staged.waves.0.percent: expected a percentage from 0 to 100, such as 10% or 10,
  got 110
x.yaml:15: fleet.generate.policies.staged.waves.1.soak: is missing
x.yaml:16: fleet.generate.disruption_budgets.0.max_in_flight: expected a whole number, got 'many'
x.yaml:16: fleet.generate.disruption_budgets.0.selector: expected a selector with one of all, hosts, channel, tags,
  tags_any, not, and
x.yaml:18: releases.0.channels.0: expected a channel of the fleet, got 'stabel'; did you mean 'stable'?
x.yaml:19: releases.1.at: expected a duration such as 90s, 15m, 1h30m, 2d or a number of seconds, got '-5m'
x.yaml:20: releases.2.ref: expected a ref new to channel stable; release 1 gave it 'r1' already
x.yaml:21: releases.3.defect.probability: expected a probability from 0 to 1, got '0.5'
x.yaml:21: releases.3.defect.probe: expected the name of a probe, got 'htp'; did you mean 'http'?
x.yaml:24: hosts.default.activation: expected either `median` and `p95`, or `mean` and `cv`
x.yaml:25: hosts.default.activation_failure: expected a probability from 0 to 1, got 2
x.yaml:26: hosts.default.boot.dist: expected a distribution's name, got 'normal'; did you mean 'lognormal'?
x.yaml:27: hosts.default.rollback: expected a duration such as 90s, 15m, 1h30m, 2d or a number of seconds, got a
  list
x.yaml:28: hosts.default.reboot.window: expected a time of day such as 02:00, got '2am'
x.yaml:29: hosts.default.online: expected always, or {up: …, down: …}, got 'sometimes'
x.yaml:30: hosts.default.defer.components.kernl: expected dbus or systemd or kernel or init, got 'kernl'; did you
  mean 'kernel'?
x.yaml:32: hosts.overrides.0.match: is missing
x.yaml:32: hosts.overrides.0.online.down: is missing
x.yaml:34: probes.0.mode: expected enforce or observe or disabled, got 'enforced'; did you mean 'enforce'?
x.yaml:35: probes.1.interval: expected a duration above 0, got '0s'
x.yaml:35: probes.1.name: expected a name of its own; probe 0 is called 'http', too
x.yaml:36: control_plane.plan_tick: expected a duration above 0, got 0
x.yaml:36: control_plane.resign: expected `always`, `never` or a duration such as 90s, 15m, 1h30m, 2d or a number of
  seconds, got 'weekly'
x.yaml:37: rules.deferred: expected converged or strict, got true
x.yaml:37: rules.quarantine: expected on or recorded, got 'off'
x.yaml:37: rules.soak_fom: is not a key here; did you mean 'soak_from'?
x.yaml:38: until: is given twice, first on line 3
x.yaml:39: expected text as a key
x.yaml:41: description: expected plain data, got the tag !!python/object:os.system
"""


def test_all_mistakes_at_once(refused: Refused) -> None:
    text = """\
name: 5
seed: -1
until: soon
fidelity: evnts
fleeet: {}
fleet:
  generate:
    channels:
      stable: {hosts: 20.5, policy: staged}
      edge: {hosts: 10, policy: stagd, name: "{host}"}
    policies:
      staged:
        waves:
          - {percent: 110, soak: 5m}
          - {percent: 100}
    disruption_budgets: [{selector: {}, max_in_flight: many}]
releases:
  - {ref: r1, channels: [stabel]}
  - {ref: r1, at: -5m}
  - {ref: r1}
  - {ref: r2, defect: {probe: htp, probability: "0.5"}}
hosts:
  default:
    activation: {dist: lognormal, median: 90s}
    activation_failure: 2
    boot: {dist: normal, mean: 5}
    rollback: [60s]
    reboot: {window: 2am-4am}
    online: sometimes
    defer: {components: {kernl: 1}}
  overrides:
    - {online: {up: 8h}}
probes:
  - {name: http, mode: enforced}
  - {name: http, interval: 0s}
control_plane: {resign: weekly, plan_tick: 0}
rules: {deferred: on, quarantine: off, soak_fom: open}
until: 5d
? [description]
: a scenario
description: !!python/object:os.system y
"""
    assert refused(text) == unwrapped(ALL_SAID)


def test_a_problem_says_file_line_path_and_what(folder: Path, refused: Refused, minimal: str) -> None:
    refused(minimal + "rules:\n  deferred: strct\n")
    with pytest.raises(ScenarioError) as error:
        load(folder / "x.yaml")
    message = "expected converged or strict, got 'strct'; did you mean 'strict'?"
    assert error.value.problems == [Problem(str(folder / "x.yaml"), 6, "rules.deferred", message)]


def test_each_ref_is_new_to_its_channels(loaded: Loaded, refused: Refused) -> None:
    fleet = (
        "fleet: {generate: {policies: {p: {}}, channels: {a: {hosts: 1, policy: p}, b: {hosts: 1, policy: p}}}}\n"
        "releases:\n"
    )
    assert loaded(fleet + "- {ref: r, channels: [a]}\n- {ref: r, channels: [b]}\n- {ref: s}\n").releases[1].ref == "r"
    assert refused(fleet + "- {ref: r}\n- {ref: r, at: 1h, channels: [b]}\n") == [
        "x.yaml:4: releases.1.ref: expected a ref new to channel b; release 0 gave it 'r' already"
    ]
    assert refused(fleet + "- {ref: r, channels: [a]}\n- {ref: r, channels: [b]}\n- {ref: r}\n") == [
        "x.yaml:5: releases.2.ref: expected a ref new to channel a; release 0 gave it 'r' already"
    ]


# -- files that are none


NO_SCENARIO = r"""
# nothing
x.yaml: expected a scenario, a mapping with at least `fleet`; the file is empty

- fleet
x.yaml:1: expected a scenario, a mapping with at least `fleet`; got a list

\n\nhello
x.yaml:3: expected a scenario, a mapping with at least `fleet`; got 'hello'

a: 1\nb: [
x.yaml:2: is no YAML: while parsing a flow node did not find expected node content

a: 1\n b: 2
x.yaml:2: is no YAML: mapping values are not allowed in this context

a: *b
x.yaml:1: is no YAML: found undefined alias

a: 1\n---\nb: 1
x.yaml:2: is no YAML: expected a single document in the stream but found another document

a:\n\t- b
x.yaml:2: is no YAML: while scanning for the next token found character that cannot start any token

{"fleet": }
x.yaml:1: fleet: expected a mapping, got nothing (null)

{"fleet": 1,, }
x.yaml:1: is no YAML: while parsing a flow node did not find expected node content

{"fleet": "\ud800"}
x.yaml:1: is no YAML: while parsing a quoted scalar found invalid Unicode character escape code

!!python/object:os.system {}
x.yaml:1: expected plain data, got the tag !!python/object:os.system

a: &a [*a]
x.yaml:1: its aliases, written out, are too much to read

&a a: {b: {c: *a, d: &d {e: *d}}}
x.yaml:1: its aliases, written out, are too much to read
"""


@pytest.mark.parametrize(("text", "said"), table(NO_SCENARIO))
def test_files_that_are_no_scenario(refused: Refused, text: str, said: list[str]) -> None:
    assert refused(f"{text}\n") == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x.yaml: expected a scenario, a mapping with at least `fleet`; the file is empty"),
        ("é: ä\n" * 5 + "x: \x07\n" + "\n" * 9, "x.yaml:6: is no YAML: control characters are not allowed"),
        (b"name: x\n\xff\xfe\n", "x.yaml:2: expected UTF-8 text; this byte is none"),
        ("name: ü\n".encode("utf-16"), "x.yaml:1: expected UTF-8 text; this byte is none"),
        ("[" * 100_000, "x.yaml:1: nested deeper than 64 levels"),
        ("{a: " * 100_000, "x.yaml:1: nested deeper than 64 levels"),
        ("- " * 3000 + "x", "x.yaml:1: nested deeper than 64 levels"),
        ("a:\n" + "".join(" " * depth + "a:\n" for depth in range(1, 100)), "x.yaml:65: nested deeper than 64 levels"),
    ],
    ids=["empty", "control", "bytes", "utf-16", "lists", "mappings", "items", "levels"],
)
def test_bytes_that_are_no_scenario(refused: Refused, text: str | bytes, said: str) -> None:
    assert refused(text) == [said]


def test_aliases_of_aliases_of_aliases(refused: Refused) -> None:
    levels = ["a0: &a0 [" + "x," * 100 + "]"]
    levels += [f"a{n}: &a{n} [" + f"*a{n - 1}," * 100 + "]" for n in range(1, 10)]
    assert refused("\n".join(levels)) == ["x.yaml:1: its aliases, written out, are too much to read"]


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("!!python/object/apply:os.system ['exit 1']", "!!python/object/apply:os.system"),
        ("!!python/name:os.system", "!!python/name:os.system"),
        ("!!python/tuple [1, 2]", "!!python/tuple"),
        ("!!binary aGVsbG8=", "!!binary"),
        ("!!timestamp 2001-01-01", "!!timestamp"),
        ("!!set {a, b}", "!!set"),
        ("!!omap [a: 1]", "!!omap"),
        ("!mine 5", "!mine"),
        ("!<tag:example.org,2000:x> 5", "tag:example.org,2000:x"),
        ("!!int abc", "!!int"),
        ("!!int 1.5", "!!int"),
        ("!!float abc", "!!float"),
        ("!!float 1_0", "!!float"),
        ("!!bool maybe", "!!bool"),
        ("!!null something", "!!null"),
        ("!!map 5", "!!map"),
        ("!!seq {a: 1}", "!!seq"),
        ("!!map [1]", "!!map"),
        ("!!str [1]", "!!str"),
        ("!!int [1]", "!!int"),
    ],
)
def test_tags_are_refused(refused: Refused, minimal: str, value: str, tag: str) -> None:
    assert refused(minimal + f"until: {value}\n") == [f"x.yaml:5: until: expected plain data, got the tag {tag}"]


@pytest.mark.parametrize(("value", "seconds"), [("!!int '5'", 5), ("!!float '5'", 5), ("!!str 5m", 300), ("! 5m", 300)])
def test_tags_of_plain_data_are_read(loaded: Loaded, minimal: str, value: str, seconds: float) -> None:
    assert loaded(minimal + f"until: {value}\n").until == seconds


def test_aliases_are_written_out(loaded: Loaded, minimal: str) -> None:
    text = "hosts: {default: {boot: &b {dist: exponential, mean: 5s}, rollback: *b, activation: *b}}\n"
    host = loaded(minimal + text).hosts.default
    assert host.boot == host.rollback == host.activation == Exponential(dist="exponential", mean=5.0)


def test_mistakes_in_an_alias_are_told_where_it_is_used(refused: Refused, minimal: str) -> None:
    text = "hosts:\n  default:\n    boot: &b {dist: exponential, mean: 0}\n    rollback: *b\n"
    assert refused(minimal + text) == [
        "x.yaml:7: hosts.default.boot.mean: expected a duration above 0, got 0",
        "x.yaml:7: hosts.default.rollback.mean: expected a duration above 0, got 0",
    ]


def test_keys_given_twice(refused: Refused, minimal: str) -> None:
    text = (
        minimal + "rules:\n  deferred: strict\n  soak_from: open\n  deferred: converged\n  'deferred': x\nrules: {}\n"
    )
    assert refused(text) == [
        "x.yaml:8: rules.deferred: is given twice, first on line 6",
        "x.yaml:9: rules.deferred: is given twice, first on line 6",
        "x.yaml:10: rules: is given twice, first on line 5",
    ]


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_marks_and_line_endings_of_other_systems(loaded: Loaded, minimal: str, mark: str, ending: str) -> None:
    assert loaded((mark + minimal).replace("\n", ending)) == loaded(minimal)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    for path, reason in (
        (tmp_path, "cannot be read: Is a directory"),
        (tmp_path / "nope.yaml", "cannot be read: No such file or directory"),
        (Path("/dev/zero"), "expected a file, got a device"),
        (tmp_path / "a\0b", "cannot be read: embedded null byte"),
        (tmp_path / ("a" * 5000), "cannot be read: File name too long"),
        (tmp_path / "\udcff.yaml", "cannot be read: No such file or directory"),
        (tmp_path / "\ud800.yaml", "cannot be read: "),
    ):
        with pytest.raises(ScenarioError) as error:
            load(path)
        assert len(error.value.problems) == 1
        assert error.value.problems[0].message.startswith(reason)
        assert (error.value.problems[0].file, error.value.problems[0].line) == (str(path), None)


# -- artifacts


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no JSON: "),
        ("[]", "a.json: the artifact: expected an object, got a list"),
        ('{"schemaVersion": 2}', "a.json: schemaVersion: expected 1, got 2"),
        ('{"schemaVersion": 1}', "a.json: hosts: missing"),
        ('{"schemaVersion": 1,\n "hosts": NaN}', "a.json:2: is no JSON: invalid character"),
        ('{"schemaVersion": 1,\n "hosts": {},}', "a.json:2: is no JSON: "),
        ("[" * 1000 + "]" * 1000, "a.json: nested too deep"),
        ('{"schemaVersion": 1, "x":' * 100 + "1" + "}" * 100, "a.json: the artifact: nested deeper than 64"),
        ('{"a":' * 1000 + "1" + "}" * 1000, "a.json: nested too deep"),
        ("[" * 1_000_000, "a.json: nested too deep"),
        (b'{"schemaVersion": 1,\n"hosts": "\xff"}', "a.json:2: expected UTF-8 text; this byte is none"),
        (
            '{"schemaVersion": 1, "channels": {}, "hosts": {"a": {"system": "x", "channel": 5}}}',
            "a.json: hosts.a.channel: expected a string, got 5",
        ),
    ],
)
def test_artifacts_that_are_none(folder: Path, refused: Refused, text: str | bytes, said: str) -> None:
    (folder / "a.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    (line,) = refused("name: x\nfleet: {resolved: a.json}\n")
    assert line.startswith("x.yaml:2: fleet")
    assert said in line


def test_artifacts_that_are_no_files(folder: Path, refused: Refused) -> None:
    for path, reason in (
        ("nope.json", "cannot be read: No such file or directory"),
        (".", "cannot be read: Is a directory"),
        ("/dev/zero", "expected a file, got a device"),
        ('"a\\0b"', "cannot be read: embedded null byte"),
        ("a" * 5000, "cannot be read: File name too long"),
    ):
        (line,) = refused(f"fleet: {{resolved: {path}}}\n")
        assert line.startswith("x.yaml:1: fleet: ")
        assert line.endswith(reason)


ARTIFACT: dict[str, Any] = {
    "schemaVersion": 1,
    "hosts": {
        "web-1": {"system": "x86_64-linux", "channel": "stable", "tags": ["web"], "closureHash": "abc"},
        "db-1": {"system": "x86_64-linux", "channel": "edge", "tags": [], "closureHash": None},
    },
    "channels": {
        name: {
            "rolloutPolicy": "p",
            "reconcileIntervalMinutes": 1,
            "signingIntervalMinutes": 60,
            "freshnessWindow": 1440,
        }
        for name in ("stable", "edge")
    },
    "rolloutPolicies": {
        "p": {"strategy": "canary", "waves": [], "healthGate": {}, "onHealthFailure": "halt"},
    },
    "channelEdges": [{"before": "edge", "after": "stable"}],
    "meta": {"schemaVersion": 1, "ciCommit": "0123456789"},
}


def test_an_artifact_whose_channels_cannot_be_rolled_out(folder: Path, refused: Refused) -> None:
    (folder / "a.json").write_text(json.dumps({**ARTIFACT, "rolloutPolicies": {}}))
    assert refused("name: x\nfleet:\n  resolved: a.json\nreleases: [{ref: a, channels: [beta]}]\n") == [
        "x.yaml:3: fleet.resolved: its channel edge has the unknown policy 'p'",
        "x.yaml:3: fleet.resolved: its channel stable has the unknown policy 'p'",
        "x.yaml:4: releases.0.channels.0: expected a channel of the fleet, got 'beta'; there are stable, edge",
    ]


def test_an_artifact_is_found_from_the_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fleets").mkdir()
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "fleets" / "fleet.resolved.json").write_text(json.dumps(ARTIFACT))
    path = tmp_path / "scenarios" / "a.yaml"
    path.write_text("fleet: {resolved: ../fleets/fleet.resolved.json}\nreleases: [{ref: a, channels: [edge]}]\n")
    found = load(path)
    assert list(found.artifact().hosts) == ["web-1", "db-1"]
    assert found.artifact(seed=99) is found.artifact()
    assert found.fleet.warnings == [
        "channelEdges[0]: `before` is an older spelling of `gates`",
        "channelEdges[0]: `after` is an older spelling of `gated`",
    ]
    monkeypatch.chdir(tmp_path)
    assert load("scenarios/a.yaml") == found
    assert load("scenarios/a.yaml", {"seed": 3}).artifact() == found.artifact()
    with pytest.raises(ScenarioError, match=r"releases.0.channels.0: expected a channel of the fleet, got 'beta'"):
        load(path, {"releases.0.channels": "[beta]"})


# -- settings


def _policy(scenario: Scenario) -> Policy:
    assert scenario.fleet.generate is not None
    return scenario.fleet.generate.policies["p"]


@pytest.mark.parametrize(
    ("setting", "value", "read"),
    [
        ("rules.deferred", "strict", lambda s: s.rules.deferred),
        ("rules.quarantine", "recorded", lambda s: s.rules.quarantine),
        ("fidelity", "full", lambda s: s.fidelity),
        ("name", "another", lambda s: s.name),
        ("description", "a word, or two", lambda s: s.description),
        (
            "fleet.generate.policies.p.on_health_failure",
            "halt",
            lambda s: s.fleet.generate.policies["p"].on_health_failure,
        ),
    ],
)
def test_settings_of_words(
    loaded: Loaded, minimal: str, setting: str, value: str, read: Callable[[Scenario], object]
) -> None:
    assert read(loaded(minimal)) != value
    assert read(loaded(minimal, {setting: value})) == value


@pytest.mark.parametrize(
    ("setting", "value", "read", "expected"),
    [
        ("seed", "5", lambda s: s.seed, 5),
        ("seed", 5, lambda s: s.seed, 5),
        ("until", "8h", lambda s: s.until, 28_800.0),
        ("until", "3600", lambda s: s.until, 3600.0),
        ("until", 3600, lambda s: s.until, 3600.0),
        ("rules.compliance_wave", "off", lambda s: s.rules.compliance_wave, "off"),
        ("rules.quarantine", "on", lambda s: s.rules.quarantine, "on"),
        ("rules", "{deferred: strict}", lambda s: (s.rules.deferred, s.rules.soak_from), ("strict", "open")),
        # inside of a default, and of a default that the file does not have
        ("hosts.default.reboot.max", "10h", lambda s: s.hosts.default.reboot.max, 36_000.0),
        ("hosts.default.activation.p95", "200s", lambda s: s.hosts.default.activation.p95, 200.0),
        ("hosts.default.activation.max", "5m", lambda s: s.hosts.default.activation.max, 300.0),
        ("hosts.default.activation", "60s", lambda s: s.hosts.default.activation, Constant(value=60.0)),
        ("hosts.default.reboot", "never", lambda s: s.hosts.default.reboot, "never"),
        ("hosts.default.reboot", "{window: 02:00-04:00}", lambda s: s.hosts.default.reboot.start, 7200.0),
        ("hosts.default.activation_timeout", "5m", lambda s: s.hosts.default.activation_timeout, 300.0),
        ("hosts.default.defer.probability", "0.3", lambda s: s.hosts.default.defer.probability, 0.3),
        ("hosts.default.defer.components.kernel", "1", lambda s: s.hosts.default.defer.components["kernel"], 1.0),
        ("control_plane.resign", "1h", lambda s: s.control_plane.resign, 3600.0),
        # a bare duration is a distribution, too
        ("hosts.default.network_delay.value", "1s", lambda s: s.hosts.default.network_delay, Constant(value=1.0)),
        # what is not set, and the sections around it
        ("releases.0.channels", "[c]", lambda s: s.releases[0].channels, ["c"]),
        ("releases.0.defect", "{probability: 0.5}", lambda s: s.releases[0].defect.probability, 0.5),
        ("releases.0.defect.probability", "0.5", lambda s: s.releases[0].defect.probability, 0.5),
        ("releases.0.defect.match.tags", "[web]", lambda s: s.releases[0].defect.match, Match(tags=["web"])),
        ("releases.0.defect.onset", "5m", lambda s: s.releases[0].defect.onset, Constant(value=300.0)),
        ("releases.0.at", "5m", lambda s: s.releases[0].at, 300.0),
        # items of lists and of tables
        ("fleet.generate.channels.c.hosts", "100", lambda s: len(s.artifact().hosts), 100),
        ("fleet.generate.channels.c.tags.web", "0.5", lambda s: s.fleet.generate.channels["c"].tags, {"web": 0.5}),
        ("fleet.generate.policies.p.waves.0.percent", "20", lambda s: _policy(s).waves[0].percent, Fraction(20)),
        ("fleet.generate.policies.p.waves.1.soak", "1h", lambda s: _policy(s).waves[1].soak, 3600.0),
        ("fleet.generate.channels.d", "{hosts: 5, policy: p}", lambda s: list(s.fleet.generate.channels), ["c", "d"]),
        ("probes", "[{name: http}]", lambda s: s.probes[0].name, "http"),
    ],
)  # fmt: skip
def test_settings(
    loaded: Loaded, minimal: str, setting: str, value: object, read: Callable[[Any], object], expected: object
) -> None:
    changed = loaded(minimal, {setting: value})
    assert read(changed) == expected
    assert read(with_settings(loaded(minimal), {setting: value})) == expected


NO_SETTING = r"""
rules.deferred=strct
--set rules.deferred=strct: rules.deferred: expected converged or strict, got 'strct'; did you mean 'strict'?

rules.defered=strict
--set rules.defered=strict: rules.defered: is not a key here; did you mean 'deferred'?

rule.deferred=strict
--set rule.deferred=strict: no such setting: in the scenario, got 'rule'; did you mean 'rules'?

rules.deferred.x=1
--set rules.deferred.x=1: no such setting: rules.deferred is 'converged' and holds no settings

probes.0.interval=5s
--set probes.0.interval=5s: no such setting: probes has 0 entries, counted from 0; got '0'

releases.1.at=5s
--set releases.1.at=5s: no such setting: releases has 1 entries, counted from 0; got '1'

releases.-1.at=5s
--set releases.-1.at=5s: no such setting: releases has 1 entries, counted from 0; got '-1'

releases.first.at=5s
--set releases.first.at=5s: no such setting: releases has 1 entries, counted from 0; got 'first'

releases.0.channels.0=c
--set releases.0.channels.0=c: no such setting: releases.0.channels is not set and can only be set as a whole

releases.0.defct.probability=1
--set releases.0.defct.probability=1: no such setting: in releases.0, got 'defct'; did you mean 'defect'?

releases.0.defect.probabilty=1
--set releases.0.defect.probabilty=1: releases.0.defect.probabilty: is not a key here; did you mean 'probability'?

releases.0.defect.probe=http
--set releases.0.defect.probe=http: releases.0.defect.probe: expected the name of a probe, got 'http'; there are none

fleet.generate.channels.d.hosts=5
--set fleet.generate.channels.d.hosts=5: no such setting: in fleet.generate.channels, got 'd'; there are c

fleet.generate.channels.d={hosts: 5}
--set fleet.generate.channels.d={hosts: 5}: fleet.generate.channels.d.policy: is missing

fleet.generate.channels.c.policy=q
--set fleet.generate.channels.c.policy=q: fleet.generate.channels.c.policy: expected one of the policies, got 'q';
  there are p

fleet.generate.channels.c.hosts=5.5
--set fleet.generate.channels.c.hosts=5.5: fleet.generate.channels.c.hosts: expected a whole number, got 5.5

fleet.resolved=x.json
--set fleet.resolved=x.json: fleet: expected either `resolved` or `generate`

hosts.default.reboot.max=10m
--set hosts.default.reboot.max=10m: hosts.default.reboot: expected a `min` that is not above `max`

hosts.default.online.up=8h
--set hosts.default.online.up=8h: no such setting: hosts.default.online is 'always' and holds no settings

hosts.default.activation_timeout.x=8h
--set hosts.default.activation_timeout.x=8h: no such setting: hosts.default.activation_timeout is 'never' and holds no
  settings

hosts.default.network_delay.mean=1s
--set hosts.default.network_delay.mean=1s: hosts.default.network_delay.mean: is not a key here; there are dist, min,
  max, value

hosts.default.activation.mean=60s
--set hosts.default.activation.mean=60s: hosts.default.activation: expected either `median` and `p95`, or `mean` and
  `cv`

=1
--set =1: no such setting: expected keys with a dot between them, such as rules.deferred

rules.=1
--set rules.=1: no such setting: expected keys with a dot between them, such as rules.deferred

rules..deferred=1
--set rules..deferred=1: no such setting: expected keys with a dot between them, such as rules.deferred

rules=null
--set rules=null: rules: expected a mapping, got nothing (null)

name=5
--set name=5: name: expected some text, got 5; put it in quotes

until=[1
--set until=[1: is no YAML: while parsing a flow sequence did not find expected ',' or ']'

until=!!python/object:os.system x
--set until=!!python/object:os.system x: expected plain data, got the tag !!python/object:os.system

until=1:30
--set until=1:30: until: expected a duration such as 90s, 15m, 1h30m, 2d or a number of seconds, got '1:30'

seed=-1 & rules.deferred=x & until=1h
--set seed=-1: seed: expected a number of at least 0, got -1
--set rules.deferred=x: rules.deferred: expected converged or strict, got 'x'

nope.x=1 & rulez.y=2
--set nope.x=1: no such setting: in the scenario, got 'nope'; there are name, description, seed, until, fidelity,
  fleet, releases, hosts, …
--set rulez.y=2: no such setting: in the scenario, got 'rulez'; did you mean 'rules'?

hosts.default.reboot.min=20h & hosts.default.reboot.max=10h
--set hosts.default.reboot.min=20h; --set hosts.default.reboot.max=10h: hosts.default.reboot: expected a `min` that is
  not above `max`
"""


@pytest.mark.parametrize(("written", "said"), table(NO_SETTING))
def test_settings_that_do_not_fit(refused: Refused, minimal: str, written: str, said: list[str]) -> None:
    changes = {key: value for key, _, value in (one.partition("=") for one in written.split(" & "))}
    assert refused(minimal, changes) == said


def test_values_of_a_program_that_do_not_fit(refused: Refused, minimal: str) -> None:
    assert refused(minimal, {"until": float("nan")}) == [f"--set until=nan: until: {DURATION}, got nan"]
    assert refused(minimal, {"seed": 10**5000})[0].startswith(
        "--set seed=a very large number: seed: expected a number "
    )
    assert refused(minimal, {"until": "x" * 100}) == [
        f"--set until={'x' * 57}...: until: {DURATION}, got '{'x' * 56}..."
    ]
    assert refused(minimal, {f"releases.{'9' * 5000}.at": 1})[0].endswith(f"counted from 0; got '{'9' * 56}...")
    assert refused(minimal, {"rules": object()})[0].startswith("--set rules=<object object at ")


def test_later_settings_see_earlier_ones(loaded: Loaded, minimal: str) -> None:
    changes = {
        "hosts.default.online": "{up: 8h, down: 1h}",
        "hosts.default.online.down.value": "2h",
        "probes": "[{name: a}]",
    }
    found = loaded(minimal, {**changes, "probes.0.mode": "observe", "releases.0.defect.probe": "a"})
    assert found.hosts.default.online == Alternating(up=Constant(value=28_800.0), down=Constant(value=7200.0))
    assert found.probes[0].mode == "observe"


def test_settings_leave_the_rest_as_it_was(loaded: Loaded) -> None:
    plain = loaded(RICH)
    assert loaded(RICH, {}) == plain
    assert loaded(RICH, {"seed": 7}) == plain
    changed = loaded(RICH, {"rules.deferred": "converged"})
    assert changed != plain
    assert with_settings(changed, {"rules.deferred": "strict"}) == plain
    assert (
        loaded(RICH, {"hosts.overrides.0.boot.values": "[1, 2]"} | {"hosts.overrides.0.boot.dist": "empirical"})
        != plain
    )


def test_what_settings_name_is_found_from_the_scenario(folder: Path, loaded: Loaded, minimal: str) -> None:
    (folder / "boots.csv").write_text("seconds\n5\n6\n")
    (folder / "set.json").write_text(json.dumps(ARTIFACT))
    changes = {
        "hosts.default.boot": "{dist: empirical, file: boots.csv, column: seconds}",
        "fleet": "{resolved: set.json}",
    }
    found = loaded(minimal, changes)
    assert found.hosts.default.boot == Empirical(dist="empirical", values=[5.0, 6.0])
    assert list(found.artifact().hosts) == ["web-1", "db-1"]
    again = with_settings(found, {"fleet.resolved": "set.json"}, folder)
    assert again == found


def test_mistakes_of_the_file_are_told_before_those_of_settings(refused: Refused, minimal: str) -> None:
    assert refused(minimal + "seed: x\n", {"nope": 1, "seed": 5}) == [
        "x.yaml:5: seed: expected a whole number, got 'x'"
    ]


def test_scenarios_do_not_change(loaded: Loaded, minimal: str) -> None:
    found = loaded(minimal)
    with pytest.raises(ValueError, match="frozen"):
        found.rules.deferred = "strict"


# -- whatever a file holds

QUICK = settings(deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
ODD_WORDS = ["", " ", "x", "never", "always", "on", "1h", "-5m", "nan", "100%", "1e999999999", "٣s", "{index}", "%d"]
ODD_WORDS += ["{channel.__class__}", "a\0b", "r1", "stable", "http", "../x", ".", "02:00-04:00", "[key]"]
ODD_WORDS += ["uniform", "constant", "window", "word"]
ODD_PARTS: list[Any] = [[], {}, [[]], {"": {}}, {"dist": "uniform"}, {"all": True}, {"not": {"not": {}}}]
ODD_PARTS += [{"window": "1-2", "dist": 1}, {"dist": "empirical", "file": "x", "column": "y"}]
ODD_PARTS += [{"dist": "exponential", "mean": 1e-5, "min": "100d"}]
ODD_PARTS += [{"dist": "weibull", "scale": 1e-6, "shape": 100, "max": 4e9}]
ODD = st.sampled_from([None, True, False, 0, -1, 1, 0.5, 1.5, 10**39, 1e308, 5e-324, *ODD_WORDS, *ODD_PARTS])
ANYTHING = st.recursive(
    ODD | st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def _places(data: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = data.keys() if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    return [place, *(inner for step in steps for inner in _places(data[step], (*place, step)))]


def _rich() -> dict[str, Any]:
    from sim.scenario.reading import read_yaml

    data = read_yaml(RICH, "rich")[0]
    assert isinstance(data, dict)
    return data


RICH_DATA = _rich()
RICH_PLACES = _places(RICH_DATA)[1:]


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """The rich scenario with up to three keys dropped, renamed, added or replaced."""
    data = copy.deepcopy(RICH_DATA)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(RICH_PLACES))
        inside: Any = data
        try:
            for step in way:
                inside = inside[step]
            inside[last]
        except (KeyError, IndexError, TypeError):
            continue  # gone already
        how = draw(st.sampled_from(["replace", "replace", "drop", "rename", "add", "swap"]))
        if how == "replace":
            inside[last] = draw(ANYTHING)
        elif how == "drop":
            del inside[last]
        elif isinstance(inside, list):
            inside.append(copy.deepcopy(inside[last]))
        elif how == "rename":
            inside[draw(st.text(max_size=8) | st.sampled_from([f"{last}s", "uniform", "window", "name"]))] = inside.pop(
                last
            )
        elif how == "add":
            inside[draw(st.text(max_size=8))] = draw(ANYTHING)
        else:
            inside[last] = copy.deepcopy(draw(st.sampled_from([RICH_DATA["hosts"], RICH_DATA["probes"], [], 5])))
    return data


def _loads_or_is_refused(loaded: Loaded, text: str) -> None:
    try:
        found = loaded(text)
    except ScenarioError as error:
        assert error.problems
        assert str(error)
        for problem in error.problems:
            assert problem.message
            assert problem.line is None or 1 <= problem.line <= text.count("\n") + 1
            assert len(problem.message) < 400
    else:
        assert found.artifact().hosts is not None


@QUICK
@given(mutated())
def test_any_change_of_a_scenario_loads_or_is_refused(loaded: Loaded, data: dict[str, Any]) -> None:
    _loads_or_is_refused(loaded, json.dumps(data))


@QUICK
@given(ANYTHING)
@example({"fleet": {"generate": {"channels": {"c": {"hosts": 1, "policy": "p"}}, "policies": []}}})
@example({"fleet": {"generate": {"channels": [], "policies": {}}}, "releases": {}, "probes": 5})
def test_any_json_loads_or_is_refused(loaded: Loaded, data: object) -> None:
    _loads_or_is_refused(loaded, json.dumps(data))


@QUICK
@given(
    st.text() | st.text(alphabet="{}[]:,-?!&*#|>'\"%@` \n\tab1.") | st.text(alphabet=list("&*a[]:, \n{}"), max_size=40)
)
def test_any_text_loads_or_is_refused(loaded: Loaded, text: str) -> None:
    _loads_or_is_refused(loaded, text)


@QUICK
@given(st.binary(max_size=60))
def test_any_bytes_load_or_are_refused(loaded: Loaded, data: bytes) -> None:
    with pytest.raises(ScenarioError):
        loaded(data)


@QUICK
@given(st.integers(0, len(RICH) - 1), st.text(alphabet="{}[]:,-?!&*#|>'\"%@` \n\tab1.", max_size=4), st.integers(0, 8))
def test_any_slip_of_the_pen_loads_or_is_refused(loaded: Loaded, at: int, typed: str, deleted: int) -> None:
    _loads_or_is_refused(loaded, RICH[:at] + typed + RICH[at + deleted :])


@QUICK
@given(
    st.dictionaries(
        st.sampled_from([".".join(map(str, place)) for place in RICH_PLACES]) | st.text(max_size=10),
        ANYTHING | st.text(max_size=10),
        min_size=1,
        max_size=3,
    )
)
def test_any_setting_fits_or_is_refused(loaded: Loaded, changes: dict[str, object]) -> None:
    try:
        loaded(RICH, changes)
    except ScenarioError as error:
        assert error.problems
        assert all(problem.file.startswith("--set ") for problem in error.problems)


def test_a_line_is_known_for_every_mistake(loaded: Loaded) -> None:
    """Each value of a file written with one key a line, made wrong: the error is told of its line."""
    import yaml

    from sim.scenario.reading import read_yaml

    text = yaml.safe_dump(RICH_DATA, sort_keys=False)
    _, lines, _ = read_yaml(text, "rich")
    for place in RICH_PLACES:
        data = copy.deepcopy(RICH_DATA)
        inside: Any = data
        for step in place[:-1]:
            inside = inside[step]
        if isinstance(inside[place[-1]], (dict, list)):
            continue
        if place == ("probes", 0, "name"):
            continue  # the release that names it is told instead
        inside[place[-1]] = "\x01"  # a text that is nothing but where any text is allowed
        path = ".".join(map(str, place))
        try:
            loaded(yaml.safe_dump(data, sort_keys=False))
        except ScenarioError as error:
            told = [problem.line for problem in error.problems if path.startswith(problem.path)]
            assert lines.of(place) in told, (place, str(error))
