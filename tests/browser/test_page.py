"""The page as a whole: it opens, says the answers first, and is there for everyone: in the dark, on a phone, on paper,
without JavaScript, read out."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page, expect

SECTIONS = ["answers", "fleet", "figures", "rollouts", "waves", "hosts", "scenario", "about"]
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def scrolls_sideways(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def boxes(page: Page, selector: str) -> list[dict[str, float]]:
    """Where the elements are on the page, those that are not shown left out."""
    found = [element.bounding_box() for element in page.locator(selector).all()]
    return [box for box in found if box is not None]


def test_opens_from_a_file(visit, several, asked) -> None:
    page = visit(several.file)
    expect(page.locator("main h1")).to_have_text("several")
    assert page.title() != ""
    assert asked == [several.file.as_uri()]


def test_sections_in_order_each_with_a_heading(visit, several) -> None:
    page = visit(several.file)
    assert page.eval_on_selector_all("main section[id]", "all => all.map(one => one.id)") == SECTIONS
    for section in SECTIONS:
        expect(page.locator(f"#{section} > h2, #{section} > * > h2").first).to_be_visible()


def test_all_answers_are_on_the_first_screen(visit, several) -> None:
    page = visit(several.file, width=1280, height=800)
    answers = page.locator("#answers dt")
    expect(answers).to_have_count(5)
    told = boxes(page, "#answers dt, #answers dd")
    assert len(told) >= 10
    assert all(box["y"] >= 0 and box["y"] + box["height"] <= 800 for box in told)


def test_the_answers_name_what_holds_the_fleet_back(visit, several) -> None:
    said = visit(several.file).locator("#answers").inner_text()
    # edge waits in wave 1 of r2 for the host that reverted
    assert "edge-00007" in said


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_accessible(visit, several, scheme: str, width: int) -> None:
    page = visit(several.file, width=width, color_scheme=scheme)
    found = Axe().run(page, options={"runOnly": WCAG})
    assert found.violations_count == 0, found.generate_report()


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
    assert "several" in page.locator("#scenario").inner_text()
    assert "activation_failure" in page.locator("#scenario").text_content()


def test_without_javascript_there_is_no_control_that_does_nothing(visit, several) -> None:
    page = visit(several.file, javascript=False)
    controls = page.locator("main :is(button, input, select, canvas, textarea)")
    assert [one.evaluate("one => one.outerHTML") for one in controls.all() if one.is_visible()] == []


def test_on_paper(visit, several, tmp_path: Path) -> None:
    page = visit(several.file, color_scheme="dark")
    page.emulate_media(media="print")
    controls = page.locator("main :is(button, input, select)")
    assert [one.evaluate("one => one.outerHTML") for one in controls.all() if one.is_visible()] == []
    for section in SECTIONS:
        expect(page.locator(f"#{section} h2").first).to_be_visible()
    # dark on white whatever the screen is
    shot = tmp_path / "paper.png"
    page.screenshot(path=shot)
    with Image.open(shot) as image:
        assert image.convert("L").getpixel((2, 2)) > 250
    paper = tmp_path / "report.pdf"
    page.pdf(path=paper)
    assert paper.read_bytes().startswith(b"%PDF")


def test_against_another_run(visit, report: Callable) -> None:
    page = visit(report("deferred-kernel", against="quickstart").file)
    compared = page.locator("#comparison")
    expect(compared.locator("h2")).to_be_visible()
    said = compared.inner_text()
    assert "deferred-kernel" in said
    assert "quickstart" in said
    assert re.search(r"\d", said)
    found = Axe().run(page, options={"runOnly": WCAG})
    assert found.violations_count == 0, found.generate_report()


def test_without_another_run_there_is_no_comparison(visit, several) -> None:
    expect(visit(several.file).locator("#comparison")).to_have_count(0)
