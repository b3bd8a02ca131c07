"""The grid of the fleet: what a page shows at a time, and what it must show by the frames."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from PIL import Image
from playwright.sync_api import Page

from sim.plot import STATES
from sim.result import Result


def states_at(result: Result, rollout_id: str, at: float) -> pd.Series:
    """State by host at a time in seconds, as the control plane knew it, from the frame `transitions`."""
    hosts = result.hosts.query("rollout_id == @rollout_id").host
    moves = result.transitions.query("rollout_id == @rollout_id and cp_at <= @at").sort_values("cp_at", kind="stable")
    return moves.groupby("host").to.last().reindex(hosts, fill_value="Pending")


def counts_at(result: Result, rollout_id: str, at: float) -> dict[str, int]:
    """Hosts per state that has any at a time in seconds, from the frame `timeline`."""
    row = result.timeline.query("rollout_id == @rollout_id and at <= @at").iloc[-1]
    return {state: int(row[state]) for state in STATES if row[state]}


def choose(page: Page, rollout_id: str) -> None:
    page.locator("#rollout").select_option(value=rollout_id)


def slide(page: Page, share: float) -> float:
    """Move the slider to that share of its way. Returns the time there, in seconds."""
    slider = page.locator("#time")
    low, high = float(slider.get_attribute("min")), float(slider.get_attribute("max"))
    # of itself the browser takes the nearest step
    slider.evaluate(
        "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input', {bubbles: true})) }",
        low + (high - low) * share,
    )
    return time_of(page)


def time_of(page: Page) -> float:
    """Where the slider is, in seconds."""
    return page.evaluate("window.nixfleet.time()")


def legend(page: Page) -> dict[str, int]:
    """The counts that are not zero."""
    counts = page.eval_on_selector_all(
        "#fleet li[data-state]",
        "all => all.map(one => [one.dataset.state, one.querySelector('.count').textContent])",
    )
    return {state: int(count.replace(",", "")) for state, count in counts if count != "0"}


def states_shown(page: Page, hosts: list[str]) -> dict[str, str]:
    return page.evaluate("hosts => Object.fromEntries(hosts.map(host => [host, window.nixfleet.stateOf(host)]))", hosts)


def middles(page: Page, hosts: list[str]) -> dict[str, tuple[float, float]]:
    """The middle of each host's cell, in CSS pixels from the canvas' corner."""
    cells = page.evaluate("hosts => hosts.map(host => window.nixfleet.cellAt(host))", hosts)
    assert all(cell["width"] >= 1 and cell["height"] >= 1 for cell in cells)
    return {
        host: (cell["x"] + cell["width"] / 2, cell["y"] + cell["height"] / 2)
        for host, cell in zip(hosts, cells, strict=True)
    }


def middle(page: Page, host: str) -> dict[str, float]:
    """The middle of the host's cell, as the mouse is told."""
    return dict(zip("xy", middles(page, [host])[host], strict=True))


def colours_shown(page: Page, hosts: list[str], file: Path) -> dict[str, str]:
    """The colour on the screen in the middle of each host's cell."""
    page.locator("#fleet canvas").screenshot(path=file, scale="css")
    with Image.open(file) as image:
        pixels = image.convert("RGB")
    return {
        host: "#{:02X}{:02X}{:02X}".format(*pixels.getpixel((int(x), int(y))))
        for host, (x, y) in middles(page, hosts).items()
    }
