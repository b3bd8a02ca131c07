"""Names that are markup: they run nothing, build nothing, and are read as they are written, in every place."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

NAME = '</script><script>window.owned = 1</script><b class="injected">'
DESCRIPTION = '--><img src=x onerror="window.owned = 2"> & &amp; "quoted" ]]>'
CHANNELS = ('"><img src=x onerror="window.owned = 3">', "<!--<script>")
HOSTS = (
    "</script><script>window.owned = 4</script><b class=injected>{index}",
    "<!--<script>\"'`$\\u003c&lt;{index}",
)
TAG = "'><svg onload=window.owned=5>"
POLICY = "<i class=injected>p"
REF = "<img src=x onerror=window.owned=6>"
PROBE = "<script>window.owned = 7</script>"

MARKUP = json.dumps(
    {
        "name": NAME,
        "description": DESCRIPTION,
        "seed": 1,
        "until": "1d",
        "fleet": {
            "generate": {
                "channels": {
                    channel: {"hosts": 4, "policy": POLICY, "name": host, "tags": {TAG: 0.5}}
                    for channel, host in zip(CHANNELS, HOSTS, strict=True)
                },
                "policies": {POLICY: {"waves": [{"percent": 50, "soak": "5m"}, {"percent": 100, "soak": "10m"}]}},
                "channel_edges": [{"gates": CHANNELS[1], "gated": CHANNELS[0]}],
            }
        },
        "releases": [{"at": "0s", "ref": REF}],
        "hosts": {
            "default": {"defer": {"probability": 0.3}, "reboot": "1h"},
            "overrides": [
                {
                    "match": {"hosts": [HOSTS[0].format(index=2)]},
                    "activation_failure": 1.0,
                    "defer": {"probability": 0.0},
                }
            ],
        },
        "probes": [{"name": PROBE, "interval": "15s"}],
    },
    indent=1,
)


@pytest.fixture
def page(visit, report) -> Page:
    return visit(report(MARKUP + "\n").file)


def nothing_came_of_it(page: Page) -> None:
    assert page.evaluate("typeof window.owned") == "undefined"
    assert page.locator(".injected, img[src=x], [onerror], [onload], [onclick]").count() == 0


def test_names_are_read_as_they_are_written(page: Page) -> None:
    nothing_came_of_it(page)
    expect(page.locator("h1")).to_have_text(NAME)
    assert NAME in page.title()
    said = page.locator("main").text_content()
    for word in (DESCRIPTION, *CHANNELS, *(host.format(index=2) for host in HOSTS), REF):
        assert word in said


def test_in_the_host_table(page: Page) -> None:
    host = HOSTS[1].format(index=1)
    page.locator("#search").fill(host)
    shown = page.locator("#host-table tbody tr:visible")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text(host)
    for button in page.locator("#host-table th button").all():
        button.click()
    nothing_came_of_it(page)


def test_in_the_grid(page: Page) -> None:
    # their texts may have lost the middle
    choices = page.eval_on_selector_all("#rollout option", "all => all.map(one => one.value)")
    assert choices and all(REF in choice for choice in choices)
    for index, host in enumerate(HOSTS):
        name = host.format(index=2)
        page.locator("#rollout").select_option(index=index)
        assert page.evaluate("name => window.nixfleet.stateOf(name)", name) is not None
        page.locator("#time").press("End")
        cell = page.evaluate("name => window.nixfleet.cellAt(name)", name)
        page.locator("#fleet canvas").click(
            position={"x": cell["x"] + cell["width"] / 2, "y": cell["y"] + cell["height"] / 2}
        )
        expect(page.locator("#cell")).to_contain_text(name)
    nothing_came_of_it(page)


def test_without_javascript(visit, report) -> None:
    page = visit(report(MARKUP + "\n").file, javascript=False)
    assert page.locator(".injected, img[src=x]").count() == 0
    assert HOSTS[0].format(index=1) in page.locator("#host-table").text_content()
