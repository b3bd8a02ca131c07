"""The page as a whole: it opens, says the answers first, and is there for everyone: in the dark, on a phone, on paper,
without JavaScript, read out."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.access import hindrances
from tests.browser.conftest import SCENARIOS, Report

SECTIONS = ["answers", "fleet", "figures", "rollouts", "waves", "hosts", "scenario", "about"]


def scrolls_sideways(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def test_opens_from_a_file(visit, several, asked) -> None:
    page = visit(several.file)
    expect(page.locator("main h1")).to_have_text("several")
    assert page.title() != ""
    assert asked == [several.file.as_uri()]


def test_lets_nothing_in_from_outside(visit, several) -> None:
    page = visit(several.file, javascript=False)
    policy = page.locator('meta[http-equiv="Content-Security-Policy"]').get_attribute("content")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    # scripts are let in one by one, and nothing is from an address
    assert "unsafe" not in rules["script-src"]
    assert "http" not in policy and "*" not in policy
    # an address that is shown or named is none that is fetched
    fetched = "[src]:not([src^='data:']), link[href]:not([href^='data:']), script[src], iframe, object, embed"
    assert page.locator(fetched).count() == 0


def test_sections_in_order_each_with_a_heading(visit, several) -> None:
    page = visit(several.file)
    assert page.eval_on_selector_all("main section[id]", "all => all.map(one => one.id)") == SECTIONS
    for section in SECTIONS:
        expect(page.locator(f"#{section} > h2, #{section} > * > h2").first).to_be_visible()


@pytest.mark.parametrize(("scenario", "parts"), [("quickstart", "dt, dd"), (None, "dt, dd.short")])
def test_the_answers_are_on_the_first_screen(visit, report, several, scenario: str | None, parts: str) -> None:
    """Of the demo fleet in full; where there is more to say, the short answers are."""
    _on_the_first_screen(visit(report(scenario).file if scenario else several.file, width=1280, height=800), parts)


@pytest.mark.parametrize("scenario", ["kernel-and-fault", "deferred-kernel"])
def test_the_answers_of_a_comparison_are_on_the_first_screen(visit, report, scenario: str) -> None:
    """In full: of the demo and of the study of the ordering rule."""
    text = (SCENARIOS / f"{scenario}.yaml").read_text().replace("resolved: ", f"resolved: {SCENARIOS}/")
    strict = text.replace("\nrules: {deferred: converged}", "") + "\nrules: {deferred: strict}\n"
    _on_the_first_screen(visit(report(text, against=strict).file, width=1280, height=800), "dt, dd")


def _on_the_first_screen(page: Page, parts: str) -> None:
    expect(page.locator("#answers dt")).to_have_count(5)
    told = page.locator(f"#answers :is({parts})")
    bottoms = {one.inner_text(): box["y"] + box["height"] for one in told.all() if (box := one.bounding_box())}
    assert len(bottoms) >= 10
    assert {text: bottom for text, bottom in bottoms.items() if bottom > 800} == {}


def test_the_answers_name_what_holds_the_fleet_back(visit, several) -> None:
    said = visit(several.file).locator("#answers").inner_text()
    # edge waits in wave 1 of r2 for the host that reverted
    assert "edge-00007" in said


@pytest.mark.parametrize(
    ("scenario", "settings"),
    [(None, {}), ("quickstart", {"color_scheme": "dark"}), ("quickstart", {"width": 360})],
    ids=["wide", "dark", "narrow"],
)
def test_accessible(visit, report, several, scenario: str | None, settings: dict[str, Any]) -> None:
    page = visit(report(scenario).file if scenario else several.file, **settings)
    assert hindrances(page) == []


def test_dark_where_the_system_is(visit, several, tmp_path: Path) -> None:
    def corner(scheme: str) -> int:
        shot = tmp_path / f"{scheme}.png"
        visit(several.file, color_scheme=scheme).screenshot(path=shot)
        with Image.open(shot) as image:
            return image.convert("L").getpixel((2, 2))

    assert corner("dark") < 64 < 192 < corner("light")


@pytest.mark.parametrize("javascript", [True, False])
def test_fits_a_phone(visit, several, javascript: bool, tmp_path: Path) -> None:
    page = visit(several.file, width=360, height=740, javascript=javascript)
    page.screenshot(path=tmp_path / "phone.png", full_page=True)
    assert not scrolls_sideways(page)
    # what is wider than the screen scrolls by itself: nothing is cut off
    cut = page.evaluate(
        """() => [...document.querySelectorAll('main *')].filter(element => {
            const style = getComputedStyle(element);
            return element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0
                && ['hidden', 'clip'].includes(style.overflowX) && !element.matches('svg, svg *')
        }).map(element => element.outerHTML.slice(0, 99))"""
    )
    assert cut == []


def test_without_javascript_all_is_told(visit, several) -> None:
    page = visit(several.file, javascript=False)
    expect(page.locator("#answers dd").first).to_be_visible()
    for figure in page.locator("#figures figure").all():
        expect(figure.locator("svg, img").first).to_be_visible()
        expect(figure.locator("figcaption")).to_be_visible()
    assert page.locator("#figures figure").count() >= 5
    for section in ("hosts", "rollouts", "waves"):
        expect(page.locator(f"#{section} table tbody tr").first).to_be_visible()
    assert page.locator("#rollouts tbody tr").count() >= len(several.result.rollouts)
    assert page.locator("#waves tbody tr").count() >= len(several.result.waves)
    page.locator("#scenario summary").click()
    expect(page.locator("#scenario pre")).to_be_visible()
    expect(page.locator("#scenario pre")).to_contain_text("activation_failure: 0.05")


def test_without_javascript_there_is_no_control_that_does_nothing(visit, several) -> None:
    page = visit(several.file, javascript=False)
    controls = page.locator("main :is(button, input, select, canvas, textarea)")
    assert [one.evaluate("one => one.outerHTML") for one in controls.all() if one.is_visible()] == []


def test_on_paper(visit, several, tmp_path: Path) -> None:
    page = visit(several.file, color_scheme="dark")
    page.emulate_media(media="print")
    # the headings of columns are buttons
    controls = page.locator("main :is(:not(th) > button, input, select)")
    assert [one.evaluate("one => one.outerHTML") for one in controls.all() if one.is_visible()] == []
    for section in SECTIONS:
        expect(page.locator(f"#{section} h2").first).to_be_visible()
    expect(page.locator("#scenario pre")).to_be_visible()
    # dark on white whatever the screen is
    shot = tmp_path / "paper.png"
    page.screenshot(path=shot)
    with Image.open(shot) as image:
        assert image.convert("L").getpixel((2, 2)) > 250
    paper = tmp_path / "report.pdf"
    page.pdf(path=paper)
    assert paper.read_bytes().startswith(b"%PDF")


def test_against_another_run(visit, report: Callable[..., Report]) -> None:
    text = (SCENARIOS / "deferred-kernel.yaml").read_text()
    assert "rules: {deferred: converged}" in text
    page = visit(report(text, against=text.replace("deferred: converged", "deferred: strict")).file)
    compared = page.locator("#comparison")
    expect(compared.locator("h2")).to_be_visible()
    expect(compared.locator("#settings tbody tr")).to_have_count(1)
    expect(compared.locator("#settings tbody tr")).to_contain_text("rules.deferred")
    expect(compared.locator("#settings tbody tr")).to_contain_text("strict")
    # the three waves, one after the other
    for wave in range(3):
        expect(compared.locator("#side-by-side")).to_contain_text(re.compile(f"wave {wave}", re.IGNORECASE))
    expect(compared.locator("figure svg, figure img").first).to_be_visible()
    assert hindrances(page, "#comparison") == []


def test_without_another_run_there_is_no_comparison(visit, several) -> None:
    expect(visit(several.file).locator("#comparison")).to_have_count(0)
