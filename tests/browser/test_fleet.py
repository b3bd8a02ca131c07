"""The fleet as a grid: at any time each cell and the legend say what the frames say, by mouse and by keyboard."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from sim.plot import STATES
from tests.browser.grid import (
    choose,
    colours_shown,
    counts_at,
    legend,
    middle,
    middles,
    slide,
    states_at,
    states_shown,
    time_of,
)

ROLLOUTS = ["edge@r1", "stable@r1", "edge@r2", "stable@r2"]


def active(page: Page) -> str:
    return page.evaluate("document.activeElement.id")


def frames_pass(page: Page, count: int = 20) -> None:
    """Let the page draw so many times."""
    page.evaluate(
        """count => new Promise(done => {
            const next = () => count-- > 0 ? requestAnimationFrame(next) : done()
            next()
        })""",
        count,
    )


@pytest.mark.parametrize("rollout_id", ROLLOUTS)
def test_cells_and_legend_follow_the_slider(visit, several, rollout_id: str, tmp_path: Path) -> None:
    result = several.result
    page = visit(several.file)
    choose(page, rollout_id)
    seen: set[str] = set()
    for share in (0, 0.02, 0.63, 1, 0.66, 0.01):
        at = slide(page, share)
        opened = result.rollouts.set_index("rollout_id").opened_at[rollout_id]
        if at < opened:
            continue
        expected = states_at(result, rollout_id, at)
        assert counts_at(result, rollout_id, at) == expected.value_counts().to_dict()
        assert legend(page) == expected.value_counts().to_dict()
        assert states_shown(page, list(expected.index)) == expected.to_dict()
        colours = colours_shown(page, list(expected.index), tmp_path / "fleet.png")
        assert colours == {host: STATES[state].colour for host, state in expected.items()}
        seen |= set(expected)
    assert len(seen) >= 3


def test_each_step_of_the_slider_shows_a_change(visit, several) -> None:
    """edge@r1 is over after minutes of a run of hours: still every step of it is one to look at."""
    page = visit(several.file)
    choose(page, "edge@r1")
    steps = int(page.locator("#time").get_attribute("max"))
    timeline = several.result.timeline.query("rollout_id == 'edge@r1'")
    assert steps > 20
    seen = []
    for step in range(steps + 1):
        at = slide(page, step / steps)
        seen.append(legend(page))
        assert seen[-1] == counts_at(several.result, "edge@r1", at)
        assert page.locator("#time").get_attribute("aria-valuetext").startswith(f"{page.inner_text('#time-shown')}, ")
    changed = sum(one != other for one, other in pairwise(seen))
    stages = several.result.waves.query("rollout_id == 'edge@r1'").opened_at.notna().sum()
    # but for openings of waves, the end of the rollout, its successor and the end of the run, which move no host
    assert changed >= steps - stages - 3
    assert len(timeline) <= steps + 1


def test_another_rollout_is_shown_at_the_same_time(visit, several) -> None:
    page = visit(several.file)
    choose(page, "stable@r1")
    at = slide(page, 0.4)
    choose(page, "edge@r1")
    there = time_of(page)
    assert several.result.rollouts.set_index("rollout_id").opened_at["edge@r1"] <= there <= at
    assert legend(page) == counts_at(several.result, "edge@r1", at)


def test_the_slider_ends_where_the_run_does(visit, several) -> None:
    page = visit(several.file)
    choose(page, "stable@r2")
    slide(page, 1)
    at_end = several.result.rollouts.set_index("rollout_id").loc["stable@r2"]
    assert legend(page) == {state: at_end[state] for state in STATES if at_end[state]}
    expect(page.locator("#time-shown")).to_contain_text("9h46m")


@pytest.mark.parametrize("settings", [{"color_scheme": "dark"}, {"width": 360}, {"device_scale_factor": 2}], ids=str)
def test_the_same_colours_everywhere(visit, several, settings: dict[str, Any], tmp_path: Path) -> None:
    page = visit(several.file, **settings)
    choose(page, "stable@r1")
    expected = states_at(several.result, "stable@r1", slide(page, 0.1))
    colours = colours_shown(page, list(expected.index), tmp_path / "fleet.png")
    assert colours == {host: STATES[state].colour for host, state in expected.items()}


def test_a_window_made_narrow(visit, several, tmp_path: Path) -> None:
    page = visit(several.file)
    choose(page, "stable@r1")
    expected = states_at(several.result, "stable@r1", slide(page, 0.1))
    wide = middles(page, list(expected.index))
    page.set_viewport_size({"width": 360, "height": 740})
    page.wait_for_function("y => window.nixfleet.cellAt('stable-00047').y > y", arg=wide["stable-00047"][1])
    colours = colours_shown(page, list(expected.index), tmp_path / "fleet.png")
    assert middles(page, list(expected.index)) != wide
    assert colours == {host: STATES[state].colour for host, state in expected.items()}


def test_every_rollout_can_be_chosen(visit, several) -> None:
    page = visit(several.file)
    assert page.eval_on_selector_all("#rollout option", "all => all.map(one => one.value)") == ROLLOUTS
    for rollout_id in ROLLOUTS:
        choose(page, rollout_id)
        hosts = several.result.hosts.query("rollout_id == @rollout_id").host.tolist()
        slide(page, 1)
        assert sum(legend(page).values()) == len(hosts)
        assert len(set(middles(page, hosts).values())) == len(hosts)


def test_cells_are_grouped_by_wave(visit, several) -> None:
    page = visit(several.file)
    choose(page, "stable@r2")
    hosts = several.result.hosts.query("rollout_id == 'stable@r2'")
    spans = []
    for _, wave in hosts.groupby("wave"):
        rows = [y for _, y in middles(page, wave.host.tolist()).values()]
        spans.append((min(rows), max(rows)))
    assert spans == sorted(spans)
    assert all(above[1] < below[0] for above, below in pairwise(spans))


@pytest.mark.parametrize("how", ["click", "hover"])
def test_a_cell_tells_its_host(visit, several, how: str) -> None:
    page = visit(several.file)
    choose(page, "edge@r2")
    expected = states_at(several.result, "edge@r2", slide(page, 1))
    waves = several.result.hosts.query("rollout_id == 'edge@r2'").set_index("host").wave
    told = page.locator("#cell")
    for host in ("edge-00000", "edge-00007", "edge-00011"):
        getattr(page.locator("#fleet canvas"), how)(position=middle(page, host))
        expect(told).to_contain_text(host)
        expect(told).to_contain_text(f"wave {waves[host]}")
        expect(told).to_contain_text(expected[host])


def test_what_a_cell_tells_follows_the_slider(visit, several) -> None:
    page = visit(several.file)
    choose(page, "edge@r2")
    slide(page, 1)
    page.locator("#fleet canvas").click(position=middle(page, "edge-00007"))
    expect(page.locator("#cell")).to_contain_text("Reverted")
    assert states_at(several.result, "edge@r2", slide(page, 0.1))["edge-00007"] != "Reverted"
    expect(page.locator("#cell")).not_to_contain_text("Reverted")
    choose(page, "stable@r2")
    expect(page.locator("#cell")).not_to_contain_text("edge-00007")


def test_the_grid_is_read_out(visit, several) -> None:
    page = visit(several.file)
    choose(page, "stable@r1")
    canvas = page.locator("#fleet canvas")
    expect(canvas).to_have_role("img")
    for share in (0.01, 0.1, 1):
        counts = counts_at(several.result, "stable@r1", slide(page, share))
        described = canvas.evaluate(
            """canvas => [canvas.getAttribute('aria-label'), ...(canvas.getAttribute('aria-describedby') || '')
                .split(/\\s+/).filter(Boolean).map(id => document.getElementById(id).textContent)].join(' ')"""
        )
        for state, count in counts.items():
            assert f"{count} {state}" in described


def test_play_moves_the_slider_and_pause_holds_it(visit, several) -> None:
    page = visit(several.file)
    choose(page, "edge@r1")
    play = page.locator("#play")
    slide(page, 0)
    start = time_of(page)
    expect(play).to_have_text("Play")
    play.click()
    expect(play).to_have_text("Pause")
    page.wait_for_function("start => window.nixfleet.time() > start", arg=start)
    play.click()
    expect(play).to_have_text("Play")
    held = time_of(page)
    frames_pass(page)
    assert time_of(page) == held
    # the cells are those of where it stopped
    expected = states_at(several.result, "edge@r1", held)
    assert states_shown(page, list(expected.index)) == expected.to_dict()


def test_play_stops_at_the_end(visit, several) -> None:
    page = visit(several.file)
    slide(page, 0.98)
    page.locator("#play").click()
    expect(page.locator("#play")).to_have_text("Play")
    slider = page.locator("#time")
    expect(slider).to_have_value(slider.get_attribute("max"))
    # from there it begins again
    page.locator("#play").click()
    expect(page.locator("#play")).to_have_text("Pause")
    page.wait_for_function("document.getElementById('time').value * 2 < document.getElementById('time').max")


def test_play_is_calm_where_motion_is_not_wanted(visit, several) -> None:
    page = visit(several.file, reduced_motion="reduce")
    slide(page, 0)
    page.clock.install()
    page.locator("#play").click()
    start = time_of(page)
    page.clock.run_for(500)
    assert time_of(page) == start
    page.clock.run_for(1_000)
    assert time_of(page) > start


def tab_to(page: Page, name: str) -> None:
    for _ in range(60):
        if active(page) == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not get to #{name}")


def test_by_keyboard_alone(visit, several) -> None:
    page = visit(several.file)
    tab_to(page, "rollout")
    page.keyboard.press("End")
    expect(page.locator("#rollout")).to_have_value(ROLLOUTS[-1])
    page.locator("body").click(position={"x": 1, "y": 1})

    tab_to(page, "time")
    shadow = "getComputedStyle(document.activeElement)"
    assert page.evaluate(f"{shadow}.outlineStyle !== 'none' || {shadow}.boxShadow !== 'none'")
    page.keyboard.press("Home")
    first = legend(page)
    start = time_of(page)
    page.keyboard.press("ArrowRight")
    one = time_of(page)
    assert one > start
    page.keyboard.press("ArrowLeft")
    assert time_of(page) == start
    page.keyboard.press("End")
    assert legend(page) == counts_at(several.result, ROLLOUTS[-1], time_of(page)) != first

    page.keyboard.press("Home")
    tab_to(page, "play")
    for key in ("Enter", "Space"):
        page.keyboard.press(key)
        expect(page.locator("#play")).to_have_text("Pause")
        page.keyboard.press(key)
        expect(page.locator("#play")).to_have_text("Play")
