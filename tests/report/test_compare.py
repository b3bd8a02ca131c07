"""A run against another: what differs, by how much, wave by wave."""

from __future__ import annotations

from pathlib import Path

import pytest

import sim
from sim.report.answers import answers
from sim.report.compare import compare
from sim.report.figures import figures, side_by_side
from sim.report.phrases import later
from sim.result.words import duration

KERNEL = Path(__file__).parents[2] / "scenarios" / "deferred-kernel.yaml"
MOMENTS = {"opens": "opened_at", "all eligible": "eligible_at", "all converged": "converged_at"}


@pytest.fixture(scope="module")
def kernel():
    """The study of the ordering rule: as built, and strict."""
    return [sim.run(sim.load(KERNEL, {"rules.deferred": rule})) for rule in ("converged", "strict")]


def rows(comparison):
    return {group.title: {row.what: row[1:] for row in group.rows} for group in comparison.groups}


def test_the_study_of_the_ordering_rule_reads_as_one_page(kernel):
    one, other = kernel
    found = compare(one, other)
    assert (found.here, found.there) == ("deferred=converged", "deferred=strict")
    assert [tuple(row)[:3] for row in found.settings] == [("rules.deferred", "converged", "strict")]
    ends = [run.summary["rollouts"][0]["terminal_at_s"] for run in kernel]
    took = one.summary["rollouts"][0]["exposure"]["took_before_verified"]
    assert found.gained == ends[1] - ends[0]
    ended, exposed = found.sentences
    later_by = duration(ends[1] - ends[0])
    assert ended == (
        f"With deferred=strict, stable@r1 ends {later_by} later: after {duration(ends[1])}, not {duration(ends[0])}."
    )
    assert exposed == (
        f"{took} of 300 hosts took stable@r1 before every host of the earlier waves had converged; with "
        "deferred=strict none did."
    )
    table = rows(found)
    for wave, (here, there) in enumerate(zip(*(run.waves.to_dict("records") for run in kernel), strict=True)):
        lines = table[f"Wave {wave}, {here['hosts']} hosts"]
        for what, column in MOMENTS.items():
            gained = there[column] - here[column]
            assert lines[what] == (duration(here[column]), duration(there[column]), later(gained))
        assert ("verified when the next wave starts" in lines) == (wave < 2)
    assert table["Exposure, in hosts"] == {
        "took the release before the earlier waves were verified": (f"{took}", "0", f"{took} fewer")
    }


def test_the_answers_say_what_the_other_rule_does(kernel):
    one, other = kernel
    found = compare(one, other)
    told = {answer.key: answer for answer in answers(one, found)}
    assert told["deferred"].short.startswith(f"{duration(found.gained)} gained, ")
    waves = [run.waves.to_dict("records") for run in kernel]
    opened = [[duration(wave["opened_at"]) for wave in run] for run in waves]
    verified = [100 * (1 - wave["deferred_at_promotion"] / wave["hosts"]) for wave in waves[0][:2]]
    took = one.summary["rollouts"][0]["exposure"]["took_before_verified"]
    ends = [duration(run.summary["rollouts"][0]["terminal_at_s"]) for run in kernel]
    _, gain, by_wave, risk = (said.replace("\u00a0", " ") for said in told["deferred"].sentences)
    assert gain == f"The gain: stable@r1 ends after {ends[0]}; with deferred=strict it takes {ends[1]}."
    assert by_wave == (
        f"It opens wave 1 after {opened[0][1]}, not {opened[1][1]}, with {verified[0]:.0f} % of wave 0 verified; "
        f"wave 2 after {opened[0][2]}, not {opened[1][2]}, with {verified[1]:.0f} % of wave 1 verified."
    )
    assert risk == (
        f"The risk: {took} of 300 hosts took the release before every host of the waves before theirs had converged "
        "on it; with deferred=strict none did."
    )
    assert told["duration"].sentences[-1] == found.sentences[0]
    beats = [f"{run.summary['load']['heartbeats']:,}" for run in kernel]
    assert f"{beats[1]} heartbeats, not {beats[0]}" in told["control-plane"].sentences[-1]


def test_the_other_way_round_it_is_earlier_and_nothing_is_called_a_gain(kernel):
    one, other = kernel
    found = compare(other, one)
    assert " earlier: after " in found.sentences[0]
    assert found.gained is None


def test_the_page_has_it_with_a_figure_and_only_then(page_of):
    page = page_of("deferred", "strict")
    section = page.one("section", id="comparison")
    assert section.one("h2").text() == "deferred=converged against deferred=strict"
    assert section.one("table", id="settings").rows()[1:] == [["rules.deferred", "converged", "strict"]]
    table = section.one("table", id="side-by-side").rows()
    assert table[0] == ["What", "deferred=converged", "deferred=strict", "Difference"]
    assert section.one("figure").one("svg")
    assert "100 % after" in section.one("figure").all("p")[-1].text()
    assert not page_of("deferred").all("section", id="comparison")


@pytest.fixture(scope="module")
def demo():
    """A fleet on which one rollout of four differs by the rule, which is not the one that matters most."""
    path = KERNEL.with_name("kernel-and-fault.yaml")
    return [sim.run(sim.load(path, {"rules.deferred": rule})) for rule in ("converged", "strict")]


def test_of_several_rollouts_the_one_that_differs_is_shown_and_said(demo):
    one, other = demo
    found = compare(one, other)
    pair = [{each["rollout_id"]: each for each in run.summary["rollouts"]}["stable@kernel"] for run in demo]
    assert found.shown == tuple(pair)
    assert found.gained == pair[1]["terminal_at_s"] - pair[0]["terminal_at_s"]
    short = {answer.key: answer.short for answer in answers(one, found)}["deferred"]
    assert short == f"{duration(found.gained)} gained, 5 hosts unverified"
    assert side_by_side(one, other, found).caption.startswith("Share of the hosts of stable@kernel ")
    drawn = [shown.caption for shown in figures(one, found) if shown.caption.startswith("The waves of ")]
    assert [caption.split(":")[0] for caption in drawn] == [
        "The waves of infra@kernel",
        "The waves of stable@kernel",
        "The waves of stable@noon",
    ]


def test_what_is_alike_is_said_once(demo):
    found = compare(*demo)
    verified = "before every host of the earlier waves had converged"
    assert [said for said in found.sentences if "neither run" in said] == [
        f"In neither run did a host take any of the other 3 rollouts {verified}."
    ]
    ends = [said for said in found.sentences if " rollouts " in said and "took" not in said and "take" not in said]
    assert ends == ["With deferred=strict, the other 3 rollouts come out the same."]
    empty = [group.title for group in found.groups if not group.rows]
    assert empty == [f"{name}: the same in both runs" for name in ("edge@kernel", "infra@kernel", "stable@noon")]


def test_where_nobody_took_a_release_early_that_is_said_once(run_of):
    assert compare(run_of("quickstart"), run_of("quickstart")).sentences[1:] == [
        "In neither run did a host take any of the 3 rollouts before every host of the earlier waves had converged."
    ]


def test_a_rollout_that_ends_in_one_run_alone_is_shown_before_one_that_ends_later(run_of):
    found = compare(run_of("horizon"), run_of("plain"))
    assert [rollout["terminal_at_s"] is None for rollout in found.shown] == [True, False]
    assert compare(run_of("no release"), run_of("plain")).shown is None


def test_runs_of_other_fleets_are_matched_by_rollout(run_of):
    found = compare(run_of("superseded"), run_of("plain"))
    assert found.here == "superseded"
    assert [one["rollout_id"] for one, _ in found.matched] == ["c@r1"]
    assert "c@r2, c@r3 of this run have no counterpart in plain, by rollout id." in found.sentences
    lines = rows(found)["Wave 2, 24 hosts"]
    assert lines["opens"] == ("never", "11m45s", "only there")
    assert lines["all converged"][0] == "never"
    nothing = compare(run_of("no release"), run_of("plain"))
    assert not nothing.matched
    assert nothing.sentences == ["c@r1 of plain has no counterpart in this run, by rollout id."]


def test_waves_that_only_one_of_them_has(run_of):
    found = rows(compare(run_of("plain"), run_of("one host")))
    assert found["Wave 0, 4 and 1 hosts"]["opens"] == ("0s", "0s", "the same")
    assert found["Wave 2, 24 and 0 hosts"]["opens"] == ("11m45s", "never", "only here")


def test_a_run_against_itself(page_of):
    section = page_of("plain", "plain").one("section", id="comparison")
    assert section.one("h2").text() == "this run against the other run"
    assert "No setting differs" in section.text()
    differences = [row[-1] for row in section.one("table", id="side-by-side").rows()[1:] if len(row) == 4]
    assert set(differences) == {"the same"}


def test_a_rollout_that_one_of_them_does_not_finish(run_of):
    assert compare(run_of("horizon"), run_of("plain")).sentences[0] == "With until=7d, c@r1 finishes in 17m16s."
    turned = compare(run_of("plain"), run_of("horizon")).sentences[0]
    assert turned == "With until=7m, c@r1 does not finish: not finished."
    neither = compare(run_of("failed"), run_of("reverted")).sentences[0]
    assert "c@r1 does not finish either: failed, stalled in wave 0" in neither


def test_many_settings_that_differ_are_counted_not_listed(run_of):
    found = compare(run_of("quickstart"), run_of("deferred-kernel"))
    assert len(found.settings) == 20
    assert found.more_settings > 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(20_520.0, "5h42m later"), (-12.0, "12s earlier"), (0.0, "the same"), (None, "-"), (float("nan"), "-")],
)
def test_differences_are_said_with_their_sign(seconds, words):
    assert later(seconds) == words
