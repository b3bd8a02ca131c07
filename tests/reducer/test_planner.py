"""The gates and the planner against page 3: small fleets whose answers are known.

A pass of a `Twin` asks the plain and the indexed planner and compares them in everything, so that what is said here of
one holds of both.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from twin import Twin, small_fleet

from sim.reducer.actions import DeferDispatch, OpenRollout, QueueDispatch
from sim.reducer.artifact import Budget
from sim.reducer.gates import PlannerRules, RolloutSummary, View
from sim.reducer.manifest import ManifestBudget, project_manifest
from sim.reducer.planner import advance_waves, plan_next
from sim.reducer.selectors import Selector

ALL = Selector(all=True)


def release(twin, ref, channels=None):
    """Give the channels (all by default) a release and open what the next pass asks for."""
    manifests = {channel: project_manifest(twin.fleet, channel, ref) for channel in channels or twin.fleet.channels}
    twin.release({channel: manifest for channel, manifest in manifests.items() if manifest is not None})
    for action in twin.plan():
        if type(action) is OpenRollout:
            twin.open(action)


def started(hosts, rules=PlannerRules(), **more):  # noqa: B008 - frozen
    """A fleet whose channels all have their release `r1`, opened at 0; the soaks are due at 300."""
    twin = Twin(small_fleet(hosts, **more), rules)
    release(twin, "r1")
    return twin


def move(twin, states, rollout_id="c@r1"):
    for host, state in states.items():
        twin.move(rollout_id, host, state)


def queue(host, rollout_id="c@r1", due=300.0):
    return QueueDispatch(host, rollout_id, f"{host}-new", due)


def defer(host, gate, reason, rollout_id="c@r1"):
    return DeferDispatch(host, rollout_id, gate, reason)


def test_without_a_gate_every_pending_host_is_queued_and_queued_again():
    twin = started({"c": ["b", "a"]})
    assert twin.plan() == [queue("a"), queue("b")]
    assert twin.plan() == [queue("a"), queue("b")]


# -- gate 1


def test_a_quarantined_closure_is_held_back_on_its_channel():
    twin = started({"c": ["a", "b"], "d": ["e"]})
    twin.quarantine("c", "a-new")
    twin.quarantine("c", "e-new")  # on another channel than its host's
    assert twin.plan() == [defer("a", "quarantine", "channel=c closure=a-new"), queue("b"), queue("e", "d@r1")]


def test_a_quarantine_that_is_only_recorded_holds_nothing():
    twin = started({"c": ["a"]}, rules=PlannerRules(quarantine="recorded"))
    twin.quarantine("c", "a-new")
    assert twin.plan() == [queue("a")]


# -- gate 2


def test_a_channel_waits_for_its_predecessor_to_be_terminal():
    twin = started({"c": ["a"], "first": ["f"]}, channel_edges=[("first", "c")])
    held = defer("a", "channel-edges", "predecessor=first")
    assert twin.plan() == [held, queue("f", "first@r1")]
    twin.move("first@r1", "f", "Converged")
    assert twin.plan() == [held]  # it is `terminal_at` that counts
    twin.end("first@r1")
    assert twin.plan() == [queue("a")]


def test_a_predecessor_with_a_manifest_blocks_before_its_rollout_is_open():
    twin = Twin(small_fleet({"c": ["a"], "first": ["f"]}, channel_edges=[("first", "c")]))
    release(twin, "r1", ["c"])
    assert twin.plan() == [queue("a")]  # no manifest, nothing to wait for
    twin.release({"first": project_manifest(twin.fleet, "first", "r1")})
    opening = OpenRollout("first@r1", "first", "r1")
    assert twin.plan() == [opening, defer("a", "channel-edges", "predecessor=first")]


def test_the_next_release_of_a_terminal_predecessor_blocks_again():
    twin = started({"c": ["a"], "first": ["f"]}, channel_edges=[("first", "c")])
    twin.end("first@r1")
    assert twin.plan() == [queue("a")]
    twin.release({"first": project_manifest(twin.fleet, "first", "r2")})
    opening = OpenRollout("first@r2", "first", "r2")
    assert twin.plan() == [opening, defer("a", "channel-edges", "predecessor=first")]


def test_the_first_channel_edge_that_holds_is_named():
    twin = started(
        {"c": ["a"], "one": ["f"], "two": ["g"]}, channel_edges=[("two", "c"), ("absent", "c"), ("one", "c")]
    )
    free = [queue("f", "one@r1"), queue("g", "two@r1")]
    assert twin.plan() == [defer("a", "channel-edges", "predecessor=two"), *free]
    twin.end("two@r1")
    assert twin.plan() == [defer("a", "channel-edges", "predecessor=one"), free[0]]


# -- gate 3


def test_later_waves_wait():
    twin = started({"c": ["a", "b", "d"]}, waves={"c": [["b"], ["a"], ["d"]]})
    assert twin.plan() == [
        defer("a", "wave-promotion", "host_wave=1 current_wave=0"),
        queue("b"),
        defer("d", "wave-promotion", "host_wave=2 current_wave=0"),
    ]
    move(twin, {"b": "Converged"})
    assert twin.plan() == [queue("a"), defer("d", "wave-promotion", "host_wave=2 current_wave=1")]


def test_a_host_is_in_the_first_wave_that_lists_it():
    twin = started({"c": ["a", "b"]}, waves={"c": [["b"], ["a"], ["a", "b"]]})
    assert twin.plan() == [defer("a", "wave-promotion", "host_wave=1 current_wave=0"), queue("b")]


def test_a_host_in_no_wave_of_a_channel_with_waves_never_goes():
    twin = started({"c": ["a", "b"], "d": ["e"]}, waves={"c": [["a"]], "d": []})
    unstaged = defer("b", "wave-promotion-host-unstaged", "channel=c")
    assert twin.plan() == [queue("a"), unstaged, queue("e", "d@r1")]  # an empty list of waves is none
    move(twin, {"a": "Converged"})
    assert twin.plan() == [unstaged, queue("e", "d@r1")]


# -- gate 4


@pytest.mark.parametrize("state", ["Converged", "Deferred"])
def test_a_host_waits_for_its_gating_host_to_be_eligible(state):
    twin = started({"c": ["a", "b"]}, edges=[("b", "a")])
    held = defer("a", "host-edge", "gating_host=b")
    assert twin.plan() == [held, queue("b")]
    for short_of_it in ("Activating", "Soaking", "Failed", "Reverted"):
        move(twin, {"b": short_of_it})
        assert twin.plan() == [held]
    move(twin, {"b": state})
    assert twin.plan() == [queue("a")]


def test_strictly_a_deferred_gating_host_holds():
    twin = started({"c": ["a", "b"]}, edges=[("b", "a")], rules=PlannerRules(deferred="strict"))
    move(twin, {"b": "Deferred"})
    assert twin.plan() == [defer("a", "host-edge", "gating_host=b")]
    move(twin, {"b": "Converged"})
    assert twin.plan() == [queue("a")]


def test_a_gating_host_without_a_record_holds_for_good():
    twin = started({"c": ["a", "b"]}, edges=[("b", "a")], bare=["b"])
    assert twin.plan() == [defer("a", "host-edge", "gating_host=b")]


def test_edges_from_other_channels_and_unknown_hosts_are_ignored():
    twin = started({"c": ["a"], "d": ["e"]}, edges=[("e", "a"), ("nobody", "a")])
    assert twin.plan() == [queue("a"), queue("e", "d@r1")]


def test_the_first_host_edge_that_holds_is_named():
    twin = started({"c": ["a", "b", "d"]}, edges=[("d", "a"), ("b", "a")])
    move(twin, {"b": "Activating", "d": "Activating"})
    assert twin.plan() == [defer("a", "host-edge", "gating_host=d")]
    move(twin, {"d": "Converged"})
    assert twin.plan() == [defer("a", "host-edge", "gating_host=b")]


# -- gate 5


def over_budget(host, busy, maximum, selector="all", rollout_id="c@r1"):
    return defer(host, "disruption-budget", f"in_flight={busy} max={maximum} selector={selector}", rollout_id)


def test_activating_and_soaking_hosts_are_in_flight_and_no_others():
    twin = started({"c": ["a", "b", "d", "e", "f", "g", "h", "i"]}, budgets=[(ALL, 4)])
    move(twin, {"a": "Activating", "b": "Soaking", "d": "Deferred", "e": "Converged", "f": "Failed", "g": "Reverted"})
    # 2 in flight; of a limit of 4 there is room for both that are left
    assert twin.plan() == [queue("h"), queue("i")]
    move(twin, {"d": "Soaking"})
    # 3 in flight, and h goes: 3 + 1 = 4
    assert twin.plan() == [queue("h"), over_budget("i", 4, 4)]
    move(twin, {"d": "Activating", "e": "Activating"})
    assert twin.plan() == [over_budget("h", 4, 4), over_budget("i", 4, 4)]
    move(twin, {"f": "Soaking"})
    assert twin.plan() == [over_budget("h", 5, 4), over_budget("i", 5, 4)]


def test_a_dispatch_not_yet_acknowledged_counts_only_within_its_pass():
    twin = started({"c": ["a", "b"]}, budgets=[(ALL, 1)])
    for _ in range(3):
        assert twin.plan() == [queue("a"), over_budget("b", 1, 1)]


def test_a_budget_of_none_lets_nobody_go():
    twin = started({"c": ["a"]}, budgets=[(ALL, 0)])
    assert twin.plan() == [over_budget("a", 0, 0)]


def test_a_budget_without_a_number_limits_nothing():
    twin = started({"c": ["a", "b"]}, budgets=[(ALL, None)])
    move(twin, {"a": "Soaking"})
    assert twin.plan() == [queue("b")]


def test_a_percentage_limits_nothing():
    fleet = replace(small_fleet({"c": ["a", "b"]}), disruption_budgets=[Budget(ALL, None, 1.0)])
    twin = Twin(fleet)
    release(twin, "r1")
    assert twin.plan() == [queue("a"), queue("b")]


def test_two_budgets_with_equal_selectors_add_two_each_dispatch():
    # a goes at 0 < 3 and adds 2; b goes at 2 < 3 and adds 2; d: 4 >= 3
    twin = started({"c": ["a", "b", "d"]}, budgets=[(ALL, 9), (ALL, 3)])
    assert twin.plan() == [queue("a"), queue("b"), over_budget("d", 4, 3)]
    # in flight is counted once: a makes 1, and b goes and adds 2: 1 + 2 = 3
    move(twin, {"a": "Activating"})
    assert twin.plan() == [queue("b"), over_budget("d", 3, 3)]


def test_an_equal_selector_without_a_number_adds_as_well():
    # a goes at 0 < 2 and adds one for each budget: b is held at 2
    twin = started({"c": ["a", "b"]}, budgets=[(ALL, None), (ALL, 2)])
    assert twin.plan() == [queue("a"), over_budget("b", 2, 2)]


def test_equal_means_equal_as_written():
    # both name the hosts a and b, each keeps a count of its own
    one, other = Selector(hosts=("a", "b")), Selector(hosts=("b", "a"))
    twin = started({"c": ["a", "b"]}, budgets=[(one, 2), (other, 2)])
    assert twin.plan() == [queue("a"), queue("b")]


def test_a_budget_counts_over_all_rollouts_in_view():
    twin = started({"c": ["a"], "d": ["e", "f"]}, budgets=[(ALL, 2)])
    move(twin, {"e": "Activating"}, "d@r1")
    # 1 in flight on d; a goes on c: 1 + 1 = 2
    assert twin.plan() == [queue("a"), over_budget("f", 2, 2, rollout_id="d@r1")]
    move(twin, {"f": "Soaking"}, "d@r1")
    assert twin.plan() == [over_budget("a", 2, 2)]
    twin.end("d@r1")  # a terminal rollout is still in view
    assert twin.plan() == [over_budget("a", 2, 2)]


def test_a_superseded_rollout_is_out_of_view():
    twin = started({"c": ["a", "b"]}, budgets=[(ALL, 1)])
    move(twin, {"a": "Soaking"})
    release(twin, "r2")
    assert twin.plan() == [queue("a", "c@r2"), over_budget("b", 1, 1, rollout_id="c@r2")]


def test_a_budget_bears_only_on_the_hosts_it_lists():
    # a neither waits nor counts; b goes and counts; e is free again
    twin = started({"c": ["a", "b", "d", "e"]}, budgets=[(Selector(hosts=("b", "d")), 1)])
    assert twin.plan() == [queue("a"), queue("b"), over_budget("d", 1, 1, "hosts:b,d"), queue("e")]
    # in flight, a does not count either
    move(twin, {"a": "Soaking"})
    assert twin.plan() == [queue("b"), over_budget("d", 1, 1, "hosts:b,d"), queue("e")]


def test_a_rollout_without_an_equal_selector_does_not_count():
    twin = started({"c": ["a"], "d": ["e"]}, budgets=[(ALL, 1)])
    manifest = project_manifest(twin.fleet, "d", "r2")
    twin.release({"d": replace(manifest, disruption_budgets=[ManifestBudget(Selector(channel="d"), ["a", "e"], 1)])})
    (opening, _) = twin.plan()
    twin.open(opening)
    move(twin, {"e": "Activating"}, "d@r2")
    assert twin.plan() == [queue("a")]


def test_the_first_budget_that_is_used_up_is_named():
    db = Selector(tags=("db",))
    twin = started({"c": ["a", "b"]}, budgets=[(ALL, 5), (db, 1), (ALL, 1)], tags={"a": ["db"], "b": ["db"]})
    move(twin, {"a": "Soaking"})
    # all: 1 < 5; tags:db: 1 >= 1
    assert twin.plan() == [over_budget("b", 1, 1, "tags:db")]


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        (Selector(all=True, channel="c", tags=("x",), tags_any=("x",), hosts=("a",)), "all"),
        (Selector(channel="c", tags=("x",), tags_any=("x",), hosts=("a",)), "channel:c"),
        (Selector(tags=("y", "x"), tags_any=("x",), hosts=("a",)), "tags:x,y"),
        (Selector(tags_any=("x", "z"), hosts=("a",)), "tags_any:x,z"),
        (Selector(hosts=("a",)), "hosts:a"),
    ],
)
def test_the_reason_says_the_selector(selector, said):
    twin = started({"c": ["a"]}, budgets=[(selector, 0)], tags={"a": ["x", "y"]})
    assert twin.plan() == [over_budget("a", 0, 0, said)]


# -- gate 6


def test_failing_probes_of_earlier_waves_hold_a_host():
    twin = started({"c": ["a", "b", "d", "e"]}, waves={"c": [["a", "b"], ["d"], ["e"]]})
    move(twin, {"a": "Converged", "b": "Deferred"})
    twin.fail("c@r1", "a", 2)
    twin.fail("c@r1", "b", 1)
    # promoted to wave 1; 2 + 1 = 3 failing before it
    held = defer("d", "compliance-wave", "failing=3 host_wave=1")
    assert twin.plan() == [held, defer("e", "wave-promotion", "host_wave=2 current_wave=1")]
    twin.fail("c@r1", "d", 5)  # its own wave does not count
    assert twin.plan()[0] == held
    move(twin, {"d": "Converged"})
    # now 3 + 5 = 8 before wave 2
    assert twin.plan() == [defer("e", "compliance-wave", "failing=8 host_wave=2")]


def test_a_host_counts_once_for_each_earlier_wave_that_lists_it():
    twin = started({"c": ["a", "b"]}, waves={"c": [["a", "a"], ["a"], ["b"]]})
    twin.fail("c@r1", "a", 3)
    move(twin, {"a": "Converged"})
    twin.plan()  # to wave 1, and with the next pass to wave 2
    assert twin.plan() == [defer("b", "compliance-wave", "failing=6 host_wave=2")]


def test_failures_elsewhere_hold_nothing():
    twin = started({"c": ["a", "b"], "d": ["e"]}, waves={"c": [["a"], ["b"]]})
    twin.fail("d@r1", "e", 1)
    twin.fail("c@r1", "b", 1)
    move(twin, {"a": "Converged"})
    assert twin.plan() == [queue("b"), queue("e", "d@r1")]


def test_the_first_wave_and_channels_without_waves_do_not_ask_for_compliance():
    twin = started({"c": ["a", "b"], "d": ["e", "f"]}, waves={"c": [["a", "b"]]})
    twin.fail("c@r1", "a", 1)
    twin.fail("d@r1", "e", 1)
    assert twin.plan() == [queue("a"), queue("b"), queue("e", "d@r1"), queue("f", "d@r1")]


def test_compliance_can_be_off():
    twin = started({"c": ["a", "b"]}, waves={"c": [["a"], ["b"]]}, rules=PlannerRules(compliance_wave="off"))
    twin.fail("c@r1", "a", 1)
    move(twin, {"a": "Converged"})
    assert twin.plan() == [queue("b")]


# -- the gates one after the other


def held_by_every_gate():
    """The host z, which gates 2 to 6 hold; `b` is done with nothing, and `f` is in flight under z's budget."""
    twin = started(
        {"c": ["a", "b", "z"], "first": ["f"]},
        waves={"c": [["a"], ["b", "z"]]},
        channel_edges=[("first", "c")],
        edges=[("b", "z")],
        budgets=[(Selector(hosts=("f", "z")), 1)],
    )
    move(twin, {"a": "Soaking", "b": "Activating"})
    twin.move("first@r1", "f", "Soaking")
    twin.fail("c@r1", "a", 1)
    return twin


def test_the_first_gate_that_blocks_is_named():
    twin = held_by_every_gate()
    assert twin.plan() == [defer("z", "channel-edges", "predecessor=first")]
    twin.end("first@r1")
    assert twin.plan() == [defer("z", "wave-promotion", "host_wave=1 current_wave=0")]
    move(twin, {"a": "Converged"})
    assert twin.plan() == [defer("z", "host-edge", "gating_host=b")]
    move(twin, {"b": "Deferred"})
    assert twin.plan() == [over_budget("z", 1, 1, "hosts:f,z")]
    twin.move("first@r1", "f", "Converged")
    assert twin.plan() == [defer("z", "compliance-wave", "failing=1 host_wave=1")]
    twin.fail("c@r1", "a", 0)
    assert twin.plan() == [queue("z")]


def test_quarantine_is_asked_before_all_others():
    twin = held_by_every_gate()
    twin.quarantine("c", "z-new")
    assert twin.plan() == [defer("z", "quarantine", "channel=c closure=z-new")]


# -- advance_waves


def waves_of(twin, passes=1):
    for _ in range(passes):
        twin.plan()
    return twin.summaries["c@r1"].current_wave


def test_a_wave_is_over_when_every_host_is_eligible():
    twin = started({"c": ["a", "b", "d"]}, waves={"c": [["a", "b"], ["d"]]})
    for states in ({"a": "Converged"}, {"b": "Activating"}, {"b": "Soaking"}, {"b": "Failed"}, {"b": "Reverted"}):
        move(twin, states)
        assert waves_of(twin) == 0
    move(twin, {"b": "Deferred"})
    assert waves_of(twin) == 1


def test_strictly_a_deferred_host_holds_its_wave():
    twin = started({"c": ["a", "b"]}, waves={"c": [["a"], ["b"]]}, rules=PlannerRules(deferred="strict"))
    move(twin, {"a": "Deferred"})
    assert waves_of(twin, passes=2) == 0
    move(twin, {"a": "Converged"})
    assert waves_of(twin) == 1


def test_one_wave_a_pass_and_never_beyond_the_last():
    twin = started({"c": ["a", "b", "d"]}, waves={"c": [["a"], ["b"], ["d"]]})
    move(twin, {"a": "Converged", "b": "Converged", "d": "Converged"})
    assert [waves_of(twin) for _ in range(4)] == [1, 2, 2, 2]


def test_an_empty_wave_is_never_over():
    twin = started({"c": ["a", "b"]}, waves={"c": [["a"], [], ["b"]]})
    move(twin, {"a": "Converged", "b": "Converged"})
    assert waves_of(twin, passes=3) == 1


@pytest.mark.parametrize("foreign", ["e", "bare", "nobody"])
def test_a_listed_host_without_a_record_holds_its_wave_for_good(foreign):
    twin = started({"c": ["a", "b", "bare"], "d": ["e"]}, waves={"c": [["a", foreign], ["b"]]}, bare=["bare"])
    move(twin, {"a": "Converged"})
    twin.move("d@r1", "e", "Converged")  # eligible in its own rollout, which is another
    assert waves_of(twin, passes=3) == 0


def test_a_wave_does_not_go_back():
    twin = started({"c": ["a", "b"]}, waves={"c": [["a"], ["b"]]})
    move(twin, {"a": "Deferred"})
    assert waves_of(twin) == 1
    move(twin, {"a": "Soaking"})
    assert waves_of(twin, passes=2) == 1


def test_a_terminal_rollout_is_not_promoted():
    twin = started({"c": ["a", "b"]}, waves={"c": [["a"], ["b"]]})
    move(twin, {"a": "Converged", "b": "Converged"})
    twin.end("c@r1")
    assert waves_of(twin, passes=2) == 0


def test_a_superseded_rollout_is_not_promoted():
    twin = started({"c": ["a", "b"]}, waves={"c": [["a"], ["b"]]})
    release(twin, "r2")
    move(twin, {"a": "Converged"})
    assert waves_of(twin, passes=2) == 0


def test_a_rollout_that_failed_is_promoted_all_the_same():
    """A host in a later wave fails: nothing of the rollout's own state is in the view."""
    twin = started({"c": ["a", "b", "d"]}, waves={"c": [["a"], ["b"], ["d"]]})
    move(twin, {"a": "Converged", "d": "Failed"})
    assert waves_of(twin) == 1


# -- plan_next


def test_the_order_of_actions():
    """By channel name what is opened; by id the rollouts (`a-b@r1` < `a@r1`); by name the hosts."""
    hosts = {"a": ["m", "k", "l"], "a-b": ["z", "y"], "q": ["x"], "p": ["w"]}
    twin = Twin(small_fleet(hosts, waves={"a": [["m", "k"], ["l"]]}))
    twin.release({channel: project_manifest(twin.fleet, channel, "r1") for channel in ("a-b", "a")})
    openings = twin.plan()
    assert openings == [OpenRollout("a@r1", "a", "r1"), OpenRollout("a-b@r1", "a-b", "r1")]
    for opening in openings:
        twin.open(opening)
    twin.release({channel: project_manifest(twin.fleet, channel, "r1") for channel in ("q", "p")})
    assert twin.plan() == [
        OpenRollout("p@r1", "p", "r1"),
        OpenRollout("q@r1", "q", "r1"),
        queue("y", "a-b@r1"),
        queue("z", "a-b@r1"),
        queue("k", "a@r1"),
        defer("l", "wave-promotion", "host_wave=1 current_wave=0", "a@r1"),
        queue("m", "a@r1"),
    ]


def test_only_pending_hosts_without_an_acknowledgement_are_asked():
    twin = started({"c": ["a", "b", "d"]})
    move(twin, {"a": "Activating"})
    twin.move("c@r1", "b", "Pending", acked=True)
    assert twin.plan() == [queue("d")]


def test_a_terminal_rollout_is_not_asked():
    twin = started({"c": ["a"], "d": ["e"]})
    twin.end("c@r1")
    assert twin.plan() == [queue("e", "d@r1")]


def test_a_superseded_rollout_is_not_asked():
    twin = started({"c": ["a"]})
    release(twin, "r2")
    assert twin.plan() == [queue("a", "c@r2")]


def test_a_dispatch_without_a_due_soak_is_due_now():
    twin = Twin(small_fleet({"c": ["a", "b"]}))
    twin.release({"c": project_manifest(twin.fleet, "c", "r1")})
    (opening,) = twin.plan()
    twin.open(opening, due=lambda host: None if host == "a" else 0.0)
    for twin.now in (15.0, 30.0, 30.0, 45.0):
        assert twin.plan() == [queue("a", due=twin.now), queue("b", due=0.0)]


def test_another_order_changes_who_goes():
    fleet = small_fleet({"c": ["a", "b", "d"]}, budgets=[(ALL, 1)])
    twin = Twin(fleet)
    release(twin, "r1")
    backwards = plan_next(twin.view(), 0.0, order=lambda names: sorted(names, reverse=True))
    assert backwards == [queue("d"), over_budget("b", 1, 1), over_budget("a", 1, 1)]


def test_an_order_is_asked_for_each_rollout_by_name():
    twin = started({"c": ["b", "a"], "d": ["f", "e"]})
    asked = []
    plan_next(twin.view(), 0.0, order=lambda names: asked.append(list(names)) or names)
    assert asked == [["a", "b"], ["e", "f"]]


def test_planning_changes_nothing():
    twin = started({"c": ["a", "b"]}, waves={"c": [["a"], ["b"]]}, budgets=[(ALL, 1)])
    move(twin, {"a": "Converged"})
    view = twin.view()
    assert advance_waves(view) == advance_waves(view) == {"c@r1": 1}
    # what is planned goes by the wave as it stands, not by the promotion
    held = [defer("b", "wave-promotion", "host_wave=1 current_wave=0")]
    assert plan_next(view, 0.0) == plan_next(view, 0.0) == held


def test_an_empty_view_asks_for_nothing():
    view = View(fleet=small_fleet({}), manifests={}, rollouts={}, records={})
    assert (advance_waves(view), plan_next(view, 0.0)) == ({}, [])


def test_a_rollout_without_records_asks_for_nothing():
    summary = RolloutSummary(rollout_id="c@r1", channel="c", target_ref="r1", opened_at=0.0)
    view = View(fleet=small_fleet({"c": ["a"]}), manifests={}, rollouts={"c@r1": summary}, records={})
    assert (advance_waves(view), plan_next(view, 0.0)) == ({}, [])
