"""A headless Chromium, reports to open in it, and what must hold on every page: no error, nothing from outside."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

import sim
from sim.cli.main import execute
from sim.result import Result, save

SCENARIOS = Path(__file__).parents[2] / "scenarios"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

SEVERAL = """
name: several
seed: 4
until: 2d
fleet:
  generate:
    channels:
      edge: {hosts: 12, policy: quick}
      stable: {hosts: 48, policy: staged}
    policies:
      quick: {waves: [{percent: 25, soak: 5m}, {percent: 100, soak: 10m}]}
      staged: {waves: [{percent: 10, soak: 10m}, {percent: 40, soak: 30m}, {percent: 100, soak: 1h}]}
releases: [{at: 0s, ref: r1}, {at: 6h, ref: r2}]
hosts:
  default:
    activation: {dist: lognormal, median: 90s, p95: 300s}
    defer: {probability: 0.2}
    reboot: {dist: uniform, min: 20m, max: 4h}
    activation_failure: 0.05
probes: [{name: http, interval: 15s}]
rules: {quarantine: recorded}
"""
"""Four rollouts, in which all states occur: two are superseded, one is stalled by a reverted host, one finishes."""


class Report(NamedTuple):
    """A report page, the saved result that it was made from, and that result."""

    file: Path
    directory: Path
    result: Result


Visit = Callable[..., Page]


# how long a page may take to get there at most: a machine may have other things to do
expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser. It is no failure to have none, but where all must be tested."""
    name = os.environ.get("CHROMIUM") or "chromium"
    path = shutil.which(name)
    if path is None:
        missing = f"no {name} to open the report in; `make browser` installs one, or says how to"
        pytest.fail(missing, pytrace=False) if os.environ.get("CI") else pytest.skip(missing)
    return path


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One browser per worker, with a profile of its own, which goes with it."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def asked() -> list[str]:
    """The addresses that pages asked for in this test, in order."""
    return []


@pytest.fixture
def visit(browser: Browser, asked: list[str]) -> Iterator[Visit]:
    """Opens a file in a window of its own, without a network. At the end there must have been neither an error or a
    warning of any page nor a request for anything but the files opened."""
    contexts, opened, problems = [], [], []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            problems.append(message.text)

    def one(file: Path, width: int = 1280, height: int = 800, javascript: bool = True, **settings: Any) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, java_script_enabled=javascript, offline=True, **settings
        )
        contexts.append(context)
        context.on("request", lambda request: asked.append(request.url))
        context.on("console", heard)
        context.on("weberror", lambda raised: problems.append(str(raised.error)))
        page = context.new_page()
        opened.append(file.as_uri())
        page.goto(file.as_uri())
        return page

    yield one
    for context in contexts:
        context.close()
    assert problems == []
    assert asked == opened


@pytest.fixture(scope="session")
def report(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Report]:
    """The report of a scenario, by its text or by the name of one under `scenarios/`, perhaps against another's.

    It asks for the browser, so that nothing is simulated in vain where there is none.
    """

    @cache
    def saved(scenario: str) -> tuple[Path, Result]:
        folder = tmp_path_factory.mktemp("report")
        source = SCENARIOS / f"{scenario}.yaml"
        if "\n" in scenario:
            source = folder / "scenario.yaml"
            source.write_text(scenario)
        result = sim.run(sim.load(source))
        save(result, folder / "out")
        return folder, result

    @cache
    def one(scenario: str, against: str | None = None) -> Report:
        folder, result = saved(scenario)
        file = folder / ("report.html" if against is None else "comparison.html")
        other = [] if against is None else ["--against", saved(against)[0] / "out"]
        assert execute([str(word) for word in ("report", folder / "out", *other, "-o", file)]) == 0
        return Report(file, folder / "out", result)

    return one


@pytest.fixture(scope="session")
def several(report: Callable[..., Report]) -> Report:
    """The report of four rollouts."""
    return report(SEVERAL)
