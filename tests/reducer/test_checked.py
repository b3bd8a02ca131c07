"""A reducer of one's own in the same process: what it may answer, and what is said where it answers something else."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from sim.reducer import effects, events, payloads
from sim.reducer.checked import Checked
from sim.reducer.errors import IllegalForState, ReducerError, StepError
from sim.reducer.protocol import BUILT_IN, BuiltIn
from sim.reducer.records import HostRecord, RolloutRecord
from sim.reducer.vectors import expected_of

VECTORS = Path(__file__).parent.parent / "vectors"
HOST = HostRecord(rollout_id="c@r", hostname="h", channel="c", target_closure="t", dispatched_at=0.0)
ACK = events.RemoteDispatchAck(1, None, 5.0)
ACTIVATE = events.LocalActivate(1, "t", None, None, 5.0)
ROLLOUT = RolloutRecord(rollout_id="c@r", channel="c", target_ref="r", opened_at=0.0)
JOINED = events.HostJoined("c@r", "h", 0, 5.0)
AFTER, DONE = BUILT_IN.host_step(HOST, ACK, "halt")
BEGUN, FIRED = BUILT_IN.host_step(HOST, ACTIVATE, "halt")
ACTIVE, OPENED = BUILT_IN.rollout_step(ROLLOUT, JOINED)


def answering(host: object = None, rollout: object = None) -> Checked:
    """One that answers the same to whatever it is asked; what is an exception is raised."""

    def given(answer: object) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Checked(SimpleNamespace(host_step=lambda *_: given(host), rollout_step=lambda *_: given(rollout)))


@pytest.mark.parametrize("kind", ["host_step", "rollout_step"])
def test_the_projects_own_passes_on_all_vectors(kind: str) -> None:
    steps = SimpleNamespace(**{name: getattr(Checked(BUILT_IN), name) for name in ("host_step", "rollout_step")})
    with gzip.open(VECTORS / f"{kind}.jsonl.gz", "rt") as lines:
        for line in lines:
            case = json.loads(line)
            assert expected_of(case, steps) == case["expect"]


def test_a_list_of_effects_will_do() -> None:
    assert answering((AFTER, list(DONE))).host_step(HOST, ACK, "halt") == (AFTER, list(DONE))


def test_one_derived_from_the_projects_own() -> None:
    class Strict(BuiltIn):
        def host_step(self, record, event, on_health_failure):
            if isinstance(event, events.RemoteDispatchAck):
                raise IllegalForState("not today")
            return super().host_step(record, event, on_health_failure)

    mine = Checked(Strict())
    assert mine.rollout_step(ROLLOUT, JOINED) == (ACTIVE, OPENED)
    assert mine.host_step(HOST, ACTIVATE, "halt") == (BEGUN, FIRED)
    with pytest.raises(IllegalForState, match="not today"):
        mine.host_step(HOST, ACK, "halt")


@pytest.mark.parametrize("missing", ["host_step", "rollout_step"])
def test_one_without_a_method(missing: str) -> None:
    class Half:
        host_step = rollout_step = staticmethod(lambda *_: None)

    delattr(Half, missing)
    for half in (Half, Half()):
        with pytest.raises(ReducerError, match=f"of type Half, has no method {missing}"):
            Checked(half)


class Strange(StepError):
    pass


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "gave nothing"),
        (3, "gave a int"),
        (AFTER, "gave a HostRecord\nexpected a pair"),
        ((AFTER, DONE, 3), "gave a tuple"),
        ((ACTIVE, DONE), "gave a RolloutRecord for the record after it\nexpected a HostRecord"),
        (({"state": "Pending"}, DONE), "gave a dict for the record"),
        ((AFTER, None), "gave nothing for its effects"),
        ((AFTER, {1}), "gave a set for its effects"),
        ((AFTER, [*DONE, "RecordTransition"]), "gave a str for an effect\nexpected one of LocalFireSwitch, "),
        ((AFTER, OPENED), "gave a RecordRolloutTransition for an effect"),
        ((replace(AFTER, state="Asleep"), DONE), "gave a HostRecord that cannot be: Invalid enum value 'Asleep'"),
        ((replace(AFTER, soak_due_at="noon"), DONE), "Expected `float | null`, got `str`"),
        ((replace(AFTER, probes={"p": 3}), DONE), "gave a HostRecord that cannot be"),
        ((replace(AFTER, probes=object()), DONE), "gave a HostRecord that cannot be"),
        ((AFTER, [replace(DONE[0], payload=None), DONE[1]]), "gave a RemoteAppendEventLog that cannot be"),
        ((replace(AFTER, hostname="elsewhere"), DONE), "changed `hostname`"),
        ((replace(AFTER, rollout_id="c@s"), DONE), "changed `rollout_id`"),
        ((replace(AFTER, target_closure="u"), DONE), "changed `target_closure`"),
        ((AFTER, DONE[:1]), r"changed its state (Pending -> Activating) otherwise than its transitions say (none)"),
        ((HOST, DONE), r"changed its state (none) otherwise than its transitions say (Pending -> Activating)"),
        ((AFTER, [*DONE, DONE[1]]), "(Pending -> Activating, Pending -> Activating)"),
        ((AFTER, [DONE[0], replace(DONE[1], at=float("inf"))]), "gave a transition at no time"),
        ((AFTER, [DONE[0], replace(DONE[1], host="other")]), "gave a RecordTransition of another host"),
        ((AFTER, [DONE[0], replace(DONE[1], rollout_id="c@s")]), "gave a RecordTransition of another rollout"),
        ((AFTER, [*DONE, effects.LocalFireSwitch("c@r", "t")]), "LocalFireSwitch, which is for an agent to do"),
        (KeyError("h"), "raised KeyError: 'h'\nan event is refused with one of SeqRegression, IllegalForState, "),
        (Strange("odd"), "was refused with Strange\nexpected one of SeqRegression, "),
    ],
)
def test_an_answer_about_a_host_that_cannot_be(answer: object, said: str) -> None:
    with pytest.raises(ReducerError) as caught:
        answering(host=answer).host_step(HOST, ACK, "halt")
    text = "\n".join(caught.value.args)
    assert text.startswith("the reducer's step of h in state Pending on RemoteDispatchAck ")
    assert said in text


def test_an_agent_is_given_no_effect_of_the_control_plane() -> None:
    logged = effects.RemoteAppendEventLog("h", "c@r", payloads.DispatchAck(1, None, 5.0))
    with pytest.raises(ReducerError, match="RemoteAppendEventLog, which is for the control plane to do and not for an"):
        answering(host=(BEGUN, [*FIRED, logged])).host_step(HOST, ACTIVATE, "halt")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((AFTER, OPENED), "gave a HostRecord for the record"),
        ((ACTIVE, DONE), "gave a RemoteAppendEventLog for an effect"),
        ((replace(ACTIVE, channel="d"), OPENED), "changed `channel`"),
        ((replace(ACTIVE, current_wave=2), OPENED), "changed `current_wave`"),
        ((ACTIVE, [*OPENED, effects.UpdateCurrentWave("c@r", 1)]), "UpdateCurrentWave, which belongs to WaveAdvanced"),
        ((ACTIVE, [replace(OPENED[0], rollout_id="c@s")]), "of another rollout"),
        ((ACTIVE, ()), "otherwise than its transitions say"),
    ],
)
def test_an_answer_about_a_rollout_that_cannot_be(answer: object, said: str) -> None:
    with pytest.raises(ReducerError) as caught:
        answering(rollout=answer).rollout_step(ROLLOUT, JOINED)
    assert said in "\n".join(caught.value.args)
