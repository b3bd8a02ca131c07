"""The vectors of the reference implementation (spec page 8), all of them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

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
