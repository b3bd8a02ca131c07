"""`trace`: its table, its JSON, its figures, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import sim
from sim.plot import STATES, svg
from sim.plot.timeline import timeline
from sim.result import read, save
from sim.result.trace import trace

TIMES = {"network_delay": 0.5, "activation": "90s", "rollback": "60s", "boot": "60s"}
HTTP = {"name": "http", "kind": "http"}


def saved(folder: Path, events: bool = True, **sections: Any) -> Path:
    """A saved result of c-0 and c-1, each in a wave of its own, with constant times."""
    waves = [{"percent": 50, "soak": "10m"}, {"percent": 100, "soak": "10m"}]
    data: dict[str, Any] = {
        "name": "two",
        "until": "6h",
        "fleet": {
            "generate": {
                "channels": {"c": {"hosts": 2, "name": "{channel}-{index}", "policy": "only"}},
                "policies": {"only": {"waves": waves}},
            }
        },
        "hosts": {"default": {**TIMES, **sections.pop("default", {})}},
        "control_plane": {"phases": "zero"},
        "probes": [HTTP],
        **sections,
    }
    path = folder / "two.yaml"
    path.write_text(json.dumps(data))
    save(sim.run(sim.load(path), record_events=events), folder / "out")
    return folder / "out"


def test_the_table(cli, tmp_path: Path) -> None:
    code, out, err = cli("trace", saved(tmp_path), "c-1")
    assert (code, err) == (0, "")
    assert (
        out
        == """\
c-1 converged on r1 after 11m50s: 10m15s waiting for its wave, 1m30s activating, 4.5s soaking

   agent  control plane
                     0s  the rollout opens to 2 hosts of c, this one in wave 1
                     0s  gate wave-promotion holds it for 10m15s, to 10m15s: its wave 1 has not come, the rollout is \
in wave 0, then it goes
                 10m15s  the rollout reaches wave 1
  10m15s         10m15s  dispatch of closure-r1-c-1 queued and taken, soak due at 10m
10m15.5s                 dispatch delivered
10m15.5s         10m16s  Pending -> Activating: takes the dispatch while on before-c-1
10m15.5s         10m16s  the activation starts
11m45.5s         11m46s  Activating -> Soaking: runs closure-r1-c-1
11m45.5s         11m46s  probes start: http (enforce)
11m45.5s         11m46s  probe http passes
  11m50s       11m50.5s  Soaking -> Converged: soaked
               11m50.5s  the rollout is Terminal, was Active
"""
    )


def words(told: str) -> list[str]:
    """The last column of a table, without the sentence above it."""
    return [line.split("  ")[-1].strip() for line in told.splitlines()[3:]]


def test_a_host_that_fails_and_one_that_never_goes(cli, tmp_path: Path) -> None:
    """Failing from 90.5, it is Failed at the tick of 215 and back at 275; the end is what is known at 275.5."""
    out = saved(tmp_path, releases=[{"ref": "r1", "defect": {"probability": 1.0}}])
    code, told, err = cli("trace", out, "c-0")
    assert (code, err) == (0, "")
    assert words(told)[-7:] == [
        "Activating -> Soaking: runs closure-r1-c-0",
        "probes start: http (enforce), 3 times up to 3m1s",
        "probe http fails, 6 times up to 3m31s",
        "Soaking -> Failed: http failed, the first failure was 2m4s before (rollback-and-halt)",
        "the rollout is Failed, was Active",
        "Failed -> Reverted: is back on before-c-0",
        "closure-r1-c-0 is put in quarantine on c",
    ]
    code, told, err = cli("trace", out, "c-1")
    assert (code, err) == (0, "")
    assert (
        told
        == """\
c-1 has not begun r1: the gate wave-promotion has held it since 0s, for 4m36s; its wave 1 has not come, the rollout is \
in wave 0 and waits for c-0 (Reverted: its probes failed, and it was rolled back)

agent  control plane
                  0s  gate wave-promotion holds it for 4m36s, to the end: its wave 1 has not come, the rollout is in \
wave 0
"""
    )


def test_a_reboot(cli, tmp_path: Path) -> None:
    """That it is offline meanwhile goes without saying."""
    out = saved(tmp_path, default={"defer": {"probability": 1.0, "components": {"kernel": 1.0}}, "reboot": "10m"})
    code, told, err = cli("trace", out, "c-0")
    assert (code, err) == (0, "")
    assert words(told)[5:-1] == [
        "Activating -> Deferred: the activation waits for a reboot (kernel)",
        "goes down to boot into closure-r1-c-0",
        "is up again, on closure-r1-c-0",
        "a heartbeat shows that it runs closure-r1-c-0",
        "Deferred -> Soaking (control plane alone)",
        "the agent takes over the control plane's record: Soaking",
        "probes start: http (enforce)",
        "probe http passes",
        "Soaking -> Converged: soaked",
    ]


def test_rollouts(cli, tmp_path: Path) -> None:
    out = saved(tmp_path, releases=[{"ref": "r1"}, {"ref": "r2", "at": "3m"}])
    code, told, err = cli("trace", out, "c-1")
    assert (code, err) == (0, "")
    lines = told.splitlines()
    assert lines[0].startswith("c-1 did not converge on r1 before r2 superseded it at 3m")
    assert lines[1].startswith("c-1 converged on r2 after ")
    assert lines[3].split() == ["agent", "control", "plane", "rollout"]
    assert {line.split("c@r")[1][0] for line in lines[4:]} == {"1", "2"}
    code, told, err = cli("trace", out, "c-1", "--rollout", "c@r1")
    assert (code, err) == (0, "")
    assert (
        told
        == """\
c-1 did not converge on r1 before r2 superseded it at 3m: Pending, held by the gate wave-promotion

agent  control plane
                  0s  gate wave-promotion holds it for 3m, to 3m: its wave 1 has not come, the rollout is in wave 0, \
then the rollout is superseded
"""
    )


def test_no_rollout(cli, tmp_path: Path) -> None:
    code, out, err = cli(
        "trace", saved(tmp_path, releases=[{"ref": "r1", "at": "7h"}]), "c-1", "--png", tmp_path / "x.png"
    )
    assert (code, out, err) == (0, "c-1 is in no rollout\n", f"wrote {tmp_path / 'x.png'}\n")


def test_json_and_nothing_else(process, tmp_path: Path) -> None:
    out = saved(tmp_path)
    code, told, err = process("trace", out, "c-1", "--json")
    assert (code, err) == (0, "")
    found = json.loads(told, parse_constant=lambda word: pytest.fail(word))
    assert list(found) == ["host", "rollouts", "events"]
    assert found["host"] == "c-1"
    assert found["events"] == trace(read(out), "c-1")
    assert {tuple(event) for event in found["events"]} == {("at", "cp_at", "rollout_id", "what", "detail")}
    (rollout,) = found["rollouts"]
    assert rollout["rollout_id"] == "c@r1"
    assert rollout["sentence"].startswith("c-1 converged on r1 after 11m50s: ")


def test_a_pipe_gets_no_colours(process, tmp_path: Path) -> None:
    code, out, err = process("trace", saved(tmp_path), "c-0", FORCE_COLOR="1")
    assert (code, err) == (0, "")
    assert "\x1b" not in out


def test_without_events_the_run_is_repeated(cli, tmp_path: Path) -> None:
    with_events, without = tmp_path / "with", tmp_path / "without"
    for folder in (with_events, without):
        folder.mkdir()
    told = cli("trace", saved(with_events), "c-1").out
    out = saved(without, events=False)
    code, again, err = cli("trace", out, "c-1")
    assert (code, again) == (0, told)
    assert err == f"{out} holds no events: repeating the run (save it with --events to be spared this)\n"
    assert cli("trace", out, "c-1", "--quiet") == (0, told, "")


# -- what is refused


def test_wrong_names(cli, tmp_path: Path) -> None:
    out = saved(tmp_path, events=False)
    assert cli("trace", out, "c-2") == (2, "", f"Error: {out}: unknown host: got 'c-2'; did you mean 'c-1'?\n")
    assert cli("trace", out, "c-1", "--rollout", "c@r2") == (
        2,
        "",
        f"Error: {out}: unknown rollout: got 'c@r2'; did you mean 'c@r1'?\n",
    )
    code, told, err = cli("trace", tmp_path / "nowhere", "c-1", "--json")
    assert (code, told) == (2, "")
    assert err == f"Error: cannot read {tmp_path / 'nowhere'}: there is no such directory\n"
    assert cli("trace", out).code == 2
    assert cli("trace").code == 2


def test_files_that_cannot_be_written(cli, tmp_path: Path) -> None:
    out = saved(tmp_path)
    for option in ("svg", "png"):
        code, told, err = cli("trace", out, "c-1", f"--{option}", "story.pdf")
        assert (code, told) == (2, "")
        assert f"expected a name that ends in .{option}" in err
        missing = tmp_path / "nowhere" / f"story.{option}"
        code, told, err = cli("trace", out, "c-1", f"--{option}", missing)
        # before the run is read, and before the story is told
        assert (code, told) == (2, "")
        assert err == f"Error: {missing}: there is no directory {missing.parent}\n  mkdir -p {missing.parent}\n"


# -- figures


def test_figures(cli, tmp_path: Path) -> None:
    out = saved(tmp_path)
    svg, png = tmp_path / "story.svg", tmp_path / "story.png"
    code, told, err = cli("trace", out, "c-1", "--svg", svg, "--png", png)
    assert (code, err) == (0, f"wrote {svg}\nwrote {png}\n")
    assert told.startswith("c-1 converged")
    first = svg.read_bytes(), png.read_bytes()
    assert b"<svg" in first[0] and first[1].startswith(b"\x89PNG")
    assert cli("trace", out, "c-1", "--svg", svg, "--png", png, "--quiet", "--json").err == ""
    assert (svg.read_bytes(), png.read_bytes()) == first


def bars(axes: Any, state: str) -> list[tuple[float, float, float]]:
    """(lane, from, until) of the bars in a state's colour."""
    found = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    colour = STATES[state].colour.lower()
    return [
        (round(one.get_y() + one.get_height() / 2, 3), one.get_x(), one.get_x() + one.get_width())
        for one in found
        if to_hex(one.get_facecolor()) == colour and one.get_facecolor()[3] == 1.0
    ]


def test_timeline(tmp_path: Path) -> None:
    """The agent's lane is 0, the control plane's -1, 0.5 s later."""
    result = read(saved(tmp_path))
    axes = timeline(result, "c-1")
    end = axes.get_xlim()[1]
    assert bars(axes, "Pending") == [(-1, 0.0, 616.0)]
    assert bars(axes, "Activating") == [(0, 615.5, 705.5), (-1, 616.0, 706.0)]
    assert bars(axes, "Soaking") == [(0, 705.5, 710.0), (-1, 706.0, 710.5)]
    assert bars(axes, "Converged") == [(0, 710.0, end), (-1, 710.5, end)]
    (wait,) = [one for one in axes.patches if one.get_hatch() == "///"]
    assert (wait.get_x(), wait.get_width()) == (0.0, 615.0)
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "Pending",
        "Activating",
        "Soaking",
        "Converged",
        "held by wave-promotion",
        "report",
        "dispatch queued",
        "dispatch delivered",
    ]
    given = Figure().add_subplot()
    assert timeline(result, "c-1", given) is given


def test_timeline_of_a_reboot_and_of_failing_probes(tmp_path: Path) -> None:
    """Down in [690.5, 750.5): the agent holds nothing until the reply at 751.5; every run since then fails."""
    result = read(
        saved(
            tmp_path,
            default={"defer": {"probability": 1.0, "components": {"kernel": 1.0}}, "reboot": "10m"},
            releases=[{"ref": "r1", "defect": {"probability": 1.0}}],
        )
    )
    axes = timeline(result, "c-0")
    assert bars(axes, "Deferred") == [(0, 90.5, 690.5), (-1, 91.0, 751.0)]
    assert bars(axes, "Soaking")[0][:2] == (0, 751.5)
    (legend,) = [axes.get_legend()]
    words = {text.get_text() for text in legend.get_texts()}
    assert {"down for a boot", "reboot", "offline", "a probe fails", "Failed"} <= words


def test_timeline_of_a_boot_that_fails_after_the_last_change(tmp_path: Path) -> None:
    """The run comes to rest at 196.0, with both hosts deferred; they go down later, c-0 at 3690.5, and stay so."""
    deferred = {"defer": {"probability": 1.0, "components": {"kernel": 1.0}}}
    result = read(saved(tmp_path, default={**deferred, "reboot": "1h", "boot_failure": 1.0}))
    assert result.summary["ended_at_s"] == 196.0
    axes = timeline(result, "c-0")
    end = axes.get_xlim()[1]
    assert end > 3690.5
    assert bars(axes, "Deferred") == [(0, 90.5, 3690.5), (-1, 91.0, end)]
    (mark,) = [line for line in axes.lines if line.get_marker() == "s"]
    assert list(mark.get_xdata()) == [3690.5]
    # the layout leaves room for the legend; where it cannot, it warns
    assert svg(axes).startswith("<svg")


def test_timeline_of_several_rollouts(tmp_path: Path) -> None:
    releases = [{"ref": f"r{n}", "at": f"{3 * n}m"} for n in range(7)]
    result = read(saved(tmp_path, releases=releases))
    axes = timeline(result, "c-0")
    assert axes.get_title() == "c-0, the last 5 of 7 rollouts"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["agent", "control plane"] * 5
    assert timeline(result, "c-0", rollout_id="c@r0").get_title() == "c-0, c@r0"
