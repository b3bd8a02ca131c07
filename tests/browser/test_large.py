"""Fleets of 10,000 hosts, each still a cell and a row, and larger ones, drawn as shares of their waves."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from sim.plot import STATES
from tests.browser.access import hindrances
from tests.browser.grid import colours_shown, counts_at, legend, slide, states_at, states_shown

LARGER = (
    "\n{name: larger, fleet: {generate: {channels: {stable: {hosts: 12000, policy: p}}, policies: {p: {waves: ["
    "{percent: 5, soak: 10m}, {percent: 50, soak: 20m}, {percent: 100, soak: 30m}]}}}}, "
    "hosts: {default: {defer: {probability: 0.3}, reboot: {dist: uniform, min: 20m, max: 40m}}}}"
)


def picture(page: Page, file: Path) -> Image.Image:
    page.locator("#fleet canvas").screenshot(path=file)
    with Image.open(file) as image:
        return image.convert("RGB")


def colours(image: Image.Image) -> dict[str, int]:
    """How many pixels of the picture have which colour."""
    return {"#{:02X}{:02X}{:02X}".format(*colour): count for count, colour in image.getcolors(1 << 24)}


def test_ten_thousand_hosts_are_a_cell_each(visit, report, tmp_path: Path) -> None:
    file, _, result = report("canary-10k")
    page = visit(file)
    for share in (0.2, 0.5, 0.7):
        expected = states_at(result, "stable@r1", slide(page, share))
        assert legend(page) == expected.value_counts().to_dict()
        assert states_shown(page, list(expected.index)) == expected.to_dict()
        sample = list(expected.index[::499])
        found = colours_shown(page, sample, tmp_path / "fleet.png")
        assert found == {host: STATES[expected[host]].colour for host in sample}


def test_one_rollout_needs_no_choice(visit, report) -> None:
    page = visit(report("canary-10k").file)
    assert [one for one in page.locator("#rollout").all() if one.is_visible()] == []


def test_ten_thousand_hosts_are_sorted_and_searched(visit, report) -> None:
    file, _, result = report("canary-10k")
    page = visit(file)
    rows = page.locator("#host-table tbody tr:visible")
    shown = page.locator("#rows-shown")
    expect(shown).to_contain_text("of 10,000")
    assert rows.count() < 10_000

    last = max(result.hosts.host)
    host = page.locator("#host-table thead th").get_by_role("button", name="host")
    host.click()
    host.click()
    expect(rows.first).to_contain_text(last)
    expect(shown).to_contain_text("of 10,000")

    page.locator("#search").fill(last)
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text(last)


def test_ten_thousand_hosts_without_javascript(visit, report) -> None:
    page = visit(report("canary-10k").file, javascript=False)
    rows = page.locator("#host-table tbody tr").count()
    assert 0 < rows < 10_000
    said = page.locator("#hosts").inner_text()
    assert "10,000" in said
    assert f"{rows:,}" in said


@pytest.mark.slow
def test_more_hosts_are_drawn_as_shares_of_their_waves(visit, report, tmp_path: Path) -> None:
    file, _, result = report(LARGER)
    assert file.stat().st_size < 10_000_000
    page = visit(file)
    pictures = []
    for share in (0, 0.02, 0.1, 1):
        counts = counts_at(result, "stable@r1", slide(page, share))
        assert legend(page) == counts
        pictures.append(picture(page, tmp_path / "fleet.png"))
        painted = {state for state in STATES if STATES[state].colour in colours(pictures[-1])}
        assert painted <= set(counts)
        assert {state for state, count in counts.items() if count > 0.02 * 12_000} <= painted
    assert pictures[0].tobytes() != pictures[1].tobytes() != pictures[2].tobytes() != pictures[3].tobytes()
    assert hindrances(page, "#fleet") == []
