"""The table of hosts: sorted by any column, searched, and honest about how much of it is shown."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect


def rows(page: Page) -> Locator:
    return page.locator("#host-table tbody tr:visible")


def cells(page: Page, column: int) -> list[str]:
    """What one column shows, from the top."""
    return page.eval_on_selector_all(
        "#host-table tbody tr",
        "(all, column) => all.filter(row => row.checkVisibility()).map(row => row.cells[column].textContent.trim())",
        column,
    )


def headings(page: Page) -> list[str]:
    return [text.strip() for text in page.locator("#host-table thead th").all_text_contents()]


def button(page: Page, column: int) -> Locator:
    return page.locator("#host-table thead th").nth(column).get_by_role("button")


def direction(page: Page, column: int) -> str | None:
    return page.locator("#host-table thead th").nth(column).get_attribute("aria-sort")


def said(page: Page) -> tuple[int, int]:
    """How many rows are shown, and of how many, as the page says."""
    text = page.locator("#rows-shown").inner_text()
    numbers = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", text)]
    return numbers[0], numbers[-1]


COLUMNS = {
    "Host": "host",
    "Rollout": "rollout_id",
    "Wave": "wave",
    "State": "state",
    "Converged after": "converged_after",
    "Blocked by gates": "blocked_s",
    "Activating": "activating_s",
    "Deferred": "deferred_s",
    "Soaking": "soaking_s",
    "Failed probe runs": "probe_fails",
}
"""The frame's column behind each heading; `converged_after` counts from the rollout's opening."""


def in_order(values: pd.Series, ascending: bool) -> list[object]:
    """Sorted, what is missing last; rollouts and states by their place, as they are listed everywhere."""
    return values.sort_values(ascending=ascending, na_position="last").fillna(-1).tolist()


def test_every_column_sorts_both_ways(visit, several) -> None:
    hosts = several.result.hosts
    opened = several.result.rollouts.set_index("rollout_id").opened_at
    hosts = hosts.assign(converged_after=hosts.converged_at - hosts.rollout_id.map(opened))
    frame = hosts.set_index(["host", "rollout_id"], drop=False)
    page = visit(several.file)
    assert headings(page) == list(COLUMNS)
    for place, column in enumerate(COLUMNS.values()):
        for ascending, told in ((True, "ascending"), (False, "descending")):
            button(page, place).click()
            assert direction(page, place) == told
            shown = list(zip(cells(page, 0), cells(page, 1), strict=True))
            assert len(set(shown)) == len(shown) == len(hosts)
            assert frame.loc[shown, column].fillna(-1).tolist() == in_order(hosts[column], ascending)
        others = [direction(page, other) for other in range(len(COLUMNS)) if other != place]
        assert set(others) == {"none"}


def test_search_narrows(visit, several) -> None:
    page = visit(several.file)
    search = page.get_by_label("search")
    expect(search).to_have_id("search")
    everything = said(page)
    assert everything[1] == len(several.result.hosts)

    search.fill("edge-0000")
    matching = several.result.hosts.query("host.str.contains('edge-0000')")
    expect(rows(page)).to_have_count(len(matching))
    assert len(matching) in said(page)
    assert all("edge-0000" in row for row in rows(page).all_inner_texts())

    search.fill("EDGE-00007")
    expect(rows(page)).to_have_count(2)

    search.fill("no such host")
    expect(page.locator("#rows-shown")).to_have_text(re.compile("^no "))
    expect(page.locator("#host-table tbody")).not_to_contain_text("edge-")

    search.fill("")
    expect(rows(page)).to_have_count(everything[0])
    assert said(page) == everything


def test_search_by_state(visit, several) -> None:
    page = visit(several.file)
    page.locator("#search").fill("Reverted")
    expect(rows(page)).to_have_count(int((several.result.hosts.state == "Reverted").sum()))


def test_search_and_sorting_keep_each_other(visit, several) -> None:
    page = visit(several.file)
    host = headings(page).index("Host")
    button(page, host).click()
    button(page, host).click()
    page.locator("#search").fill("edge-")
    expect(rows(page)).to_have_count(24)
    assert cells(page, host) == sorted(cells(page, host), reverse=True)
    button(page, host).click()
    expect(rows(page)).to_have_count(24)
    assert cells(page, host) == sorted(cells(page, host))


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_sorting_by_keyboard(visit, several, key: str) -> None:
    page = visit(several.file)
    host = headings(page).index("Host")
    for told in ("ascending", "descending"):
        button(page, host).focus()
        page.keyboard.press(key)
        assert direction(page, host) == told
        # the keyboard is where it was
        assert button(page, host).evaluate("button => button === document.activeElement")
