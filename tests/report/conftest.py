"""Runs to report on: small ones of every kind, and a parser of the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

import sim
from sim.report import report
from sim.result import Result

SCENARIOS = Path(__file__).parents[2] / "scenarios"

STAGED = (
    "fleet: {generate: {channels: {c: {hosts: 40, policy: p}}, policies: {p: {%s waves: "
    "[{percent: 10, soak: 5m}, {percent: 40, soak: 10m}, {percent: 100, soak: 15m}]}}}}\n"
)
AT_ONCE = "fleet: {generate: {channels: {c: {hosts: %d, policy: p}}, policies: {p: {waves: []}}}}\n"
DEFERRED = "hosts: {default: {defer: {probability: 0.4}, reboot: {dist: uniform, min: 1h, max: 9h}}}\n"

TEXTS = {
    "plain": STAGED % "",
    "deferred": STAGED % "" + DEFERRED,
    "strict": STAGED % "" + DEFERRED + "rules: {deferred: strict}\n",
    "never boots": STAGED % "" + "hosts: {default: {defer: {probability: 0.4}, reboot: never}}\n",
    "superseded": STAGED % "" + "releases: [{at: 0s, ref: r1}, {at: 8m, ref: r2}, {at: 3h, ref: r3}]\n",
    "chain": "fleet: {generate: {channels: {a: {hosts: 4, policy: p}, b: {hosts: 9, policy: p}}, "
    "policies: {p: {waves: [{percent: 30, soak: 5m}, {percent: 100, soak: 9m}]}}, "
    "channel_edges: [{gates: a, gated: b}], disruption_budgets: [{selector: {channel: b}, max_in_flight: 2}]}}\n",
    "failed": STAGED % "on_health_failure: halt," + "hosts: {default: {activation_failure: 1.0}}\n",
    "reverted": STAGED % "" + "hosts: {default: {activation_failure: 1.0}}\n",
    "unseen defect": STAGED % "" + "releases: [{at: 0s, ref: r1, defect: {onset: 20d}}]\n",
    "no release": STAGED % "" + "releases: []\n",
    "one host": AT_ONCE % 1,
    "no waves": AT_ONCE % 7,
    "nothing converged": STAGED % "" + "hosts: {default: {online: {up: 1s, down: 30d}}}\nuntil: 1d\n",
    "horizon": STAGED % "" + "until: 7m\n",
    "at once over": STAGED % "" + "until: 1ms\n",
    "unchanged": STAGED % "" + "releases: [{at: 0s, ref: r1}, {at: 2h, ref: r2, unchanged: 1.0}]\n",
    "unlisted": "fleet: {generate: {channels: {c: {hosts: 9, policy: p}}, policies: {p: {waves: "
    "[{percent: 30, soak: 5m}]}}}}\n",
    "budgeted": AT_ONCE.replace("waves: []", "waves: [{percent: 100, soak: 0s}]").replace(
        "}}}}", "}}, disruption_budgets: [{selector: {all: true}, max_in_flight: 1}]}}"
    )
    % 12
    + "hosts: {default: {activation: 10m, network_delay: 0s}}\n",
    "all at once": AT_ONCE.replace("waves: []", "waves: [{percent: 100, soak: 0s}]") % 12
    + "hosts: {default: {activation: 10m, network_delay: 0s}}\ncontrol_plane: {phases: zero}\n",
    "months": STAGED.replace("soak: 15m", "soak: 70d") % "" + "until: 90d\n",
}


VOID = frozenset({"meta", "link", "input", "br", "img", "hr", "wbr"})


@dataclass
class Element:
    """An element of a page."""

    tag: str
    attributes: dict[str, str]
    inside: list[Element | str] = field(default_factory=list)

    def elements(self) -> Iterator[Element]:
        """It and all below it, in the order of the page."""
        yield self
        for one in self.inside:
            if isinstance(one, Element):
                yield from one.elements()

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """The elements of that tag with these attributes."""
        return [
            one
            for one in self.elements()
            if one.tag == tag and all(one.attributes.get(key) == value for key, value in attributes.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        """The only one."""
        [found] = self.all(tag, **attributes)
        return found

    def text(self) -> str:
        """The text in it, spaces run together."""
        return " ".join(self._words().split())

    def _words(self) -> str:
        return "".join(one if isinstance(one, str) else one._words() for one in self.inside)

    def rows(self) -> list[list[str]]:
        """A table's rows as text, the headings first."""
        return [[cell.text() for cell in row.inside if isinstance(cell, Element)] for row in self.all("tr")]


class _Reader(HTMLParser):
    """Builds the elements; one that is closed out of turn is an error."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {key: value or "" for key, value in attrs})
        assert len(made.attributes) == len(attrs), (tag, attrs)
        self.open[-1].inside.append(made)
        if tag not in VOID:
            self.open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].inside.append(Element(tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].inside.append(data)


def parsed(page: str) -> Element:
    """A page as elements; everything that is opened must be closed."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert len(reader.open) == 1
    return reader.open[0]


HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")


def words_only(main: Element) -> None:
    """Nothing is said that is no word, and nothing but the cells of a table is empty."""
    for part in (*main.all("p"), *main.all("dd"), *main.all("td"), *main.all("th"), *main.all("caption")):
        assert part.text() or part.tag == "td"
        assert not re.search(r"\b(nan|None|inf|NaT|null|undefined)\b|<NA>|\{\{|\}\}", part.text())


def follows(page: Element) -> None:
    """The structure is one that a screen reader can follow."""
    assert page.one("html").attributes["lang"] == "en"
    assert page.one("title").text()
    for landmark in ("header", "nav", "main"):
        page.one(landmark)
    levels = [HEADINGS.index(one.tag) for one in page.elements() if one.tag in HEADINGS]
    assert levels.count(0) == 1
    assert levels[0] == 0
    assert all(below - above <= 1 for above, below in pairwise(levels))
    ids = [one.attributes["id"] for one in page.elements() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    for one in page.elements():
        for attribute in ("for", "aria-labelledby", "aria-describedby"):
            assert set(one.attributes.get(attribute, "").split()) <= set(ids)
        assert not [name for name in one.attributes if name.startswith("on")]
        if one.tag == "a":
            assert one.attributes["href"].removeprefix("#") in ids
    for table in page.all("table"):
        assert table.one("caption").text()
        assert all(head.attributes["scope"] in ("col", "row", "rowgroup") for head in table.all("th"))
    labelled = {label.attributes["for"] for label in page.all("label")}
    assert {one.attributes["id"] for one in page.elements() if one.tag in ("input", "select")} <= labelled
    for figure in page.all("figure"):
        picture = figure.one("svg", role="img")
        caption, text = figure.one("figcaption"), figure.all("p")[-1]
        assert picture.attributes["aria-labelledby"] == caption.attributes["id"]
        assert picture.attributes["aria-describedby"] == text.attributes["id"]
        assert text.text().startswith(caption.text())


def figures_apart(text: str) -> int:
    """Names inside the figures are of one figure each; how many figures there are."""
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    of_figures = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in pictures]
    assert sum(map(len, of_figures)) == len(set().union(*of_figures))
    for svg, own in zip(pictures, of_figures, strict=True):
        assert set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg)) <= {(a, "") for a in own} | {
            ("", b) for b in own
        }
    return len(pictures)


def asks_nothing(text: str) -> str:
    """Nothing is asked from outside; the content security policy."""
    fetched = r"""(?:src|href|action|data|poster|srcset)\s*=\s*["']?([^"'\s>]+)|url\(([^)]+)\)|@import\s+([^;]+)"""
    for found in re.findall(fetched, re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)):
        target = next(one for one in found if one).strip("\"'")
        assert target.startswith(("#", "data:")), target
    assert "://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|\bimport\s*\(|\beval\(", text)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    rules = policy[1].replace("&#39;", "'")
    assert rules.startswith("default-src 'none'; ")
    return rules


@pytest.fixture(scope="session")
def page_of(run_of: Callable[[str], Result]) -> Callable[..., Element]:
    """The page of a run by its name, perhaps against another."""

    @cache
    def page(name: str, against: str | None = None) -> Element:
        return parsed(report(run_of(name), run_of(against) if against else None))

    return page


@pytest.fixture
def parse() -> Callable[[str], Element]:
    """Reads a page as elements."""
    return parsed


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Result]:
    """The run of a scenario above, or of one under `scenarios/`."""
    directory = tmp_path_factory.mktemp("scenarios")

    @cache
    def one(name: str) -> Result:
        path = SCENARIOS / f"{name}.yaml"
        if name in TEXTS:
            path = directory / f"{name}.yaml"
            path.write_text(TEXTS[name])
        return sim.run(sim.load(path))

    return one
