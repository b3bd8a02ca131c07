"""The vectors of the reference implementation (spec page 8), all of them."""

from __future__ import annotations

import gzip
import json
from copy import deepcopy
from pathlib import Path
from random import Random

import pytest

from sim.reducer.errors import VectorError
from sim.reducer.vectors import expected_of

VECTORS = Path(__file__).parent.parent / "vectors"
COUNTS = {"host_step": 1362, "rollout_step": 716, "plan": 150, "project_manifest": 120}


def cases(kind):
    with gzip.open(VECTORS / f"{kind}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("kind", sorted(COUNTS))
def test_every_case_of_the_kind(kind):
    given = cases(kind)
    assert len(given) == COUNTS[kind]
    for number, case in enumerate(given):
        expect = case.pop("expect")
        assert expected_of(case) == expect, f"{kind} {number}"


@pytest.mark.parametrize("kind", sorted(COUNTS))
def test_the_answer_can_be_written_as_json(kind):
    answer = expected_of(cases(kind)[0])
    assert json.loads(json.dumps(answer)) == answer


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ({}, "unknown kind"),
        ([], "object"),
        ({"kind": ["plan"]}, "unknown kind"),
        ({"kind": "\ud800"}, r"unknown kind '\\ud800'"),
        ({"kind": "host_step"}, "`state` is missing"),
        ({"kind": "host_step", "state": 3}, "`state`"),
        ({"kind": "plan", "fleet_state": {"hosts": [], "rollouts": []}, "now": "soon"}, "`now`"),
        ({"kind": "plan", "fleet_state": {"hosts": [], "rollouts": []}, "now": 1, "fleet": 1}, "`fleet`"),
        ({"kind": "project_manifest", "channel": "c"}, "`ci_commit`"),
        ({"kind": "project_manifest", "channel": "c", "ci_commit": None}, "`fleet` is missing"),
    ],
)
def test_a_malformed_case_is_explained(case, said):
    with pytest.raises(VectorError, match=said):
        expected_of(case)


def test_an_event_of_no_known_type_is_explained():
    case = dict(cases("host_step")[0], event={"type": "RemoteTeatime", "seq": 1})
    with pytest.raises(VectorError, match="RemoteTeatime"):
        expected_of(case)


def test_an_unknown_channel_is_explained():
    case = dict(cases("project_manifest")[0], channel="nowhere")
    with pytest.raises(VectorError, match="unknown channel 'nowhere'"):
        expected_of(case)


def test_a_wave_below_the_first_is_refused():
    case = next(case for case in cases("plan") if case["fleet_state"]["rollouts"])
    case["fleet_state"]["rollouts"][0]["current_wave"] = -1
    with pytest.raises(VectorError, match="current_wave"):
        expected_of(case)


def nested(depth):
    selector = {"all": True}
    for _ in range(depth):
        selector = {"not": selector}
    return selector


@pytest.mark.parametrize("kind", sorted(COUNTS))
def test_a_case_that_is_nested_too_deep_is_explained(kind):
    case = cases(kind)[0]
    for key in set(case) - {"expect", "now"}:  # which are not looked at
        with pytest.raises(VectorError):
            expected_of({**case, key: nested(100_000)})


@pytest.mark.parametrize("depth", [100, 300, 900, 1000, 5000, 100_000])
def test_a_selector_that_is_nested_too_deep_is_answered_or_explained(depth):
    case = next(case for case in cases("plan") if any(one["budgets"] for one in case["fleet_state"]["rollouts"]))
    for rollout in case["fleet_state"]["rollouts"]:
        for budget in rollout["budgets"]:
            budget["selector"] = nested(depth)
    try:
        answer = expected_of(case)
    except VectorError as error:
        assert depth > 100 and "deep" in str(error)
    else:
        json.dumps(answer)


ODD = [
    *[None, True, 0, -1, -7, 2**70, -(2**70), 10**400, 1.5, float("nan"), float("inf"), "", "x", "\ud800", "a\nb"],
    *[[], [[]], [None], {}, {"": None}, {"\ud800": 1}, {"not": {"all": True}}, "h00", "stable", "Pending", "Converged"],
]


def places(value, path=()):
    yield path
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(part, (*path, key))


def go_wrong(luck, case):
    """Put something odd, nothing, or what stands elsewhere in one to three places of a case."""
    for _ in range(luck.choice([1, 1, 1, 2, 3])):
        paths = list(places(case))[1:]
        path = luck.choice(paths)
        inside = case
        for key in path[:-1]:
            inside = inside[key]
        match luck.randrange(5):
            case 0:
                del inside[path[-1]]
            case 1:
                other = case
                for key in luck.choice(paths):
                    other = other[key]
                inside[path[-1]] = deepcopy(other)
            case 2 if isinstance(inside, dict):
                inside[luck.choice(["", "\ud800", "not", "and", "hosts", "type", "seq"])] = deepcopy(luck.choice(ODD))
            case _:
                inside[path[-1]] = deepcopy(luck.choice(ODD))


@pytest.mark.parametrize("kind", sorted(COUNTS))
def test_a_case_gone_wrong_is_answered_or_explained(kind):
    luck = Random(kind)
    given = cases(kind)
    for _ in range(1500):
        case = deepcopy(luck.choice(given))
        del case["expect"]
        go_wrong(luck, case)
        try:
            answer = expected_of(case)
        except VectorError as error:
            str(error).encode()  # it can be printed
        else:
            json.dumps(answer)
