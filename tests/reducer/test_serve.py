"""`python -m sim.reducer.serve`: the vectors through it, and whatever else may come on its standard input."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.reducer.serve import BadLine, serve

VECTORS = Path(__file__).parent.parent / "vectors"
KINDS = ("host_step", "rollout_step", "plan", "project_manifest")
HELLO = b'{"hello":"nixfleet-reducer","version":1}\n'


def cases(kind: str, most: int) -> list[dict]:
    with gzip.open(VECTORS / f"{kind}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line, _ in zip(lines, range(most), strict=False)]


def served(*lines: bytes) -> list[dict]:
    """What it answers to a greeting and these lines, without its own greeting."""
    out: list[bytes] = []
    serve([HELLO, *lines], out.append)
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in out)
    greeting, *answers = [json.loads(line) for line in out]
    assert {key: greeting[key] for key in ("hello", "version")} == json.loads(HELLO)
    assert greeting["name"].startswith("nixfleet-sim ")
    return answers


def test_the_vectors_in_batches() -> None:
    given = [case for kind in KINDS for case in cases(kind, 100)]
    batches = [given[first : first + 37] for first in range(0, len(given), 37)]
    lines = [
        json.dumps({"id": 7 * number, "cases": [{k: v for k, v in case.items() if k != "expect"} for case in batch]})
        for number, batch in enumerate(batches)
    ]
    answers = served(*(line.encode() + b"\n" for line in lines))
    assert [answer["id"] for answer in answers] == [7 * number for number in range(len(batches))]
    for batch, answer in zip(batches, answers, strict=True):
        assert answer["results"] == [case["expect"] for case in batch]


def test_an_empty_batch() -> None:
    assert served(b'{"id":3,"cases":[]}') == [{"id": 3, "results": []}]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "line 2: expected {"),
        (b"{", "line 2: expected {"),
        (b"[]", "line 2: expected {"),
        (b"\xff", "line 2: expected {"),
        (b'{"id":1}', "`cases`"),
        (b'{"id":"1","cases":[]}', r"\$.id"),
        (b"[" * 100_000, "line 2: "),
        (b'{"id":1,"cases":[3]}', "batch 1, case 1: a case is an object"),
        (b'{"id":1,"cases":[{"kind":"tea"}]}', "batch 1, case 1: unknown kind 'tea'"),
        (b'{"id":1,"cases":[{"kind":"host_step"}]}', "batch 1, case 1: host_step: `state` is missing"),
        (b'{"id":1,"cases":[{"kind":"plan","now":1e999}]}', "case 1"),
    ],
)
def test_a_line_that_is_none(line: bytes, said: str) -> None:
    with pytest.raises(BadLine, match=said):
        served(line)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"hello":"nixfleet-reducer","version":2}', "line 1: version 2 .* speaks version 1"),
        (b'{"hello":"good morning","version":1}', "line 1: expected .* got another hello"),
        (b'{"id":1,"cases":[]}', "line 1: expected"),
    ],
)
def test_a_greeting_that_is_none(line: bytes, said: str) -> None:
    with pytest.raises(BadLine, match=said):
        serve([line], lambda _: pytest.fail("nothing is written"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.sampled_from(["kind", "state", "x"]), part, max_size=3)
    ),
    max_leaves=8,
)
SAMPLE = [case for kind in KINDS for case in cases(kind, 5)]


@st.composite
def spoilt(draw: st.DrawFn) -> dict:
    """A case with one of its parts, at any depth, replaced or left out."""
    case = json.loads(json.dumps(draw(st.sampled_from(SAMPLE))))
    inside = case
    while True:
        key = draw(st.sampled_from(sorted(inside) if isinstance(inside, dict) else range(len(inside))))
        if not isinstance(inside[key], dict | list) or not inside[key] or draw(st.booleans()):
            break
        inside = inside[key]
    if draw(st.booleans()):
        inside[key] = draw(JSON)
    else:
        del inside[key]
    return case


LINES = (
    st.binary(max_size=40)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.builds(
        lambda number, some: json.dumps({"id": number, "cases": some}).encode(),
        st.integers(),
        st.lists(spoilt() | JSON, max_size=3),
    )
)


@given(LINES)
def test_whatever_line_comes_is_answered_or_explained(line: bytes) -> None:
    try:
        answers = served(line)
    except BadLine as error:
        assert str(error).startswith("line 2: ")
    else:
        [answer] = answers
        assert len(answer["results"]) == len(json.loads(line)["cases"])


@given(LINES)
def test_whatever_greeting_comes_is_answered_or_explained(line: bytes) -> None:
    with pytest.raises(BadLine, match="line 1: "):
        serve([line], lambda _: pytest.fail("nothing is written"))


def program(given: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "sim.reducer.serve"], input=given, capture_output=True, check=False)


def test_as_a_program() -> None:
    case = cases("host_step", 1)[0]
    expect = case.pop("expect")
    done = program(HELLO + json.dumps({"id": 1, "cases": [case]}).encode() + b"\n")
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout.splitlines()[1]) == {"id": 1, "results": [expect]}


def test_as_a_program_with_a_bad_line() -> None:
    done = program(HELLO + b'{"id":1,"cases":[{"kind":"\\u001b[31m"}]}\n')
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        (
            "sim.reducer.serve: line 2: batch 1, case 1: unknown kind '\\x1b[31m'; "
            "known are host_step, rollout_step, plan, project_manifest"
        )
    ]
    assert len(done.stdout.splitlines()) == 1


def test_it_loads_nothing_that_is_slow_to_load() -> None:
    code = "import sys, sim.reducer.serve; print(*sorted(set(sys.modules) & {'numpy', 'pandas', 'simpy', 'pydantic'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
