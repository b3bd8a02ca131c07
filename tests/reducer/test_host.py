"""The host reducer against page 1: every row of its table, every check, and what holds of any history."""

from __future__ import annotations

from collections import deque
from copy import deepcopy
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from sim.reducer import effects as fx
from sim.reducer import events as ev
from sim.reducer import payloads as pay
from sim.reducer.errors import IllegalForState, Invariant, SeqRegression, StepError
from sim.reducer.host import step
from sim.reducer.records import HostRecord, ProbeEntry
from sim.reducer.reports import remote_event

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

ROLLOUT, HOST = "stable@r2", "web-1"
STATES = ["Pending", "Activating", "Deferred", "Soaking", "Converged", "Failed", "Reverted"]

PAIRS = {
    "DispatchAck": (ev.LocalActivate, ev.RemoteDispatchAck),
    "ActivationStarted": (ev.LocalActivationStarted, ev.RemoteActivationStarted),
    "ActivationCompleted": (ev.LocalActivationCompleted, ev.RemoteActivationCompleted),
    "ActivationDeferred": (ev.LocalActivationDeferred, ev.RemoteActivationDeferred),
    "ActivationFailed": (ev.LocalActivationFailed, ev.RemoteActivationFailed),
    "ProbeTopologyDeclared": (ev.LocalProbeTopologyDeclared, ev.RemoteProbeTopologyDeclared),
    "ProbeObservedFirst": (ev.LocalProbeObservedFirst, ev.RemoteProbeObservedFirst),
    "ProbeResult": (ev.LocalProbeResult, ev.RemoteProbeResult),
    "ProbeFailureFirst": (ev.LocalProbeFailureFirst, ev.RemoteProbeFailureFirst),
    "Failed": (ev.LocalSustainedFailureCrossed, ev.RemoteFailed),
    "RollbackComplete": (ev.LocalRollbackCompleted, ev.RemoteRollbackComplete),
    "Converged": (ev.LocalConvergedReached, ev.RemoteConverged),
}
"""Report -> the event for the agent, the event for the control plane."""

LEGAL = {
    "Pending": ["DispatchAck"],
    "Activating": ["ActivationStarted", "ActivationCompleted", "ActivationDeferred", "ActivationFailed"],
    "Deferred": ["ActivationCompleted", "ActivationFailed"],
    "Soaking": [
        "ProbeTopologyDeclared",
        "ProbeObservedFirst",
        "ProbeResult",
        "ProbeFailureFirst",
        "Failed",
        "Converged",
    ],
    "Converged": [],
    "Failed": ["RollbackComplete"],
    "Reverted": [],
}

FIELDS = {
    "DispatchAck": {"current_closure_at_dispatch": "old", "received_at": 130.0},
    "ActivationStarted": {"started_at": 131.0, "switch_method": "switch-to-configuration"},
    "ActivationCompleted": {"observed_current_closure": "seen", "exit_code": 0, "completed_at": 220.0},
    "ActivationDeferred": {"component": "kernel", "deferred_at": 221.0},
    "ActivationFailed": {"exit_code": 1, "stderr_tail": "no space", "failed_at": 222.0},
    "ProbeTopologyDeclared": {
        "probes": [pay.DeclaredProbe("http", "http", "enforce"), pay.DeclaredProbe("disk", "exec", "observe")],
        "declared_at": 230.0,
    },
    "ProbeObservedFirst": {"probe_name": "http", "mode": "enforce", "observed_at": 231.0},
    "ProbeResult": {
        "probe_name": "http",
        "mode": "enforce",
        "status": "fail",
        "observed_at": 232.0,
        "failure_reason": "503",
    },
    "ProbeFailureFirst": {"probe_name": "http", "mode": "enforce", "first_failed_at": 233.0},
    "Failed": {
        "failed_at": 360.0,
        "sustained_duration_secs": 127.0,
        "failing_probes": ["http"],
        "policy_applied": "rollback-and-halt",
    },
    "RollbackComplete": {"reverted_to_closure": "older", "exit_code": 0, "completed_at": 420.0},
    "Converged": {"converged_at": 700.0, "current_closure": "new"},
}


def record(state, **fields):
    """A record whose last event was number 6; the soak is due at 700."""
    before = HostRecord(
        rollout_id=ROLLOUT,
        hostname=HOST,
        channel="stable",
        state=state,
        target_closure="new",
        dispatched_at=100.0,
        soak_due_at=700.0,
        last_event_seq=6,
    )
    return replace(before, **fields)


def local(name, seq=7, **changed):
    more = {"target_closure": "elsewhere", "soak_due_at": 1.0} if name == "DispatchAck" else {}
    return PAIRS[name][0](seq=seq, **{**FIELDS[name], **more, **changed})


def remote(name, seq=7, **changed):
    return PAIRS[name][1](seq=seq, **{**FIELDS[name], **changed})


def payload(name, seq=7, **changed):
    return getattr(pay, name)(seq=seq, **{**FIELDS[name], **changed})


def emit(report, durable=True):
    return fx.LocalEmitEvent(ROLLOUT, report, durable)


def log(report):
    return fx.RemoteAppendEventLog(HOST, ROLLOUT, report)


def moved(before, after, at):
    return fx.RecordTransition(HOST, ROLLOUT, before, after, at)


def check(before, event, writes, effects, policy="halt"):
    """The step gives the record with those writes and no others, and those effects in that order."""
    untouched = deepcopy(before)
    assert step(before, event, policy) == (replace(before, **writes, last_event_seq=event.seq), tuple(effects))
    assert before == untouched


# -- the table, row by row


def test_an_agent_takes_a_dispatch():
    writes = {"state": "Activating", "current_closure_at_dispatch": "old", "dispatch_acked_at": 130.0}
    ack = payload("DispatchAck")
    # the closure switched to is the record's, not the event's
    effects = [moved("Pending", "Activating", 130.0), emit(ack), fx.LocalFireSwitch(ROLLOUT, "new")]
    check(record("Pending"), local("DispatchAck"), writes, effects)


def test_the_control_plane_hears_of_a_dispatch_taken():
    writes = {"state": "Activating", "current_closure_at_dispatch": "old", "dispatch_acked_at": 130.0}
    effects = [log(payload("DispatchAck")), moved("Pending", "Activating", 130.0)]
    check(record("Pending"), remote("DispatchAck"), writes, effects)


def test_an_activation_starts():
    writes = {"activation_started_at": 131.0}
    check(record("Activating"), local("ActivationStarted"), writes, [emit(payload("ActivationStarted"))])
    check(record("Activating"), remote("ActivationStarted"), writes, [log(payload("ActivationStarted"))])


@pytest.mark.parametrize("state", ["Activating", "Deferred"])
def test_an_activation_completes(state):
    before = record(state, probes={"http": ProbeEntry("fail", "enforce", 5.0)}, probe_failure_first_at=5.0)
    writes = {"state": "Soaking", "activation_completed_at": 220.0, "current_closure": "seen", "probes": {}}
    report = payload("ActivationCompleted")
    effects = [fx.LocalResetProbeCache(ROLLOUT), emit(report), moved(state, "Soaking", 220.0)]
    check(before, local("ActivationCompleted"), writes, effects)
    check(before, remote("ActivationCompleted"), writes, [log(report), moved(state, "Soaking", 220.0)])


@pytest.mark.parametrize("component", ["dbus", "systemd", "kernel", "init"])
def test_an_activation_is_deferred(component):
    report = payload("ActivationDeferred", component=component)
    move = moved("Activating", "Deferred", 221.0)
    before = record("Activating")
    check(before, local("ActivationDeferred", component=component), {"state": "Deferred"}, [emit(report), move])
    check(before, remote("ActivationDeferred", component=component), {"state": "Deferred"}, [log(report), move])


@pytest.mark.parametrize("policy", ["halt", "rollback-and-halt"])
@pytest.mark.parametrize("known", ["old", None])
def test_an_activation_fails(policy, known):
    before = record("Activating", current_closure_at_dispatch=known)
    writes = {"state": "Failed", "activation_failed_at": 222.0, "failed_at": 222.0, "policy_applied": policy}
    report = payload("ActivationFailed")
    effects = [emit(report), moved("Activating", "Failed", 222.0)]
    back = [fx.LocalFireRollbackTo(ROLLOUT, "old")] if policy == "rollback-and-halt" and known else []
    check(before, local("ActivationFailed"), writes, effects + back, policy)
    check(before, remote("ActivationFailed"), writes, [log(report), moved("Activating", "Failed", 222.0)], policy)


@pytest.mark.parametrize("policy", ["halt", "rollback-and-halt"])
def test_a_deferred_activation_fails_without_rollback_or_policy(policy):
    before = record("Deferred", current_closure_at_dispatch="old")
    writes = {"state": "Failed", "activation_failed_at": 222.0, "failed_at": 222.0}
    report = payload("ActivationFailed")
    move = moved("Deferred", "Failed", 222.0)
    check(before, local("ActivationFailed"), writes, [emit(report), move], policy)
    check(before, remote("ActivationFailed"), writes, [log(report), move], policy)


def test_probes_are_declared():
    report = payload("ProbeTopologyDeclared")
    check(record("Soaking"), local("ProbeTopologyDeclared"), {}, [emit(report)])
    check(record("Soaking"), remote("ProbeTopologyDeclared"), {}, [log(report)])


@pytest.mark.parametrize(
    ("name", "field", "at"),
    [("ProbeObservedFirst", "probe_observed_first_at", 231.0), ("ProbeFailureFirst", "probe_failure_first_at", 233.0)],
)
def test_the_first_of_the_firsts_is_kept(name, field, at):
    report = payload(name)
    check(record("Soaking"), local(name), {field: at}, [emit(report, durable=False)])
    check(record("Soaking"), remote(name), {field: at}, [log(report)])
    for earlier_or_later in (0.0, at - 1, at + 1):  # what is set stays, 0 s included
        before = record("Soaking", **{field: earlier_or_later})
        check(before, local(name), {}, [emit(report, durable=False)])
        check(before, remote(name), {}, [log(report)])


def test_a_probe_result_is_kept():
    report = payload("ProbeResult")
    writes = {"probes": {"http": ProbeEntry("fail", "enforce", 232.0, None, "503")}}
    check(record("Soaking"), local("ProbeResult"), writes, [emit(report, durable=False)])
    check(record("Soaking"), remote("ProbeResult"), writes, [log(report)])


@pytest.mark.parametrize("policy", ["halt", "rollback-and-halt"])
@pytest.mark.parametrize("applied", ["halt", "rollback-and-halt"])
@pytest.mark.parametrize("known", ["old", None])
def test_sustained_failure_goes_by_the_policy_of_the_event(policy, applied, known):
    before = record("Soaking", current_closure_at_dispatch=known)
    writes = {"state": "Failed", "failed_at": 360.0, "policy_applied": applied}
    report = payload("Failed", policy_applied=applied)
    move = moved("Soaking", "Failed", 360.0)
    back = [fx.LocalFireRollbackTo(ROLLOUT, "old")] if applied == "rollback-and-halt" and known else []
    check(before, local("Failed", policy_applied=applied), writes, [emit(report), move, *back], policy)
    check(before, remote("Failed", policy_applied=applied), writes, [log(report), move], policy)


def test_a_host_converges():
    # the closure that counts is the event's; what the record last heard is replaced by it
    before = record("Soaking", current_closure="seen")
    writes = {"state": "Converged", "converged_at": 700.0, "current_closure": "new"}
    report = payload("Converged")
    move = moved("Soaking", "Converged", 700.0)
    check(before, local("Converged"), writes, [emit(report), move])
    check(before, remote("Converged"), writes, [log(report), move])


def test_a_rollback_completes():
    before = record("Failed", current_closure="new", failed_at=360.0)
    writes = {"state": "Reverted", "reverted_at": 420.0, "reverted_to": "older", "current_closure": "older"}
    report = payload("RollbackComplete")
    move = moved("Failed", "Reverted", 420.0)
    check(before, local("RollbackComplete"), writes, [emit(report), move])
    quarantine = fx.RemoteInsertQuarantine("stable", "new")
    check(before, remote("RollbackComplete"), writes, [log(report), quarantine, move])


# -- the checks, in order


@pytest.mark.parametrize("side", [local, remote])
@pytest.mark.parametrize("name", list(PAIRS))
@pytest.mark.parametrize("state", STATES)
def test_what_no_row_names_is_illegal(state, name, side):
    if name in LEGAL[state]:
        after, _ = step(record(state), side(name), "halt")
        assert after.last_event_seq == 7
    else:
        with pytest.raises(IllegalForState):
            step(record(state), side(name), "halt")


@pytest.mark.parametrize("state", STATES)
def test_a_seq_that_is_not_above_the_last_is_refused_first(state):
    for name, side, seq in product(PAIRS, (local, remote), (6, 5, 0, -1)):
        with pytest.raises(SeqRegression):
            step(record(state), side(name, seq), "halt")


def test_the_seq_may_skip():
    after, _ = step(record("Activating"), remote("ActivationStarted", 1000), "halt")
    assert after.last_event_seq == 1000


@pytest.mark.parametrize("side", [local, remote])
@pytest.mark.parametrize("state", [state for state in STATES if state != "Soaking"])
def test_a_converged_event_out_of_place_is_illegal_before_its_invariants_are_looked_at(side, state):
    with pytest.raises(IllegalForState):
        step(record(state), side("Converged", current_closure="other", converged_at=0.0), "halt")


@pytest.mark.parametrize("side", [local, remote])
class TestInvariants:
    def refused(self, side, before, **changed):
        with pytest.raises(Invariant):
            step(before, side("Converged", **changed), "halt")

    def accepted(self, side, before, **changed):
        assert step(before, side("Converged", **changed), "halt")[0].state == "Converged"

    def test_the_closure_is_the_target(self, side):
        self.refused(side, record("Soaking", current_closure="new"), current_closure="old")

    def test_the_soak_is_over(self, side):
        self.refused(side, record("Soaking"), converged_at=699.9)
        self.accepted(side, record("Soaking"), converged_at=700.0)
        self.accepted(side, record("Soaking", soak_due_at=None), converged_at=0.0)
        self.refused(side, record("Soaking", soak_due_at=0.0), converged_at=-0.5)

    def test_no_enforce_probe_fails(self, side):
        good, bad = ProbeEntry("pass", "enforce", 1.0), ProbeEntry("fail", "enforce", 1.0)
        self.accepted(side, record("Soaking", probes={}))
        self.accepted(side, record("Soaking", probes={"http": good}))
        self.refused(side, record("Soaking", probes={"http": bad}))
        self.refused(side, record("Soaking", probes={"http": good, "disk": bad}))

    @pytest.mark.parametrize("mode", ["observe", "disabled"])
    def test_probes_that_only_watch_never_gate(self, side, mode):
        self.accepted(side, record("Soaking", probes={"http": ProbeEntry("fail", mode, 1.0)}))


# -- probe entries


def results(*runs, probes=None):
    """The entries after runs of the probe `http`: (status, mode, at, reason)."""
    now = record("Soaking", probes=probes or {})
    for seq, (status, mode, at, reason) in enumerate(runs, start=7):
        now, _ = step(now, ev.RemoteProbeResult(seq, "http", mode, status, at, reason), "halt")
    return now.probes


def test_a_pass_is_dated_and_clears_the_reason():
    # the reason of a passing event is not kept either
    assert results(("fail", "enforce", 1.0, "503"), ("pass", "enforce", 2.0, "odd")) == {
        "http": ProbeEntry("pass", "enforce", 2.0, last_pass_at=2.0, failure_reason=None)
    }


def test_a_fail_keeps_the_date_of_the_last_pass():
    assert results(("pass", "enforce", 1.0, None), ("fail", "enforce", 2.0, "503"), ("fail", "enforce", 3.0, None)) == {
        "http": ProbeEntry("fail", "enforce", 3.0, last_pass_at=1.0, failure_reason=None)
    }


def test_the_mode_is_that_of_the_latest_run():
    assert results(("fail", "enforce", 1.0, "503"), ("fail", "observe", 2.0, "504")) == {
        "http": ProbeEntry("fail", "observe", 2.0, last_pass_at=None, failure_reason="504")
    }


def test_other_probes_keep_their_entries():
    disk = ProbeEntry("fail", "enforce", 0.5, None, "full")
    assert results(("pass", "enforce", 1.0, None), probes={"disk": disk})["disk"] == disk


def test_nothing_clears_the_first_failure():
    before = record("Soaking", probe_failure_first_at=50.0)
    after, _ = step(before, local("ProbeResult", status="pass"), "halt")
    assert after.probe_failure_first_at == 50.0
    after, _ = step(record("Deferred", probe_failure_first_at=50.0), local("ActivationCompleted"), "halt")
    assert after.probe_failure_first_at == 50.0


# -- any record, any event

times = st.floats(-10.0, 1000.0)
closures = st.sampled_from(["old", "new", "seen"])
probe_names = st.sampled_from(["http", "disk"])
modes = st.sampled_from(["enforce", "observe", "disabled"])
statuses = st.sampled_from(["pass", "fail"])
policies = st.sampled_from(["halt", "rollback-and-halt"])
reasons = st.none() | st.text(max_size=3)
declared = st.lists(st.builds(pay.DeclaredProbe, probe_names, st.just("exec"), modes), max_size=2)
ANY_FIELDS = {
    "DispatchAck": {"current_closure_at_dispatch": st.none() | closures, "received_at": times},
    "ActivationStarted": {"started_at": times, "switch_method": st.just("switch-to-configuration")},
    "ActivationCompleted": {
        "observed_current_closure": closures,
        "exit_code": st.integers(-1, 1),
        "completed_at": times,
    },
    "ActivationDeferred": {"component": st.sampled_from(["dbus", "init"]), "deferred_at": times},
    "ActivationFailed": {"exit_code": st.integers(-1, 1), "stderr_tail": st.text(max_size=3), "failed_at": times},
    "ProbeTopologyDeclared": {"probes": declared, "declared_at": times},
    "ProbeObservedFirst": {"probe_name": probe_names, "mode": modes, "observed_at": times},
    "ProbeResult": {
        "probe_name": probe_names,
        "mode": modes,
        "status": statuses,
        "observed_at": times,
        "failure_reason": reasons,
    },
    "ProbeFailureFirst": {"probe_name": probe_names, "mode": modes, "first_failed_at": times},
    "Failed": {
        "failed_at": times,
        "sustained_duration_secs": times,
        "failing_probes": st.lists(probe_names, max_size=2),
        "policy_applied": policies,
    },
    "RollbackComplete": {"reverted_to_closure": closures, "exit_code": st.integers(-1, 1), "completed_at": times},
    "Converged": {"converged_at": times, "current_closure": closures},
}


@st.composite
def events(draw, names, sides, seqs):
    name, side = draw(st.sampled_from(names)), draw(st.sampled_from(sides))
    changed = {field: draw(values) for field, values in ANY_FIELDS[name].items()}
    return side(name, draw(seqs), **changed)


entries = st.builds(ProbeEntry, statuses, modes, times, st.none() | times, reasons)
records = st.builds(
    record,
    st.sampled_from(STATES),
    current_closure_at_dispatch=st.none() | closures,
    current_closure=st.none() | closures,
    soak_due_at=st.none() | times,
    probe_observed_first_at=st.none() | times,
    probe_failure_first_at=st.none() | times,
    probes=st.dictionaries(probe_names, entries, max_size=2),
    last_event_seq=st.integers(0, 9),
)
GIVEN = ("rollout_id", "hostname", "channel", "target_closure", "dispatched_at", "soak_due_at")
AGENTS = (fx.LocalFireSwitch, fx.LocalFireRollbackTo, fx.LocalResetProbeCache, fx.LocalEmitEvent)
CONTROL_PLANES = (fx.RemoteAppendEventLog, fx.RemoteInsertQuarantine)


@given(records, events(list(PAIRS), [local, remote], st.integers(-1, 12)), policies)
@settings(UNTIMED, max_examples=1000)
def test_any_step_answers_or_refuses(before, event, policy):
    untouched = deepcopy(before)
    try:
        after, effects = step(before, event, policy)
    except StepError as error:
        assert error.kind in {"SeqRegression", "IllegalForState", "Invariant"}
        assert (error.kind == "SeqRegression") == (event.seq <= before.last_event_seq)
        assert error.kind != "Invariant" or before.state == "Soaking"
        return
    finally:
        assert before == untouched
    assert before.state not in ("Converged", "Reverted")
    assert after.last_event_seq == event.seq > before.last_event_seq
    assert all(getattr(after, field) == getattr(before, field) for field in GIVEN)
    moves = [effect for effect in effects if isinstance(effect, fx.RecordTransition)]
    assert [(move.from_, move.to) for move in moves] == [(before.state, after.state)] * (before.state != after.state)
    own = AGENTS if type(event).__name__.startswith("Local") else CONTROL_PLANES
    assert all(isinstance(effect, own) for effect in effects if effect not in moves)
    reports = [effect.payload for effect in effects if hasattr(effect, "payload")]
    assert [report.seq for report in reports] == [event.seq]
    for field in reports[0].__struct_fields__:
        assert getattr(reports[0], field) == getattr(event, field)
    assert PAIRS[type(reports[0]).__name__][own is CONTROL_PLANES] is type(event)


# -- the two sides of one host


class BothSides(RuleBasedStateMachine):
    """An agent that lives through anything, its reports arriving in order, late, and now and then twice."""

    def __init__(self):
        super().__init__()
        self.agent = self.mirror = record("Pending", last_event_seq=0)
        self.policy = "halt"
        self.wire = deque()
        self.arrived = []

    @rule(policy=policies)
    def decide_the_policy(self, policy):
        if self.agent == self.mirror == record("Pending", last_event_seq=0):
            self.policy = policy

    @rule(event=events(list(PAIRS), [local], st.just(0)), skipped=st.sampled_from([0, 0, 0, 3]))
    def happen(self, event, skipped):
        self.feed(replace(event, seq=self.agent.last_event_seq + 1 + skipped))

    @rule(data=st.data())
    def happen_as_may(self, data):
        """Something that is legal, so that histories get somewhere."""
        if LEGAL[self.agent.state]:
            event = data.draw(events(LEGAL[self.agent.state], [local], st.just(self.agent.last_event_seq + 1)))
            self.feed(event)

    @rule(reached=st.just(1000.0))
    @precondition(lambda self: self.agent.state == "Soaking")
    def happen_to_converge(self, reached):
        self.feed(ev.LocalConvergedReached(self.agent.last_event_seq + 1, reached, "new"))

    def feed(self, event):
        before = self.agent
        try:
            self.agent, effects = step(before, event, self.policy)
        except StepError:
            assert self.agent is before
            return
        assert before.state not in ("Converged", "Reverted")
        self.wire += [effect.payload for effect in effects if isinstance(effect, fx.LocalEmitEvent)]

    @rule()
    @precondition(lambda self: self.wire)
    def arrive(self):
        report = self.wire.popleft()
        self.arrived.append(report)
        before = self.mirror
        self.mirror, effects = step(before, remote_event(report), self.policy)
        assert self.mirror.last_event_seq == report.seq > before.last_event_seq
        assert [effect.payload for effect in effects if isinstance(effect, fx.RemoteAppendEventLog)] == [report]

    @rule(data=st.data())
    @precondition(lambda self: self.arrived)
    def arrive_again(self, data):
        with pytest.raises(SeqRegression):
            step(self.mirror, remote_event(data.draw(st.sampled_from(self.arrived))), self.policy)

    @invariant()
    def the_mirror_is_never_ahead(self):
        assert self.mirror.last_event_seq <= self.agent.last_event_seq

    def teardown(self):
        while self.wire:
            self.arrive()
        assert self.mirror == self.agent


BothSides.TestCase.settings = settings(UNTIMED, max_examples=100, stateful_step_count=30)
TestBothSides = BothSides.TestCase
