"""Names that would turn a sentence round, or push a column off the page: shown so that they do neither."""

from __future__ import annotations

import json
import re

import pytest

import sim
from sim.report import report
from sim.report.template import visible

OVERRIDE, ISOLATE = "\u202e", "\u2067"
LONG = "a" * 250 + "{index}" + "b" * 249


@pytest.fixture(scope="module")
def odd_run(tmp_path_factory):
    """A run in which a host's name turns what follows it round, and others have 500 letters; none converges."""
    channels = {
        f"c{OVERRIDE}": {"hosts": 2, "name": f"host-{OVERRIDE}txt.{{index}}", "policy": "p"},
        "l" * 400: {"hosts": 3, "name": LONG, "policy": "p"},
    }
    policies = {"p": {"waves": [{"percent": 100, "soak": "5m"}]}}
    path = tmp_path_factory.mktemp("odd") / "odd.yaml"
    data = {
        "name": f"odd{ISOLATE}",
        "fleet": {"generate": {"channels": channels, "policies": policies}},
        "hosts": {"default": {"activation_failure": 1.0}},
    }
    path.write_text(json.dumps(data))
    return sim.run(sim.load(path))


def test_nothing_on_the_page_turns_the_direction_of_writing(odd_run, parse):
    text = report(odd_run, odd_run)
    turning = "[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
    assert not re.search(turning, text)
    page = parse(text)
    data = json.loads(page.one("script", id="data").text())
    assert not re.search(turning, json.dumps(data, ensure_ascii=False))
    # it is seen instead
    assert r"host-\u202etxt.0" in data["names"]
    assert r"host-\u202etxt.0" in page.one("table", id="host-table").text()
    assert page.one("h1").text() == r"odd\u2067"
    # the script finds what the page has chosen
    ids = [one["id"] for one in data["fleet"]["rollouts"]]
    assert [one.attributes["value"] for one in page.all("option")] == ids
    assert data["fleet"]["selected"] in ids


def test_long_names_are_whole_in_a_title_alone(odd_run, parse):
    page = parse(report(odd_run, odd_run))
    tables = [cell for table in page.all("table") for cell in (*table.all("td"), *table.all("th", scope="row"))]
    assert max(len(word) for cell in tables for word in cell.text().split()) <= 64
    for section in ("answers", "comparison", "figures"):
        assert max(map(len, page.one("section", id=section).text().split())) < 100
    titles = {one.attributes.get("title", "") for one in page.one("table", id="host-table").all("span")}
    assert {LONG.format(index=index) for index in range(3)} <= titles


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain é שלום 90\u00a0%\n\tx", "plain é שלום 90\u00a0%\n\tx"),
        (f"a{OVERRIDE}b", r"a\u202eb"),
        ("a\x1b[1mb\x7f", r"a\x1b[1mb\x7f"),
        (["\u200f", ("\u2069", 1)], [r"\u200f", [r"\u2069", 1]]),
        ({"\u200e": None}, {r"\u200e": None}),
    ],
)
def test_control_characters_are_spelt_out(value, shown):
    assert visible(value) == shown
