"""The page of a check of a baseline: what it says where nothing, the luck, a setting or the program has changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import sim
from sim.experiment import Check, check, record, regression
from sim.experiment.speed import Speed
from sim.experiment.verdict import headline
from sim.model.control_plane import ControlPlane
from sim.report import experiment_report
from tests.experiment.test_baseline import ticks_of
from tests.report.conftest import TEXTS, Element, asks_nothing, figures_apart, follows, parsed, words_only

SECTIONS = ["answers", "figures", "tables", "scenario", "about"]
RUNS = 8
P100 = "rollouts.c.time_to_converged_s.p100"


def slower(file: Path) -> Check:
    """The program plans every minute, not every 15 seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ControlPlane, "ticks", ticks_of(60.0))
        return check(file, tolerance=0.01, with_speed=False, workers=1)


def with_speed(file: Path) -> Check:
    """Nothing has changed but that the program is half as fast again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regression, "speed", lambda scenario, look: Speed(6.0, 5.0, 7.0))
        return check(file, workers=1)


CASES: dict[str, Callable[[Path], Check]] = {
    "as it was": with_speed,
    "other luck": lambda file: check(file, seed=77, with_speed=False, workers=1),
    "a setting": lambda file: check(file, settings={"hosts.default.activation": "20m"}, with_speed=False, workers=1),
    "a late end": lambda file: check(file, settings={"until": "6m"}, with_speed=False, workers=1),
    "the program": slower,
}
EACH = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Check]:
    """The check of a baseline of two scenarios, by the name of the case."""
    folder = tmp_path_factory.mktemp("baseline")
    for name in ("plain", "budgeted"):
        (folder / f"{name}.yaml").write_text(TEXTS[name])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sim.experiment.baseline.speed", lambda scenario, look: Speed(4.0, 3.0, 6.0))
        record(folder / "baseline.json", [folder / "plain.yaml", folder / "budgeted.yaml"], RUNS, workers=1)
    return cache(lambda name: CASES[name](folder / "baseline.json"))


@pytest.fixture(scope="module")
def page(found: Callable[[str], Check]) -> Callable[[str], Element]:
    """Its page."""
    return cache(lambda name: parsed(experiment_report(found(name))))


def table(page: Element, caption: str) -> list[list[str]]:
    """The rows of the table with a caption that begins so, without the heads."""
    [one] = [one for one in page.all("table") if one.one("caption").text().startswith(caption)]
    return one.rows()[1:]


def answers(page: Element) -> list[str]:
    """What is said in each of the two boxes."""
    return [one.text() for one in page.one("section", id="answers").all("div")]


@EACH
def test_it_has_all_parts_and_begins_with_the_answer(found, page, name) -> None:
    text = experiment_report(found(name))
    assert [section.attributes["id"] for section in page(name).one("main").all("section")] == SECTIONS
    words_only(page(name).one("main"))
    follows(page(name))
    figures_apart(text)
    assert "script-src 'none'" in asks_nothing(text)
    said = page(name).one("section", id="answers").all("dd")[0].text()
    assert said.lower() == f"{headline(found(name))}.".split(": ", 1)[1].lower()
    assert answers(page(name))[1].startswith("How many runs, and are they enough? 16 runs of 2 scenarios: as many as")
    assert [one.text() for one in page(name).all("summary") if "Show" in one.text()] == ["Show plain", "Show budgeted"]


def test_what_is_as_it_was(found, page) -> None:
    one = page("as it was")
    assert "Every run makes the same transitions as when it was recorded." in answers(one)[0]
    rows = table(one, "All that was compared")
    assert len(rows) == len(found("as it was").compared)
    assert {row[6] for row in rows if row[1] != "speed"} == {"as it was"}
    # the speed alone differs, and how much of it is tolerated is told with it
    [caption] = [figure.one("figcaption").text() for figure in one.all("figure")]
    assert table(one, "All that was compared")[-1][3:7] == ["4", "6", "+50 %", "not moved"]
    assert caption.startswith("By how much the speed against bare SimPy changed, beside the tolerance of 50 %")
    assert [table.one("caption").text() for table in one.all("table")] == ["All that was compared, one row each."]


def test_other_luck_is_drawn_and_nothing_of_it_has_moved(found, page) -> None:
    one = page("other luck")
    assert "Compared by statistics alone: plain, budgeted: other seed than recorded." in answers(one)[0]
    assert {row[6] for row in table(one, "All that was compared")} == {"as it was", "not moved"}
    about = {row.one("dt").text(): row.one("dd").text() for row in one.one("section", id="about").all("div")}
    assert about["Seeds"] == "plain 77 to 84, budgeted 77 to 84"
    assert about["Run by"] == f"nixfleet-sim {sim.__version__}"


def test_what_moved_is_first_and_says_how_it_is_known(found, page) -> None:
    rows = table(page("a setting"), "What moved, the worse first")
    assert (rows[0][6], rows[0][7]) == ("worse", "statistics")
    [moved] = [one for one in found("a setting").moved if (one.scenario, one.metric) == ("plain.yaml", P100)]
    figures = [figure.all("p")[-1].text() for figure in page("a setting").all("figure")]
    assert f"({100 * moved.change.relative:+.3g} %), worse." in figures[0].split(f"{P100}: ")[1]


def test_what_is_no_longer_reached_has_no_size_and_is_named(page) -> None:
    one = page("a late end")
    [row] = [row for row in table(one, "What moved") if row[:2] == ["plain", P100]]
    assert row[5:7] == ["reached by 0 %, was 100 %", "worse"]
    assert P100 in one.one("section", id="figures").all("p")[-1].text().split("Of no known size: ")[1]


def test_where_the_program_goes_another_way(found, page) -> None:
    one = page("the program")
    drifts = {drift.scenario: drift for drift in found("the program").drifts}
    rows = {row[0]: row for row in table(one, "Where runs with the same seed first go another way")}
    for name, drift in drifts.items():
        first, row = drift.first, rows[Path(name).stem]
        assert row[1:3] == [f"{first.rollout_id} {first.host}", f"{first.source} → {first.target}"]
        runs = len(drift.replications)
        assert row[3:6] == [f"{runs} of {RUNS}", str(drift.replication), str(first.number)]
        which = f"all {RUNS} runs" if runs == RUNS else f"{runs} of {RUNS} runs"
        told = f"With the same seeds {row[0]} goes another way in {which}; in replication {drift.replication} "
        assert f"{told}transition " in answers(one)[0]
    assert rows
    assert "If this is meant, record it: nixfleet-sim bench record " in answers(one)[0]
    assert "What is known by the same seeds moved because the program gives other transitions" in answers(one)[1]
    assert {row[7] for row in table(one, "What moved")} == {"the same seeds"}


def test_markup_in_names_stays_text(tmp_path: Path) -> None:
    name, channel = "<b>x</b>{{ 7 }}", "<u>web</u>"
    given = TEXTS["plain"].replace("c: {hosts", f'"{channel}": {{hosts')
    (tmp_path / f"{name.replace('/', '')}.yaml").write_text(f"name: '{name}'\n{given}")
    file = tmp_path / "<i>baseline.json"
    record(file, list(tmp_path.glob("*.yaml")), 2, with_speed=False, workers=1)
    page = parsed(experiment_report(check(file, with_speed=False, workers=1)))
    assert page.one("h1").text() == file.name
    for tag in ("script", "b", "u", "i"):
        assert not page.all(tag)
    assert channel in page.one("section", id="tables").text()
