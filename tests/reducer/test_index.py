"""The indexed planner against the plain one: the vectors, random histories, what is counted, and what a pass costs."""

from __future__ import annotations

import gzip
import json
import sys
from array import array
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from twin import Twin, random_history, small_fleet

from sim.reducer.actions import DeferDispatch, OpenRollout, QueueDispatch
from sim.reducer.artifact import parse_artifact
from sim.reducer.gates import PlannerRules, RolloutSummary, View
from sim.reducer.index import GateHold, Pass, PlanIndex
from sim.reducer.manifest import Manifest, project_manifest
from sim.reducer.planner import plan_next
from sim.reducer.records import HostRecord
from sim.reducer.selectors import Selector
from sim.reducer.tracked import place_in

# -- random histories

KINDS = pytest.mark.parametrize("shuffle", [False, True], ids=["by name", "shuffled"])
SKEWED = pytest.mark.parametrize("skewed", [False, True], ids=["projected", "skewed"])


@KINDS
@SKEWED
@pytest.mark.parametrize("block", range(4))
def test_both_planners_agree_over_random_histories(block, shuffle, skewed):
    for seed in range(150 * block, 150 * (block + 1)):
        random_history(seed, shuffle=shuffle, skewed=skewed)


@pytest.mark.slow
@KINDS
@SKEWED
@pytest.mark.parametrize("block", range(4))
def test_both_planners_agree_over_many_more(block, shuffle, skewed):
    for seed in range(10_000 + 250 * block, 10_000 + 250 * (block + 1)):
        random_history(seed, shuffle=shuffle, skewed=skewed, passes=40)


def test_the_histories_meet_every_gate():
    """What agrees about nothing proves nothing."""
    met = set()
    for seed in range(200):
        twin = random_history(seed)
        met |= {one.gate for _, deferred in twin.passes for one in deferred}
        met |= {f"wave {summary.current_wave}" for summary in twin.summaries.values()}
    assert met >= {
        "quarantine",
        "channel-edges",
        "wave-promotion",
        "wave-promotion-host-unstaged",
        "host-edge",
        "disruption-budget",
        "compliance-wave",
        "wave 2",
    }


# -- the vectors

VECTORS = Path(__file__).parent.parent / "vectors" / "plan.jsonl.gz"


def told(case):
    """An index that was told all of the case, or None where no history leads there: its rollout has left a wave of
    which a host is still pending, or has no record."""
    fleet, _ = parse_artifact(case["fleet"])
    index = PlanIndex(fleet)
    index.set_manifests(msgspec.convert(case["manifests"], dict[str, Manifest]))
    summaries = msgspec.convert(case["fleet_state"]["rollouts"], list[RolloutSummary])
    records = {summary.rollout_id: {} for summary in summaries}
    for record in msgspec.convert(case["fleet_state"]["hosts"], list[HostRecord]):
        records[record.rollout_id][record.hostname] = record
    for summary in summaries:
        own = records[summary.rollout_id]
        index.add_rollout(
            summary.rollout_id,
            summary.channel,
            summary.target_ref,
            summary.opened_at,
            sorted(own),
            [own[name].soak_due_at for name in sorted(own)],
            [own[name].target_closure for name in sorted(own)],
        )
    for summary in summaries:
        for wave in range(summary.current_wave):  # a wave is left by a pass that finds its hosts eligible
            hosts = fleet.waves[summary.channel][wave].hosts
            for name in hosts:
                record = records[summary.rollout_id].get(name)
                if record is None or (record.state == "Pending" and record.dispatch_acked_at is None):
                    return None
                index.host_changed(summary.rollout_id, name, "Converged", True)
            if index.plan(0.0).advanced != {summary.rollout_id: wave + 1}:
                return None
    for rollout_id, own in records.items():
        for name, record in own.items():
            index.host_changed(rollout_id, name, record.state, record.dispatch_acked_at is not None)
    for channel, closures in case["quarantines"].items():
        for closure in closures:
            index.quarantine(channel, closure)
    for rollout_id, counts in case["fleet_state"]["outstanding_failing_enforce_probes"].items():
        for name, count in counts.items():
            index.failing_changed(rollout_id, name, count)
    for summary in summaries:
        if summary.terminal_at is not None:
            index.rollout_terminal(summary.rollout_id)
    return index


def in_order(index, outcome):
    """The actions of the last pass with the deferrals between them, as page 3 orders them."""
    opened = [one for one in outcome.actions if type(one) is OpenRollout]
    others = [one for one in outcome.actions if type(one) is QueueDispatch] + index.deferrals()
    return opened + sorted(others, key=lambda one: (one.rollout, one.host))


def promoted(case):
    """What the plain planner asks for after the promotions that the case expects."""
    records = {}
    for record in msgspec.convert(case["fleet_state"]["hosts"], list[HostRecord]):
        records.setdefault(record.rollout_id, {})[record.hostname] = record
    rollouts = {}
    for summary in msgspec.convert(case["fleet_state"]["rollouts"], list[RolloutSummary]):
        wave = case["expect"]["advance_waves"].get(summary.rollout_id, summary.current_wave)
        rollouts[summary.rollout_id] = replace(summary, current_wave=wave)
    view = View(
        fleet=parse_artifact(case["fleet"])[0],
        manifests=msgspec.convert(case["manifests"], dict[str, Manifest]),
        rollouts=rollouts,
        records=records,
        quarantines=case["quarantines"],
        failing=case["fleet_state"]["outstanding_failing_enforce_probes"],
    )
    return msgspec.to_builtins(plan_next(view, case["now"]))


def test_the_vectors():
    with gzip.open(VECTORS, "rt", encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    fed = 0
    for number, case in enumerate(cases):
        index = told(case)
        if index is None:
            continue
        fed += 1
        outcome = index.plan(case["now"])
        expect = case["expect"]
        assert outcome.advanced == expect["advance_waves"], number
        # a vector's actions are those without the promotion, which the index makes first
        actions = promoted(case) if expect["advance_waves"] else expect["actions"]
        assert msgspec.to_builtins(in_order(index, outcome)) == actions, number
    assert fed == 97


# -- what is counted

ALL = Selector(all=True)


def started(fleet, **kwargs):
    """An index whose channels all have their release `r`, opened by a pass at 0."""
    index = PlanIndex(fleet, **kwargs)
    index.set_manifests({channel: project_manifest(fleet, channel, "r") for channel in fleet.channels})
    for opening in index.plan(0.0).actions:
        own = [name for name, host in fleet.hosts.items() if host.channel == opening.channel]
        index.add_rollout(
            opening.rollout_id,
            opening.channel,
            opening.target_ref,
            0.0,
            sorted(own),
            [300.0] * len(own),
            [f"{name}-new" for name in sorted(own)],
        )
    return index


def test_blocked_time_is_from_a_pass_that_blocks_to_the_next_pass():
    index = started(small_fleet({"c": ["a", "b", "d"]}, budgets=[(ALL, 1)]))
    # at 15 a goes, b and d are held at 1; a is taken and in flight until it converges at 50, seen at 60
    outcome = index.plan(15.0)
    assert (outcome.asked, outcome.blocked, outcome.requeued_parked) == (3, 2, 0)
    index.host_changed("c@r", "a", "Activating", True)
    index.plan(30.0)
    index.plan(45.0)
    index.host_changed("c@r", "a", "Converged", True)
    # b goes at 60 and d is held by it
    assert [one.host for one in index.plan(60.0).actions] == ["b"]
    index.host_changed("c@r", "b", "Activating", True)
    index.plan(75.0)
    # b: 15 to 60 = 45 s; d: 15 to 90 = 75 s; all for one reason
    reason = "in_flight=1 max=1 selector=all"
    assert index.finish(90.0) == [GateHold("c@r", 0, "disruption-budget", 2, 45.0 + 75.0, reason)]
    assert index.blocked_seconds("c@r") == {"b": 45.0, "d": 75.0}


def test_the_culprit_is_the_reason_that_held_longest():
    fleet = small_fleet({"c": ["a", "b", "z"]}, edges=[("a", "z"), ("b", "z")])
    index = started(fleet)
    index.plan(10.0)
    index.host_changed("c@r", "a", "Converged", True)
    index.plan(40.0)
    # 30 s for a, 20 s for b
    assert index.finish(60.0) == [GateHold("c@r", 0, "host-edge", 1, 50.0, "gating_host=a")]
    # 30 s for a, 40 s for b
    assert index.finish(80.0) == [GateHold("c@r", 0, "host-edge", 1, 70.0, "gating_host=b")]
    # before a pass there is nothing, within a stretch there is a part of it
    assert index.finish(10.0) == [GateHold("c@r", 0, "host-edge", 1, 0.0, "gating_host=a")]
    assert index.finish(5.0) == []
    assert index.finish(25.0) == [GateHold("c@r", 0, "host-edge", 1, 15.0, "gating_host=a")]


def test_a_parked_host_is_counted_but_not_listed():
    index = started(small_fleet({"c": ["a", "b"]}))
    assert [one.host for one in index.plan(15.0).actions] == ["a", "b"]
    index.park("c@r", "a")
    for now in (30.0, 45.0):
        outcome = index.plan(now)
        assert [one.host for one in outcome.actions] == ["b"]
        assert (outcome.asked, outcome.blocked, outcome.requeued_parked) == (2, 0, 1)
    assert index.unpark("c@r", "a") == 45.0  # the slot counts from when it was queued last
    assert [one.host for one in index.plan(60.0).actions] == ["a", "b"]


def test_a_pass_over_nothing():
    index = PlanIndex(small_fleet({"c": ["a"]}))
    for now in (0.0, 15.0):
        assert index.plan(now) == Pass({}, [], requeued_parked=0, blocked=0, asked=0)
    assert (index.deferrals(), index.blocked_groups(), index.finish(30.0)) == ([], [], [])


def test_a_host_parked_before_any_pass_was_never_queued():
    index = started(small_fleet({"c": ["a"]}))
    index.park("c@r", "a")
    assert index.unpark("c@r", "a") == float("-inf")


def test_being_told_what_it_knows_changes_nothing():
    index = started(small_fleet({"c": ["a", "b"]}, budgets=[(ALL, 1)]))
    index.host_changed("c@r", "a", "Soaking", True)
    expected = index.plan(15.0)
    for _ in range(2):
        index.host_changed("c@r", "a", "Activating", True)  # in flight as it was
        index.host_changed("c@r", "b", "Pending", False)
        index.park("c@r", "b")
        index.park("c@r", "b")
        index.unpark("c@r", "b")
        index.unpark("c@r", "b")
        index.quarantine("d", "b-new")
        assert index.plan(30.0) == expected


def test_a_parked_host_takes_its_part_of_a_budget():
    index = started(small_fleet({"c": ["a", "b"]}, budgets=[(ALL, 1)]))
    index.plan(15.0)
    index.park("c@r", "a")
    outcome = index.plan(30.0)
    assert (outcome.actions, outcome.requeued_parked) == ([], 1)
    assert index.deferrals() == [
        DeferDispatch("b", "c@r", "disruption-budget", "in_flight=1 max=1 selector=all"),
    ]


def test_gate_changes_are_told_once():
    heard = []
    fleet = small_fleet({"c": ["a", "b", "d"]}, waves={"c": [["a"], ["b", "d"]]})
    index = started(fleet, on_gate_change=lambda *change: heard.append(change))
    promotion = ("wave-promotion", "host_wave=1 current_wave=0")
    for now in (15.0, 30.0, 45.0):
        index.plan(now)
    assert heard == [(15.0, "c@r", "b", *promotion), (15.0, "c@r", "d", *promotion)]
    heard.clear()
    index.host_changed("c@r", "a", "Converged", True)
    index.quarantine("c", "d-new")
    index.plan(60.0)
    assert heard == [
        (60.0, "c@r", "b", None, ""),
        (60.0, "c@r", "d", "quarantine", "channel=c closure=d-new"),
    ]


# -- what a pass costs


def calls(function):
    """How many functions, of Python or of C, run until it is done."""
    count = 0

    def note(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


def many(count):
    """A channel whose hosts are all held, by a wave, an edge, a budget or no wave at all, and one that is busy."""
    waiting = [f"w{number:05d}" for number in range(count)]
    edged = [f"x{number:05d}" for number in range(count)]
    budgeted = [f"y{number:05d}" for number in range(count)]
    unstaged = [f"z{number:05d}" for number in range(count)]
    fleet = small_fleet(
        {"c": ["a", "b", *waiting, *edged, *budgeted, *unstaged], "busy": ["h", "i"]},
        waves={"c": [["a", "b", *edged, *budgeted], waiting]},
        edges=[("b", name) for name in edged],
        budgets=[(Selector(tags=("y",)), 1), (Selector(channel="busy"), 5)],
        tags={name: ["y"] for name in ["a", *budgeted]},
    )
    index = started(fleet)
    index.host_changed("c@r", "a", "Activating", True)
    index.host_changed("c@r", "b", "Activating", True)
    return index


def busy_passes(index, record):
    """Ten passes, something happening before each, nothing of which bears on a held host."""
    spent = []
    for number in range(1, 11):
        match number:
            case 1 | 4:
                index.host_changed("c@r", "a", "Soaking", True)  # in flight as before
            case 2:
                index.host_changed("busy@r", "h", "Activating", True)
            case 3:
                index.failing_changed("busy@r", "h", 1)
            case 5:
                index.host_changed("busy@r", "h", "Soaking", True)
            case 6:
                index.host_changed("busy@r", "i", "Activating", True)
            case 7:
                index.host_changed("busy@r", "h", "Converged", True)
            case 8:
                index.quarantine("c", "of-nobody")
            case 9:
                index.host_changed("busy@r", "i", "Failed", True)
            case 10:
                index.rollout_terminal("busy@r")
        spent.append(calls(lambda now=15.0 * number: record.append(index.plan(now))))
    return spent


def test_hosts_that_stay_blocked_cost_nothing_and_are_counted_in_full():
    spent = {}
    for count in (10, 1000):
        index = many(count)
        assert index.plan(0.0).blocked == 4 * count
        outcomes = []
        spent[count] = busy_passes(index, outcomes)
        # the hosts of `busy` are asked until they are dispatched: two at first, one after pass 2, none after pass 6
        assert [outcome.asked - 4 * count for outcome in outcomes] == [2, 1, 1, 1, 1, 0, 0, 0, 0, 0]
        assert all(outcome.blocked == 4 * count for outcome in outcomes)
        assert len(index.deferrals()) == 4 * count
        # blocked from the pass at 0 to the end at 160
        seconds = 160.0 * count
        assert index.finish(160.0) == [
            GateHold("c@r", 0, "host-edge", count, seconds, "gating_host=b"),
            GateHold("c@r", 0, "disruption-budget", count, seconds, "in_flight=1 max=1 selector=tags:y"),
            GateHold("c@r", 1, "wave-promotion", count, seconds, "host_wave=1 current_wave=0"),
            GateHold("c@r", None, "wave-promotion-host-unstaged", count, seconds, "channel=c"),
        ]
        assert set(index.blocked_seconds("c@r").values()) == {160.0}
        assert len(index.blocked_seconds("c@r")) == 4 * count
    assert spent[10] == spent[1000]


def test_a_pass_in_which_nothing_happened_is_hardly_a_pass():
    for count in (10, 1000):
        index = many(count)
        first = index.plan(0.0)
        again = []
        # the lambda, the append, and the pass itself with at most a look or two at what has happened
        assert calls(lambda: again.append(index.plan(15.0))) <= 6  # noqa: B023
        assert again == [first]
        assert set(index.blocked_groups()) == {
            ("c@r", 0, "host-edge", "gating_host=b", count),
            ("c@r", 0, "disruption-budget", "in_flight=1 max=1 selector=tags:y", count),
            ("c@r", 1, "wave-promotion", "host_wave=1 current_wave=0", count),
            ("c@r", None, "wave-promotion-host-unstaged", "channel=c", count),
        }


def test_offline_hosts_that_are_queued_again_cost_nothing_where_no_budget_bears_on_them():
    spent = {}
    for count in (10, 1000):
        parked = [f"p{number:05d}" for number in range(count)]
        index = started(small_fleet({"c": ["a", "b", *parked]}, budgets=[(ALL, None)]))
        index.plan(0.0)
        for name in parked:
            index.park("c@r", name)
        index.plan(15.0)
        index.host_changed("c@r", "a", "Activating", True)
        outcomes = []
        spent[count] = calls(lambda: outcomes.append(index.plan(30.0)))  # noqa: B023
        assert [one.host for one in outcomes[0].actions] == ["b"]
        assert (outcomes[0].asked, outcomes[0].blocked, outcomes[0].requeued_parked) == (count + 1, 0, count)
    assert spent[10] == spent[1000]


def test_only_the_groups_that_a_change_bears_on_are_gone_through():
    """A wave is freed: its hosts cost, those held behind it do not."""
    spent = {}
    for count in (10, 1000):
        last = [f"w{number:05d}" for number in range(count)]
        index = started(small_fleet({"c": ["a", "b", *last]}, waves={"c": [["a"], ["b"], ["e", *last]]}))
        index.plan(0.0)
        index.host_changed("c@r", "a", "Converged", True)
        spent[count] = calls(lambda: index.plan(15.0))  # noqa: B023
        assert index.ask("c@r", last[0]) == ("wave-promotion", "host_wave=2 current_wave=1")
    assert spent[10] == spent[1000]


def test_rules_are_the_planners():
    fleet = small_fleet({"c": ["a", "b"]}, waves={"c": [["a"], ["b"]]})
    advanced = {}
    for deferred in ("converged", "strict"):
        index = started(fleet, rules=PlannerRules(deferred=deferred))
        index.host_changed("c@r", "a", "Deferred", True)
        advanced[deferred] = index.plan(15.0).advanced
    assert advanced == {"converged": {"c@r": 1}, "strict": {}}


def test_a_twin_hears_a_difference():
    """The comparison itself: an index that was not told of something is found out."""
    twin = Twin(small_fleet({"c": ["a"]}))
    twin.release({"c": project_manifest(twin.fleet, "c", "r")})
    (opening,) = twin.plan()
    twin.open(opening)
    twin.quarantines["c"].add("a-new")
    with pytest.raises(AssertionError):
        twin.plan()


# -- places


@given(st.sets(st.integers(0, 60), min_size=1))
def test_the_place_of_a_number(numbers):
    """Whether they follow on each other, as the hosts of most waves do, or not."""
    ascending = array("i", sorted(numbers))
    assert [place_in(ascending, number) for number in ascending] == list(range(len(ascending)))
    run = array("i", range(7, 7 + len(numbers)))
    assert [place_in(run, number) for number in run] == list(range(len(numbers)))
