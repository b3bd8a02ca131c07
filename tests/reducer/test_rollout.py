"""The rollout reducer against page 2: every row of its table, and that nothing else is legal."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sim.reducer import events as ev
from sim.reducer.effects import RecordRolloutTransition, UpdateCurrentWave
from sim.reducer.errors import IllegalForState, StepError, Unimplemented
from sim.reducer.records import RolloutRecord
from sim.reducer.rollout import step

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

ID = "stable@r2"
STATES = ["Opening", "Active", "Converging", "Terminal", "Reverted", "Failed", "Superseded", "Pruned"]
HOST_STATES = ["Pending", "Activating", "Deferred", "Soaking", "Converged", "Failed", "Reverted"]


def record(state, current_wave=1):
    return RolloutRecord(
        rollout_id=ID, channel="stable", target_ref="r2", state=state, current_wave=current_wave, opened_at=10.0
    )


def changed(to):
    return ev.HostStateChanged(ID, "web-1", "Soaking", to, 50.0)


def advanced(from_wave, to_wave):
    return ev.WaveAdvanced(ID, from_wave, to_wave, 50.0)


EVENTS = {
    "RolloutOpened": ev.RolloutOpened(ID, "stable", "r2", 50.0),
    "HostJoined": ev.HostJoined(ID, "web-1", 7, 50.0),
    **{f"HostStateChanged to {state}": changed(state) for state in HOST_STATES},
    "WaveAdvanced beyond": advanced(1, 3),
    "WaveAdvanced up to": advanced(0, 1),
    "WaveAdvanced level": advanced(2, 2),
    "WaveAdvanced back": advanced(3, 2),
    "RolloutTerminal": ev.RolloutTerminal(ID, 50.0),
    "SuccessorOpened": ev.SuccessorOpened(ID, "stable@r3", 50.0),
    "RetentionExpired": ev.RetentionExpired(ID, 50.0),
    "OperatorClearance": ev.OperatorClearance(ID, "kim", "looked at it", 50.0),
}
"""Given to records in wave 1: one event goes beyond that, one only up to it."""

HARMLESS = [f"HostStateChanged to {state}" for state in HOST_STATES if state not in ("Failed", "Reverted")]
HOST_CHANGES = [name for name in EVENTS if name.startswith("HostStateChanged")]
WAVES_FORWARD = ["WaveAdvanced beyond", "WaveAdvanced up to"]
WAVES_OTHERWISE = ["WaveAdvanced level", "WaveAdvanced back"]
WAVES = WAVES_FORWARD + WAVES_OTHERWISE

STAYS = "nothing"
ROWS = [
    (["Opening"], ["HostJoined"], "Active"),
    (["Opening"], ["SuccessorOpened"], "Superseded"),
    (["Active"], ["HostJoined"], STAYS),
    (["Active", "Converging"], ["HostStateChanged to Reverted"], "Reverted"),
    (["Active", "Converging"], ["HostStateChanged to Failed"], "Failed"),
    (["Active", "Converging"], HARMLESS, STAYS),
    (["Active"], WAVES_FORWARD, "wave"),
    (["Active"], WAVES_OTHERWISE, "Converging"),
    (["Converging"], WAVES_FORWARD, "Active"),
    (["Converging"], [*WAVES_OTHERWISE, "HostJoined"], STAYS),
    (["Active", "Converging"], ["RolloutTerminal"], "Terminal"),
    (["Active", "Converging", "Terminal", "Failed", "Reverted"], ["SuccessorOpened"], "Superseded"),
    (["Terminal", "Failed", "Reverted", "Superseded"], ["RetentionExpired"], "Pruned"),
    (["Terminal"], ["RolloutTerminal", "HostJoined", *HOST_CHANGES], STAYS),
    (["Failed", "Reverted"], [*HOST_CHANGES, "HostJoined", *WAVES, "RolloutTerminal"], STAYS),
    (["Superseded"], [*HOST_CHANGES, "HostJoined", *WAVES, "RolloutTerminal", "SuccessorOpened"], STAYS),
    (["Failed", "Reverted"], ["OperatorClearance"], Unimplemented),
]
"""Page 2: states, events, and the state they lead to, `nothing`, `wave` (no move but for the wave), or an error."""

OUTCOMES = {(state, event): outcome for states, events, outcome in ROWS for state in states for event in events}


def test_no_row_contradicts_another():
    assert len(OUTCOMES) == sum(len(states) * len(events) for states, events, _ in ROWS)


@pytest.mark.parametrize("name", list(EVENTS))
@pytest.mark.parametrize("state", STATES)
def test_every_event_from_every_state(state, name):
    before, event = record(state), EVENTS[name]
    outcome = OUTCOMES.get((state, name), IllegalForState)
    if isinstance(outcome, type):
        with pytest.raises(StepError) as refusal:
            step(before, event)
        assert type(refusal.value) is outcome
    elif outcome == STAYS:
        assert step(before, event) == (before, ())
    else:
        after, effects = before, ()
        if outcome != "wave":
            after = replace(after, state=outcome)
            effects = (RecordRolloutTransition(ID, state, outcome, 50.0),)
        if outcome == "Terminal":
            after = replace(after, terminal_at=50.0)
        if outcome == "Superseded":
            after = replace(after, superseded_at=50.0)
        if name == "WaveAdvanced beyond":  # from wave 1 to wave 3; the transition comes first
            after = replace(after, current_wave=3)
            effects = (*effects, UpdateCurrentWave(ID, 3))
        assert step(before, event) == (after, effects)
    assert before == record(state)


def test_the_wave_of_a_host_that_joins_does_not_count():
    after, effects = step(record("Opening", current_wave=0), ev.HostJoined(ID, "web-1", 4, 11.0))
    assert (after.state, after.current_wave) == ("Active", 0)
    assert effects == (RecordRolloutTransition(ID, "Opening", "Active", 11.0),)


def test_a_wave_that_went_on_before_leaves_converging_all_the_same():
    # wave 3 is current; going on from 0 to 2 is forward, but behind it
    after, effects = step(record("Converging", current_wave=3), advanced(0, 2))
    assert (after.state, after.current_wave) == ("Active", 3)
    assert effects == (RecordRolloutTransition(ID, "Converging", "Active", 50.0),)


@pytest.mark.parametrize("stopped", ["Failed", "Reverted"])
def test_a_stopped_rollout_never_becomes_terminal(stopped):
    after, effects = step(record(stopped), EVENTS["RolloutTerminal"])
    assert (after.state, after.terminal_at, effects) == (stopped, None, ())


def test_a_terminal_rollout_that_is_superseded_keeps_its_date():
    terminal, _ = step(record("Active"), EVENTS["RolloutTerminal"])
    after, _ = step(terminal, ev.SuccessorOpened(ID, "stable@r3", 60.0))
    assert (after.terminal_at, after.superseded_at) == (50.0, 60.0)


waves = st.integers(0, 5)
any_event = (
    st.sampled_from([event for name, event in EVENTS.items() if not name.startswith("WaveAdvanced")])
    | st.sampled_from([EVENTS["HostJoined"], *(EVENTS[name] for name in HARMLESS)])  # so that histories go on
    | st.builds(ev.WaveAdvanced, st.just(ID), waves, waves, st.just(50.0))
)
LEADS_TO = {
    state: {
        outcome
        for (source, _), outcome in OUTCOMES.items()
        if source == state and outcome in STATES  # neither `nothing`, `wave` nor an error
    }
    for state in STATES
}


@given(st.lists(any_event, max_size=30))
@settings(UNTIMED, max_examples=500)
def test_any_history(history):
    now = record("Opening", current_wave=0)
    for event in history:
        untouched = deepcopy(now)
        try:
            after, effects = step(now, event)
        except StepError as error:
            assert type(error) in (IllegalForState, Unimplemented)
            continue
        finally:
            assert now == untouched
        assert now.state != "Pruned"
        expected = []
        if after.state != now.state:
            assert after.state in LEADS_TO[now.state]
            expected.append(RecordRolloutTransition(ID, now.state, after.state, 50.0))
        assert after.current_wave >= now.current_wave
        if after.current_wave > now.current_wave:
            assert type(event) is ev.WaveAdvanced
            assert after.current_wave == event.to_wave
            expected.append(UpdateCurrentWave(ID, event.to_wave))
        assert list(effects) == expected
        now = after
