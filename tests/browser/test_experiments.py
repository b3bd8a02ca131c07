"""Pages of experiments, each kind in a real browser: they open, ask for nothing, are there for everyone and fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import sim
from sim.experiment import capacity, check, compare, record, replicate, sweep
from sim.report import experiment_report
from tests.browser.access import hindrances
from tests.browser.test_markup import DESCRIPTION, NAME, POLICY, nothing_came_of_it
from tests.browser.test_page import scrolls_sideways

CHANNEL = '"><img src=x onerror="window.owned = 3">'
TIME = "rollouts.0.time_to_converged_s.p99"
BUDGET = "fleet.generate.disruption_budgets.0.max_in_flight"
SCENARIO = {
    "name": NAME,
    "description": DESCRIPTION,
    "fleet": {
        "generate": {
            "channels": {CHANNEL: {"hosts": 8, "policy": POLICY}},
            "policies": {POLICY: {"waves": [{"percent": 50, "soak": "5m"}, {"percent": 100, "soak": "5m"}]}},
            "disruption_budgets": [{"selector": {"all": True}, "max_in_flight": 2}],
        }
    },
}
FILE = "<b class=injected>baseline.json"
KINDS = ("replicate", "compare", "sweep", "capacity", "bench check")


@pytest.fixture(scope="session")
def page_of(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The page of an experiment by its kind. It asks for the browser, so that nothing is run in vain without one."""
    folder = tmp_path_factory.mktemp("experiments")
    path = folder / "<i>scenario.json"
    path.write_text(json.dumps(SCENARIO))
    scenario = sim.load(path)
    slow = {"control_plane.plan_tick": "4m"}

    def checked():
        record(folder / FILE, [path], 6, metrics=[TIME], workers=1, with_speed=False)
        return check(folder / FILE, settings=slow, workers=1)

    found = {
        "replicate": lambda: replicate(scenario, 4, metrics=[TIME], workers=1),
        "compare": lambda: compare(scenario, n=4, b=slow, metrics=[TIME], workers=1),
        "sweep": lambda: sweep(scenario, {BUDGET: [1, 2, 4]}, 2, metrics=[TIME], workers=1),
        "capacity": lambda: capacity(
            scenario, BUDGET, (1, 8), f"{TIME} <= 20m in 80%", margin=0.15, confidence=0.8, workers=1
        ),
        "bench check": checked,
    }

    @cache
    def one(kind: str) -> Path:
        file = folder / f"{kind}.html"
        file.write_text(experiment_report(found[kind]()))
        return file

    return one


@pytest.mark.parametrize("kind", KINDS)
def test_it_opens_and_says_names_as_they_are_written(visit, page_of, kind: str) -> None:
    """That nothing was asked for and nothing went wrong is seen to by `visit`."""
    page = visit(page_of(kind))
    title = FILE if kind == "bench check" else NAME
    expect(page.locator("h1")).to_have_text(title)
    assert page.title().startswith(title)
    nothing_came_of_it(page)
    for part in ("#answers dd.short", "#figures figure svg", "#tables tbody tr", "#about dd"):
        expect(page.locator(part).first).to_be_visible()
    page.locator("#scenario summary").first.click()
    expect(page.locator("#scenario pre").first).to_contain_text("<i class=injected>p")
    assert TIME in page.locator("main").text_content()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 360)], ids=["light and wide", "dark and narrow"]
)
def test_it_is_there_for_everyone_and_fits(visit, page_of, kind: str, scheme: str, width: int) -> None:
    page = visit(page_of(kind), width=width, color_scheme=scheme)
    for summary in page.locator("#figures summary").all():
        summary.click()
    assert hindrances(page) == []
    assert not scrolls_sideways(page)
    # no word of an answer sticks out of its box
    out = page.eval_on_selector_all(
        ".answer, figcaption", "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.innerText)"
    )
    assert out == []
    # what a figure says can be read: on a phone it is as large as it needs to be and scrolls by itself
    for box in page.locator("figure svg").all():
        assert box.bounding_box()["width"] >= 500
