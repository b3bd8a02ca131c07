"""The page of an experiment: its structure in odd cases, its numbers against what was found, markup in names."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import sim
from sim.cli.main import execute
from sim.experiment import Capacity, Progress, capacity, compare, replicate, sweep, validate
from sim.experiment.wording import filled
from sim.report import experiment_report
from sim.result.words import duration
from sim.scenario.schema import Scenario
from tests.report.conftest import TEXTS, Element, asks_nothing, figures_apart, follows, parsed, words_only

SECTIONS = ["answers", "figures", "tables", "scenario", "about"]
P99 = "rollouts.c.time_to_converged_s.p99"
END = "rollouts.c.terminal_at_s"
HOSTS = "rollouts.c.hosts"
STRICT = {"rules.deferred": "strict"}
BUDGET = "fleet.generate.disruption_budgets.0.max_in_flight"
TICK = "control_plane.advance_tick"
LAST = "rollouts.c.time_to_converged_s.p100"
HALF = "rollouts.c.time_to_converged_s.p50"
QUICK: dict[str, Any] = {"margin": 0.1, "confidence": 0.8, "workers": 1}

Given = Callable[..., Scenario]

CASES: dict[str, Callable[[Given], Any]] = {
    "replications": lambda given: replicate(given("deferred"), 6, workers=1),
    "precise": lambda given: replicate(given("deferred"), precision=0.5, metrics=[P99, END], workers=1),
    "not precise": lambda given: replicate(given("deferred"), 3, precision=0.001, metrics=[P99], workers=1),
    "some reached": lambda given: replicate(given("deferred", until="8h40m"), 8, metrics=[END, P99], workers=1),
    "none reached": lambda given: replicate(given("plain", until="6m"), 3, workers=1),
    "one run": lambda given: replicate(given("deferred"), 1, workers=1),
    "always the same": lambda given: replicate(given("plain"), 3, metrics=[HOSTS], workers=1),
    "comparison": lambda given: compare(given("deferred"), n=5, b=STRICT, workers=1),
    "precise pairs": lambda given: compare(given("deferred"), b=STRICT, precision=0.5, metrics=[P99], workers=1),
    "two scenarios": lambda given: compare(given("deferred"), given("never boots"), n=3, workers=1),
    "alike": lambda given: compare(given("deferred"), n=3, workers=1),
    "one pair": lambda given: compare(given("deferred"), n=1, b=STRICT, workers=1),
    "some pairs": lambda given: compare(given("deferred", until="24h"), n=8, b=STRICT, metrics=[END, P99], workers=1),
    "words": lambda given: sweep(given("deferred"), {"rules.deferred": ["converged", "strict"]}, 2, workers=1),
    "two settings": lambda given: sweep(
        given("deferred"),
        {"rules.deferred": ["converged", "strict"], "control_plane.plan_tick": ["15s", "5m"]},
        2,
        metrics=[P99, END],
        workers=1,
    ),
    "three settings": lambda given: sweep(
        given("deferred"),
        {"rules.deferred": "converged,strict", "control_plane.plan_tick": "5s..2m", "rules.soak_from": "open,dispatch"},
        1,
        design="lhs",
        points=5,
        metrics=[END],
        workers=1,
    ),
    "points none reach": lambda given: sweep(
        given("plain", until="6m"), {"control_plane.plan_tick": ["15s", "1m"]}, 2, metrics=[P99], workers=1
    ),
    "validation": lambda given: validate(
        sim.run(given("deferred"), replication=3), given("deferred"), 39, metrics=[P99, END], workers=1
    ),
    "validation that deviates": lambda given: validate(sim.run(given("plain")), given("deferred"), 39, workers=1),
    "validation under way": lambda given: validate(sim.run(given("chain", until="20m")), given("chain"), 39, workers=1),
    "found": lambda given: capacity(given("budgeted"), BUDGET, (1, 12), f"{LAST} <= 35m", **QUICK),
    "two goals": lambda given: capacity(
        given("budgeted"), BUDGET, (1, 12), [f"{LAST} <= 35m", f"{HALF} <= 15m in 90%"], **QUICK
    ),
    "not together": lambda given: capacity(
        given("budgeted"), BUDGET, (1, 12), [f"{LAST} <= 35m", f"{HALF} >= 25m"], **QUICK
    ),
    "no value": lambda given: capacity(given("budgeted"), BUDGET, (1, 12), f"{LAST} <= 9m", **QUICK),
    "every value": lambda given: capacity(given("budgeted"), BUDGET, (1, 12), f"{LAST} <= 1d", **QUICK),
    "wrong way round": lambda given: capacity(
        given("budgeted"), BUDGET, (1, 12), f"{LAST} <= 35m", largest=True, **QUICK
    ),
    "not monotone": lambda given: capacity(
        given("all at once"), TICK, ("200s", "355s"), f"{LAST} <= 700", step="1s", largest=True, **QUICK
    ),
    "undecided": lambda given: capacity(
        given("deferred"), "hosts.default.reboot.max", ("8h50m", "9h10m"), f"{P99} <= 8h40m in 50%", n=12, **QUICK
    ),
    "not finished": lambda given: capacity(
        given("failed"), "control_plane.plan_tick", ("5s", "60s"), f"{LAST} <= 1d", **QUICK
    ),
}
CAPACITIES = (
    "found",
    "two goals",
    "not together",
    "no value",
    "every value",
    "wrong way round",
    "not monotone",
    "undecided",
    "not finished",
)
EACH = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    """A scenario by its name, perhaps with another horizon."""
    folder = tmp_path_factory.mktemp("scenarios")

    def one(name: str, until: str = "30d") -> Scenario:
        path = folder / f"{name}.yaml"
        path.write_text(TEXTS[name])
        return sim.load(path, {"until": until})

    return one


@pytest.fixture(scope="module")
def found(given: Given) -> Callable[[str], Any]:
    """What an experiment has found, by the name of the case."""
    return cache(lambda name: CASES[name](given))


@pytest.fixture(scope="module")
def text(found: Callable[[str], Any]) -> Callable[[str], str]:
    """Its page."""
    return cache(lambda name: experiment_report(found(name)))


def table(page: Element, caption: str) -> list[list[str]]:
    """The rows of the table with a caption that begins so."""
    [one] = [one for one in page.all("table") if one.one("caption").text().startswith(caption)]
    return one.rows()


def spaced(words: str) -> str:
    return " ".join(words.split())


@EACH
def test_it_has_all_parts_and_says_nothing_that_is_no_word(found, text, name) -> None:
    page = parsed(text(name))
    main = page.one("main")
    assert [section.attributes["id"] for section in main.all("section")] == SECTIONS
    words_only(main)
    follows(page)
    figures_apart(text(name))
    assert "script-src 'none'" in asks_nothing(text(name))
    assert not page.all("script")
    assert [one.text() for one in page.one("section", id="answers").all("dd") if "short" in one.attributes.values()]
    assert "Infinity" not in text(name)


@EACH
def test_the_answer_comes_first_and_is_that_of_the_command(found, text, name) -> None:
    what, enough = parsed(text(name)).one("section", id="answers").all("div")
    sentences = [*what.all("dd")[:1], *what.all("p")]
    assert [one.text().rstrip(".").lower() for one in sentences] == [
        spaced(one).lower() for one in found(name).sentences
    ]
    said = " ".join(one.text() for one in (*enough.all("dd")[:1], *enough.all("p"))).lower()
    for part in found(name).enough.lower().split("; "):
        assert spaced(part) in said


@EACH
def test_the_table_is_that_of_the_command(found, text, name) -> None:
    rows = found(name).rows
    if not rows:
        return
    kept = filled(rows)
    caption = "What each" if name in ("words", "two settings", "three settings") else "All metrics"
    shown = table(parsed(text(name)), "The values" if name in CAPACITIES else caption)
    assert shown[1:] == [[row[place] for place in kept] for row in rows[1:]]
    assert [head.lower() for head in shown[0]] == [rows[0][place].lower() for place in kept]


@pytest.mark.parametrize("name", ["replications", "comparison", "two settings"])
def test_it_says_seed_and_versions(found, text, name) -> None:
    page = parsed(text(name))
    rows = page.one("section", id="about").one("dl").all("div")
    about = {one.one("dt").text(): one.one("dd").text() for one in rows}
    assert about["Seed"] == "1"
    assert about["Run by"] == f"nixfleet-sim {sim.__version__}"
    for library in ("Python", "numpy", "scipy", "simpy"):
        assert f"{library} " in about["With"]


@pytest.mark.parametrize(
    "name",
    [
        *("replications", "precise", "not precise", "some reached", "two scenarios", "some pairs"),
        *("two goals", "undecided"),
    ],
)
def test_the_scenario_and_the_command_in_it_give_the_same_again(
    found, text, name, tmp_path, monkeypatch, capsys
) -> None:
    section = parsed(text(name)).one("section", id="scenario")
    *files, command = [one.text() for one in section.all("p")[0].all("code")]
    for file, block in zip(files, section.all("pre"), strict=True):
        (tmp_path / file).write_text("".join(block.one("code").inside))
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(command)
    assert program == "nixfleet-sim"
    none = name in CAPACITIES and found(name).answer is None
    assert execute([*arguments, "--json", "--workers", "1"]) == (1 if none else 0)
    again, before = json.loads(capsys.readouterr().out), json.loads(json.dumps(found(name).summary))
    for key in ("metrics", "answer", "tried", "goals"):
        assert again.get(key) == before.get(key)


# -- figures


def captions(page: Element) -> dict[str, str]:
    """The texts of the figures by their captions."""
    return {one.one("figcaption").text(): one.all("p")[-1].text() for one in page.all("figure")}


def test_figures_of_replications_say_how_they_are_spread_and_how_they_settled(found, text) -> None:
    shown, one = captions(parsed(text("precise"))), found("precise")
    assert len(shown) == 4
    spread = shown[f"How {P99} is spread over the 25 runs, and its mean of all runs with the 95 % interval."]
    running = one.running(P99)
    settled = shown[f"How the mean of {P99} settled as runs came in, with its 95 % interval."]
    cells = dict(zip(one.rows[0][2:4], one.rows[1][2:4], strict=True))
    said = f"{cells['mean']} {one.rows[1][1]} ({cells['95 % interval']})"
    assert f"The mean is {said}." in spread
    assert settled.endswith(f"After 25: {said}.")
    assert (running["runs"].tolist(), list(running.columns)) == (list(range(1, 26)), ["runs", "mean", "low", "high"])


def test_what_is_not_reached_is_drawn_as_a_median(found, text) -> None:
    one = found("some reached").metrics[END]
    assert (one.reached, one.n) == (4, 8)
    assert f"How {END} is spread over the {one.reached} runs that reached it, and its median" in " ".join(
        captions(parsed(text("some reached")))
    )


def test_of_many_metrics_the_main_ones_are_drawn_and_the_others_named(found, text) -> None:
    page, one = parsed(text("replications")), found("replications")
    drawn = {path for path in one.metrics if any(f" {path} " in caption for caption in captions(page))}
    assert one.first.path in drawn
    assert len(drawn) == 6
    note = page.one("section", id="figures").all("p")[-1].text()
    assert {path for path in one.metrics if path in note} == set(one.metrics) - drawn


def test_what_is_always_the_same_is_not_drawn(text) -> None:
    assert not parsed(text("always the same")).all("figure")
    assert not parsed(text("alike")).all("figure")


def test_a_forest_plot_of_each_unit_begins_with_that_of_the_first_metric(found, text) -> None:
    one = found("comparison")
    texts = [figure.all("p")[-1].text() for figure in parsed(text("comparison")).all("figure")]
    told = [said for said in texts if said.startswith("Differences b − a")]
    assert len(told) == 3
    assert f"{one.first.path}: " in told[0]
    for metric in one.asked:
        assert sum(f" {metric.path}: " in said for said in told) == (not one.metrics[metric.path].same)


def test_a_running_difference_ends_at_the_difference(found) -> None:
    one = found("comparison")
    running, last = one.running(P99), one.metrics[P99]
    assert running["pairs"].tolist() == [1, 2, 3, 4, 5]
    assert running.iloc[-1][["mean", "low", "high"]].tolist() == [last.difference, *last.difference_ci95]
    assert math.isnan(running["low"].iloc[0])
    sides = one.table[P99].to_numpy().reshape(-1, 2)
    assert one.differences(P99) == [b - a for a, b in sides]
    with pytest.raises(KeyError):
        one.running("no.such")


def test_where_runs_did_not_get_there_the_running_estimate_is_a_median(found) -> None:
    one = found("some pairs")
    running = one.running(END)
    assert list(running.columns) == ["pairs", "median", "low", "high"]
    last = one.metrics[END]
    assert (last.a.reached, last.b.reached, last.n) == (8, 5, 8)
    # of pairs with a run that did not get there little but the sign is known
    assert (last.median_difference, last.median_difference_ci95) == (None, (0.0, None))
    ends = running.iloc[-1]
    assert (math.isnan(ends["median"]), ends["low"], math.isnan(ends["high"])) == (True, 0.0, True)
    assert running["median"].iloc[0] == one.differences(END)[0]


def test_a_running_estimate_of_very_many_runs_is_told_at_some_of_them(found) -> None:
    one = found("always the same")
    replications = np.arange(5_000)
    many = replace(one, columns={"replication": replications, HOSTS: (replications % 7).astype(float)})
    runs = many.running(HOSTS)["runs"]
    assert (len(runs), runs.iloc[0], runs.iloc[-1]) == (400, 1, 5_000)
    assert runs.is_monotonic_increasing


def test_a_sweep_shows_every_point(text) -> None:
    page = parsed(text("two settings"))
    points = table(page, "Every point")
    assert points[0][:2] == ["rules.deferred", "control_plane.plan_tick"]
    assert [row[:2] for row in points[1:]] == [[a, b] for a in ("converged", "strict") for b in ("15s", "5m")]
    [shown] = [said for caption, said in captions(page).items() if P99 in caption]
    for row in points[1:]:
        assert f"rules.deferred={row[0]}, control_plane.plan_tick={row[1]}: {row[2]}." in shown
    assert table(page, "Settings that are varied")[1:] == [
        ["rules.deferred", "converged, strict"],
        ["control_plane.plan_tick", "15s, 5m"],
    ]


def test_a_validation_draws_each_curve_and_tells_it_in_numbers(found, text) -> None:
    page, one = parsed(text("validation that deviates")), found("validation that deviates")
    shown = captions(page)
    assert len(shown) == 2
    [judged] = one.rollouts
    for name, curve in judged.curves.items():
        [said] = [said for caption, said in shown.items() if f"had been {name}" in caption]
        times = duration(curve.real[99]), duration(curve.band.low[99]), duration(curve.band.high[99])
        assert "50 %: {}, expected {} to {}.".format(*times) in said
    assert table(page, "Where the time of each wave went")[1:] == [list(row) for row in one.part_rows[1:]]
    assert len(captions(parsed(text("validation under way")))) == 2  # of two rollouts; nobody defers


# -- searches for a value


def test_each_value_tried_is_told_with_its_share_and_the_answer(found, text) -> None:
    """Twelve hosts of ten minutes take ⌈12 / k⌉ times ten minutes and a little: no time but with 4 or more at once."""
    page, one = parsed(text("found")), found("found")
    assert one.answer == 4
    [shown] = [said for caption, said in captions(page).items() if caption.startswith("Runs as the goal asks")]
    for row in one.tried:
        answer = " (the answer)" if row.value == 4 else ""
        [said] = re.findall(rf"(?<!\S){row.value}{re.escape(answer)}: ([^.]*)\.", shown)
        assert said.startswith("100 % (" if row.value >= 4 else "0 % (")
        assert said.endswith(f"of {row.runs:,} {'run' if row.runs == 1 else 'runs'}, {row.verdict}")
    [goal] = table(page, "The goals, and in which share of the runs they are met at 4")[1:]
    assert goal == ["goal 1", f"{LAST} <= 35m", "95 %", "100 %", goal[4], "yes"]
    rows = table(page, "The values")
    assert [row[0] for row in rows if row[-1] == "the answer"] == ["4"]


def test_the_bottleneck_at_the_answer_is_drawn(found, text) -> None:
    shown = captions(parsed(text("found")))
    [caption] = [one for one in shown if one.startswith("What the critical path")]
    assert f"at {BUDGET} = 4, on average of the 10 runs looked into." in caption
    shares = found("found").bottleneck.shares
    assert next(iter(shares)) == "gate disruption-budget"
    assert (
        shown[caption]
        .removeprefix(f"{caption} ")
        .startswith(f"gate disruption-budget: {100 * shares['gate disruption-budget']:.0f} %. ")
    )
    [caption] = [one for one in captions(parsed(text("not finished"))) if one.startswith("What ")]
    assert caption.startswith("What the hosts' time in rollouts that do not finish goes into at ")


def test_of_two_goals_each_has_a_figure_and_one_binds(found, text) -> None:
    page = parsed(text("two goals"))
    shown = [caption for caption in captions(page) if caption.startswith("Runs as the goal asks")]
    assert [goal in caption for goal, caption in zip((LAST, HALF), shown, strict=True)] == [True, True]
    rows = table(page, "The goals")[1:]
    assert [(row[0], row[2], row[-1]) for row in rows] == [("goal 1", "95 %", "no"), ("goal 2", "90 %", "yes")]
    assert [row[-1] for row in table(parsed(text("not together")), "The goals")[1:]] == ["yes", "yes"]


@pytest.mark.parametrize(
    ("name", "ending", "said"),
    [
        ("no value", "none", f"No {BUDGET} from 1 to 12 is enough for "),
        ("every value", "all", "the smallest is the end of the range, 1."),
        ("wrong way round", "first", "1 does not meet: if smaller values do worse, look for the smallest."),
        ("not monotone", "found", "Not monotone: 5m17s meets, 4m38s does not; "),
        ("undecided", "none", "Undecided after 12 runs, and taken not to meet: "),
    ],
)
def test_how_a_search_ended_is_said(found, text, name, ending, said) -> None:
    assert found(name).ending == ending
    answer = parsed(text(name)).one("section", id="answers").all("div")[0].text()
    assert said in answer
    rows = table(parsed(text(name)), "The values")[1:]
    assert ("the answer" in [row[-1] for row in rows]) == (found(name).answer is not None)
    assert ("undecided" in [row[-1] for row in rows]) == (name == "undecided")


def test_values_that_are_not_decided_are_not_enough(found) -> None:
    assert found("undecided").enough == (
        "48 runs of 4 values, seed 1: not enough to decide on any of them; no value may have more than 12"
    )
    one = found("found")
    tried = [row._replace(verdict="undecided") if row.value == 3 else row for row in one.tried]
    said = replace(one, tried=tried).enough.split(": ", 1)[1]
    assert said.startswith(
        "not enough to decide on 1 of them; enough for 80 % confidence that no other verdict is wrong "
    )
    assert one.enough.split(": ", 1)[1].startswith("enough for 80 % confidence that no verdict is wrong (")


def test_a_search_that_was_interrupted_says_so(given) -> None:
    def stop(so_far: Progress) -> None:
        if so_far.done == 3:
            raise KeyboardInterrupt

    one = capacity(given("budgeted"), BUDGET, (1, 12), f"{LAST} <= 35m", progress=stop, **QUICK)
    page = parsed(experiment_report(one))
    words_only(page.one("main"))
    what, enough = page.one("section", id="answers").all("div")
    assert f"Interrupted: the smallest {BUDGET} from 1 to 12 with which " in what.text()
    assert "3 runs of 2 values, seed 1: interrupted." in enough.text()
    # nobody has looked into the runs at an answer yet
    assert len(page.all("figure")) == 1


# -- what a user wrote


def test_markup_in_names_stays_text(tmp_path: Path) -> None:
    channel = "<u>web</u>{{ 7 * 7 }}"
    scenario = {
        "name": "</style><script>alert(1)</script>{{ name }}",
        "description": "<img src=x onerror=alert(1)>\"'&amp;",
        "fleet": {
            "generate": {"channels": {channel: {"hosts": 9, "policy": "<b>p</b>"}}, "policies": {"<b>p</b>": {}}}
        },
        "releases": [{"ref": "r1</pre><script>"}],
    }
    (tmp_path / "nasty.yaml").write_text(yaml.safe_dump(scenario))
    nasty = sim.load(tmp_path / "nasty.yaml")
    ref = {"hosts.default.activation_failure": [0.0, 0.5]}
    for one in (
        replicate(nasty, 2, workers=1),
        compare(nasty, n=2, b={"hosts.default.activation_failure": 0.5}, workers=1),
        sweep(nasty, ref, 2, workers=1),
        validate(sim.run(nasty), nasty, 39, workers=1),
        capacity(nasty, TICK, ("5s", "60s"), "rollouts.0.hosts <= 9", **QUICK),
    ):
        page = parsed(experiment_report(one))
        assert page.one("h1").text() == scenario["name"]
        for tag in ("script", "img", "b", "u", "i"):
            assert not page.all(tag)
        assert [section.attributes["id"] for section in page.all("section")] == SECTIONS
        if not isinstance(one, Capacity):
            assert channel in page.one("section", id="tables").text()


# -- the same bytes, and not too many


@pytest.mark.parametrize("name", ["replications", "comparison", "two settings"])
def test_the_same_experiment_gives_the_same_bytes(given, text, name) -> None:
    assert experiment_report(CASES[name](given)) == text(name)


@EACH
def test_it_is_small(text, name) -> None:
    assert len(text(name).encode()) < 1_000_000
