"""The page: its structure, that what a user wrote stays text, that nothing is asked from outside, its sizes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

import sim
from sim.plot.style import STATES as LOOKS
from sim.report import report
from sim.report.hosts import SHOWN
from sim.report.template import visible
from sim.result import Result, read, save
from sim.result.words import duration, number
from tests.report.conftest import asks_nothing, figures_apart, follows, words_only

HERE = Path(sim.__file__).parent / "report"
SECTIONS = ["answers", "fleet", "figures", "rollouts", "waves", "hosts", "scenario", "about"]
KINDS = [
    *("plain", "deferred", "strict", "never boots", "superseded", "chain", "failed", "reverted", "unseen defect"),
    *("no release", "one host", "no waves", "nothing converged", "horizon", "at once over", "unchanged", "unlisted"),
    "months",
]


def data(page) -> dict:
    return json.loads("".join(page.one("script", type="application/json", id="data").inside))


@pytest.mark.parametrize("name", KINDS)
def test_every_run_has_all_parts_in_order_and_says_nothing_that_is_no_word(page_of, name):
    page = page_of(name)
    main = page.one("main")
    assert [section.attributes["id"] for section in main.all("section")] == SECTIONS
    for section in main.all("section"):
        section.one("h2")
    assert main.one("h1").text() == name
    assert len(page.one("section", id="answers").all("dt")) == 5
    words_only(main)


@pytest.mark.parametrize("pair", [("quickstart",), ("deferred", "strict"), ("no release",)])
def test_the_structure_is_one_that_a_screen_reader_can_follow(page_of, pair):
    follows(page_of(*pair))


def test_names_inside_the_figures_are_of_one_figure_each(run_of):
    assert figures_apart(report(run_of("quickstart"))) >= 5


def test_figures_say_in_numbers_what_is_to_be_seen(page_of, run_of):
    page, summary = page_of("chain"), run_of("chain").summary
    texts = {figure.one("figcaption").text(): figure.all("p")[-1].text() for figure in page.all("figure")}
    of_b = next(text for caption, text in texts.items() if "waves of b@r1" in caption)
    for wave in summary["rollouts"][1]["waves"]:
        assert f"Wave {wave['index']}, {wave['hosts']} hosts: opened at {duration(wave['opened_at_s'])}" in of_b
    [states] = [text for caption, text in texts.items() if caption.startswith("Hosts per state")]
    assert f"At {duration(summary['ended_at_s'])}: 13 Converged." in states


# -- nothing from outside


def test_nothing_is_asked_from_outside_and_scripts_are_those_of_the_project(run_of):
    text = report(run_of("plain"))
    rules = asks_nothing(text)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    own = {path.name: path.read_text() for path in HERE.glob("*.js")}
    assert sorted(scripts) == sorted(own.values())
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules
        assert script.startswith("'use strict';")
        assert "</" not in script
        assert "<!--" not in script


def test_controls_that_need_a_script_are_hidden_until_one_runs(page_of):
    page = page_of("chain")
    hidden = {
        inner.attributes.get("id")
        for one in page.elements()
        if "hidden" in one.attributes and "needs-script" in one.attributes["class"]
        for inner in one.elements()
    }
    assert {"rollout", "play", "time", "time-shown", "grid", "legend", "search"} <= hidden
    assert page.one("input", type="range", id="time")
    assert page.one("button", id="play").attributes["aria-pressed"] == "false"
    # what there is instead
    [instead] = [one for one in page.elements() if one.attributes.get("class") == "without-script"]
    assert instead.one("table").rows()[0] == ["Wave", "Hosts", *LOOKS]


# -- what a user wrote

NASTY = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"'`><b>bold</b>&amp;",
    "{{ 7 * 7 }}{% raw %}",
    "]]>--><!--",
    "\u2028line\u2029${1}\\u003c",
]


@pytest.fixture
def nasty_run(tmp_path: Path) -> Result:
    """A run whose every name is markup."""
    fleet = json.loads((Path(__file__).parents[2] / "scenarios/fleets/demo.resolved.json").read_text())
    text = json.dumps(fleet)
    names = list(fleet["hosts"])
    for host, name in zip(names, NASTY, strict=False):
        text = text.replace(json.dumps(host), json.dumps(name))
    text = text.replace('"edge"', json.dumps("e</script>dge")).replace('"web"', json.dumps("<u>web</u>"))
    (tmp_path / "fleet.json").write_text(text)
    scenario = {
        "name": NASTY[0] + "{{ name }}",
        "description": NASTY[1] + NASTY[2],
        "fleet": {"resolved": "fleet.json"},
        "releases": [{"ref": "r1</pre><script>", "closures": "per-host"}],
        "hosts": {"default": {"activation_failure": 0.2}},
        "probes": [{"name": "<i>probe</i>"}],
    }
    (tmp_path / "nasty.yaml").write_text(yaml.safe_dump(scenario))
    return sim.run(sim.load(tmp_path / "nasty.yaml"))


@pytest.mark.parametrize("against", [False, True])
def test_markup_in_names_stays_text(nasty_run, parse, against):
    page = parse(report(nasty_run, nasty_run if against else None))
    assert page.one("h1").text() == nasty_run.scenario.name
    assert len(page.all("script")) == 1 + len(list(HERE.glob("*.js")))
    for tag in ("img", "b", "u", "i", "iframe"):
        assert not page.all(tag)
    assert {one.attributes["id"] for one in page.all("section")} >= set(SECTIONS)
    names = set(data(page)["names"])
    assert names == {visible(name) for name in nasty_run.hosts["host"]}
    assert {visible(name) for name in NASTY} <= names
    shown = {" ".join(row[0].split()) for row in page.one("table", id="host-table").rows()[1:]}
    assert shown == {" ".join(name.split()) for name in names}
    assert data(page)["fleet"]["selected"] in set(nasty_run.rollouts["rollout_id"])
    options = [option.attributes["value"] for option in page.one("select", id="rollout").all("option")]
    assert options == nasty_run.rollouts["rollout_id"].tolist()
    assert "<i>probe</i>" in page.one("section", id="scenario").one("pre").text()


def test_the_data_block_holds_nothing_that_html_could_take_for_markup(nasty_run):
    text = report(nasty_run)
    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert block is not None
    assert not set(block[1]) & set("<>&\u2028\u2029")
    json.loads(block[1])


# -- the numbers are those of the frames


@pytest.mark.parametrize("name", ["chain", "superseded", "deferred"])
def test_the_tables_say_what_the_frames_say(page_of, run_of, name):
    page, run = page_of(name), run_of(name)
    rows = page.one("section", id="rollouts").one("table").rows()[1:]
    for row, one in zip(rows, run.summary["rollouts"], strict=True):
        times = one["time_to_converged_s"]
        assert row[0] == one["rollout_id"]
        assert int(row[4]) == one["hosts"]
        assert row[5:] == [
            duration(one["opened_at_s"]),
            *("never" if at is None else duration(at) for at in (one["terminal_at_s"], *times.values())),
        ]
    tables = page.one("section", id="waves").all("table")
    waves, frame = tables[0].rows()[1:], run.waves
    assert len(waves) == len(frame)
    for row, wave in zip(waves, frame.to_dict("records"), strict=True):
        assert row[0] == f"{wave['rollout_id']}, wave {wave['wave']}"
        assert int(row[1]) == wave["hosts"]
        assert row[2] == ("never" if np.isnan(wave["opened_at"]) else duration(wave["opened_at"]))
        assert row[7] == number(wave["converged_per_h"])
    gates = tables[2].rows()[1:]
    assert [float(row[4].replace(",", "")) for row in gates] == [
        round(seconds / 3600, 2) for seconds in run.gates["blocked_s"]
    ]
    ends = next(one for one in page.elements() if one.attributes.get("class") == "without-script").one("table").rows()
    for state in LOOKS:
        shown = sum(int(row[ends[0].index(state)].replace(",", "")) for row in ends[1:])
        assert shown == (run.hosts["state"] == state).sum()
    load = {row[0]: row[1] for row in tables[3].rows()[1:]}
    assert load["heartbeats"] == f"{run.summary['load']['heartbeats']:,}"


def test_the_scenario_can_be_taken_from_the_page_and_gives_the_same_run(page_of, run_of, tmp_path):
    path = tmp_path / "again.yaml"
    path.write_text("".join(page_of("deferred").one("section", id="scenario").one("pre").one("code").inside))
    again = sim.run(sim.load(path))
    assert again.transitions.equals(run_of("deferred").transitions)


def test_it_says_what_was_run_and_with_which_version(run_of, parse):
    made_by = {"nixfleet-sim": "0.0.7", "python": "3.11.1", "libraries": {"numpy": "2.0.0", "simpy": None}}
    about = parse(report(run_of("plain"), made_by=made_by)).one("section", id="about").text()
    for words in ("nixfleet-sim 0.0.7", f"nixfleet-sim {sim.__version__}", "Python 3.11.1, numpy 2.0.0", "Seed1"):
        assert words in about
    assert "Left out of the model" in about


# -- the same bytes, and not too many


def test_the_same_result_gives_the_same_bytes(run_of, tmp_path):
    run = run_of("deferred")
    save(run, tmp_path / "saved")
    assert report(run) == report(read(tmp_path / "saved"))


@pytest.mark.slow
def test_a_fleet_of_100_000_is_drawn_as_shares_in_under_10_megabytes(tmp_path, parse):
    path = tmp_path / "large.yaml"
    path.write_text(
        "fleet: {generate: {channels: {stable: {hosts: 100000, policy: p}}, policies: {p: {waves: "
        "[{percent: 1, soak: 1m}, {percent: 100, soak: 1m}]}}}}\n"
    )
    run = sim.run(sim.load(path))
    text = report(run)
    assert len(text.encode()) < 10_000_000
    page = parse(text)
    found = data(page)
    assert [one["kind"] for one in found["fleet"]["rollouts"]] == ["shares"]
    assert found["table"]["rows"] == 10_000
    rows = page.one("table", id="host-table").rows()[1:]
    assert len(rows) == SHOWN
    slowest = run.hosts.sort_values(["converged_at", "host"], ascending=[False, True])["host"].head(3).tolist()
    assert [row[0] for row in rows[:3]] == slowest
    assert page.one("output", id="rows-shown").text() == "the first 200 of 10,000 hosts held here, of 100,000 in all"
    assert "the first 10,000 of 100,000" in page.one("section", id="hosts").text()


# -- the colours


def luminance(colour: str) -> float:
    """Relative luminance as the accessibility guidelines (WCAG 2) define it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_schemes(scheme):
    sheet = (HERE / "page.css").read_text()
    colours: dict[str, str] = {}
    for block in re.findall(r":root \{(.*?)\}", sheet, re.DOTALL)[: 2 if scheme == "dark" else 1]:
        colours |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    backs: dict[str, tuple[str, ...]] = {
        **dict.fromkeys(("text", "faint", "accent"), ("back", "card", "accent-back")),
        "on-paper": ("paper",),
    }
    for text, behind in backs.items():
        for back in behind:
            light, dark = sorted((luminance(colours[text]), luminance(colours[back])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, back)


def test_the_look_minds_schemes_motion_and_paper():
    sheet = (HERE / "page.css").read_text()
    for condition in ("prefers-color-scheme: dark", "prefers-reduced-motion: reduce", "@media print"):
        assert condition in sheet
