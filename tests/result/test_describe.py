"""A result in words, as a table and as tables: every kind of run says something a person can use, and never NaN or
None."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.result import Result
from sim.result.frames import NAMES

TWO = [{"percent": 50, "soak": "10m"}, {"percent": 100, "soak": "5m"}]
PROBE = [{"name": "http", "interval": "15s"}]
EMPTY = {"empty": {"hosts": 0, "policy": "p"}}
BREAKS = {"activation_failure": 1.0, "rollback": "60s"}


def played(directory: Path, waves: list[dict[str, Any]], hosts: int = 4, **more: Any) -> Result:
    channels = {"c": {"hosts": hosts, "name": "c-{index}", "policy": "p"}, **more.pop("channels", {})}
    fleet = {"channels": channels, "policies": {"p": {"waves": waves}}}
    default = {"activation": "90s", **more.pop("default", {})}
    path = directory / "case.yaml"
    path.write_text(json.dumps({"fleet": {"generate": fleet}, "hosts": {"default": default}, **more}))
    return sim.run(sim.load(path))


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return played(tmp_path_factory.mktemp("usual"), TWO)


@pytest.mark.parametrize(
    ("waves", "more", "said"),
    [
        pytest.param(
            TWO,
            {"releases": []},
            ["nothing was left to happen after 0s. No rollout opened: the scenario has no release."],
            id="no release",
        ),
        pytest.param(TWO, {"hosts": 0}, ["No rollout opened: the fleet has no host."], id="no host"),
        pytest.param(
            TWO,
            {"channels": EMPTY, "releases": [{"ref": "r1", "channels": ["empty"]}]},
            ["No rollout opened: no channel that is released to has a host."],
            id="released to an empty channel",
        ),
        pytest.param(
            TWO,
            {"releases": [{"ref": "r1", "at": "9d"}]},
            ["cut the run off at 7d. No rollout opened: no release was known by then; the first comes at 9d."],
            id="released too late",
        ),
        pytest.param(TWO, {"channels": EMPTY}, ["4 hosts, seed 1", "c@r1: finished in"], id="an empty channel"),
        pytest.param(
            TWO,
            {"hosts": 1},
            ["c@r1: finished in", "(1 Converged). Its host had converged after 10m"],
            id="one host",
        ),
        pytest.param(
            [],
            {"hosts": 1},
            ["Its host had converged after 1h.", "soaking for the clock alone", "What set its end: soak clock (1h)."],
            id="one host, no waves",
        ),
        pytest.param([], {}, ["All of its 4 hosts had converged after 1h. "], id="no waves"),
        pytest.param(
            TWO,
            {},
            [
                "Half of its 4 hosts had converged after 10m3s, all after 11m",
                "The bottleneck is wave 0 of c@r1: of the 11m48s that set the end 10m3s passed there, all of it ",
                "held by gates (wave-promotion most of all)",
            ],
            id="two waves",
        ),
        pytest.param(
            TWO,
            {"until": "5m"},
            ["the horizon cut the run off at 5m", "c@r1: not finished", "None of its 4 hosts converged by then."],
            id="nothing converged at the horizon",
        ),
        pytest.param(
            TWO,
            {"until": "1ms"},
            ["c@r1: not finished (4 Pending). None of its 4 hosts converged"],
            id="no time at all",
        ),
        pytest.param(TWO, {"hosts": 1, "until": "5m"}, ["Its host has not converged by then."], id="one host, cut off"),
        pytest.param(
            [{"percent": 25, "soak": "1m"}, {"percent": 100, "soak": "1h"}],
            {"until": "30m"},
            ["Fewer than half of its 4 hosts converged by then."],
            id="a quarter converged at the horizon",
        ),
        pytest.param(
            TWO,
            {"default": BREAKS},
            [
                "failed, stalled in wave 0",
                "None of its 4 hosts converged.",
                "The first failure was seen at 1m30s, when no host ran the release; none took it after that.",
                "that. 2 hosts went back. c waits",
            ],
            id="everything went back",
        ),
        pytest.param(
            [],
            {"default": {**BREAKS, "rollback_failure": 1.0}},
            ["(4 Failed). None of its 4 hosts converged.", "none took it after that. 4 hosts stayed Failed."],
            id="everything failed",
        ),
        pytest.param(
            TWO,
            {"default": {"defer": {"probability": 1.0}, "reboot": "never"}},
            [
                "Wave 0 was left with none of its 2 hosts verified, all only Deferred.",
                "4 hosts will stay Deferred",
            ],
            id="nothing ever reboots",
        ),
        pytest.param(
            TWO,
            {"hosts": 2, "default": {"defer": {"probability": 1.0}, "reboot": "never"}},
            ["Wave 0 was left with its one host only Deferred."],
            id="nothing ever reboots, in waves of one",
        ),
        pytest.param(
            TWO,
            {"default": {"activation": "30m"}},
            # of the hour that set the end wave 0 has 30m3s, and wave 1 also the 12 s until a pass lets it go
            ["The bottleneck is wave 1 of c@r1: of the 1h that set the end 30m15s passed there, 30m of it activating"],
            id="waves as slow as each other",
        ),
        pytest.param(
            [{"percent": 25, "soak": "1m"}, {"percent": 100, "soak": "2h"}],
            {"rules": {"soak_from": "activation"}},
            ["The bottleneck is wave 1 of c@r1: of the 2h4m that set the end 2h2m passed there, 2h of it soaking"],
            id="the last wave is the slowest",
        ),
        pytest.param(
            TWO,
            {"probes": PROBE, "releases": [{"ref": "r1", "closures": "shared", "defect": {}}]},
            ["2 hosts went back, the quarantine held 2 back.", "quarantine holds 2 hosts"],
            id="a bad release",
        ),
        pytest.param(
            TWO,
            {"releases": [{"ref": "r1"}, {"ref": "r2", "at": "5m"}]},
            ["c@r1: superseded before it finished"],
            id="superseded",
        ),
        pytest.param(
            [{"selector": {"tags": ["none"]}, "soak": "1m"}, {"percent": 100, "soak": "5m"}],
            {},
            ["c@r1: stalled in wave 0 since 0s (4 Pending)", "waiting for a wave that lists no host"],
            id="a wave of nobody",
        ),
    ],
)
def test_every_kind_of_run(
    tmp_path: Path, usual: Result, waves: list[dict[str, Any]], more: dict[str, Any], said: list[str]
) -> None:
    result = played(tmp_path, waves, **more)
    text = result.describe()
    for words in said:
        assert words in text
    for shown in (text, repr(result), result._repr_html_()):
        assert not re.search(r"NaN|\bnan\b|\binf\b|\bNone\b(?! of its)", shown), shown
    json.dumps(result.summary, allow_nan=False)
    for name in NAMES:
        frame, other = getattr(result, name), getattr(usual, name)
        # tidy, with the same columns and types, whatever there is to tell
        assert frame.dtypes.to_dict() == other.dtypes.to_dict(), name


def test_of_a_wave_that_is_half_deferred_both_halves_are_counted(tmp_path: Path) -> None:
    overrides = [{"match": {"hosts": ["c-0"]}, "defer": {"probability": 1.0}, "reboot": "2h"}]
    path = tmp_path / "case.yaml"
    fleet = {"channels": {"c": {"hosts": 6, "name": "c-{index}", "policy": "p"}}, "policies": {"p": {"waves": TWO}}}
    hosts = {"default": {"activation": "90s"}, "overrides": overrides}
    path.write_text(json.dumps({"fleet": {"generate": fleet}, "hosts": hosts}))
    text = sim.run(sim.load(path)).describe()
    assert "Wave 0 was left with 2 of its 3 hosts verified, the other one only Deferred." in text


def test_a_table_of_the_rollouts_for_a_notebook(tmp_path: Path) -> None:
    """Everything that comes from a scenario is escaped."""
    shown = played(tmp_path, TWO, name="<i>mine</i>")._repr_html_()
    assert shown.startswith("<b>&lt;i&gt;mine&lt;/i&gt;</b>: 4 hosts, seed 1, quiescent at 11m")
    cells = re.findall(r"<t([hd])[^>]*>(.*?)</t\1>", shown)
    assert [words for kind, words in cells if kind == "h"] == ["rollout", "outcome", "hosts"]
    assert re.fullmatch(
        r"c@r1;finished in 11m\d+s;4 Converged", ";".join(words for kind, words in cells if kind == "d")
    )


def test_a_run_without_a_rollout_has_no_empty_table(tmp_path: Path) -> None:
    result = played(tmp_path, TWO, releases=[])
    assert result._repr_html_() == "<b>case</b>: 4 hosts, seed 1, quiescent at 0s<br>no rollout opened"
    assert repr(result) == "<Result of 'case': 4 hosts, seed 1, quiescent at 0s\n  no rollout opened>"
