"""The bottleneck: one answer for `describe` and the report, and what counts where two things are equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sim
from sim.reducer.gates import GATES
from sim.report.answers import answers
from sim.result.bottleneck import bottleneck, held_by, most_time
from sim.result.critical import Link
from sim.result.keys import PARTS

SCENARIOS = Path(__file__).parents[2] / "scenarios"


@pytest.mark.parametrize("name", ["quickstart", "kernel-and-fault", "deferred-kernel", "bad-release", "superseded"])
def test_describe_and_the_report_name_the_same(name: str) -> None:
    result = sim.run(sim.load(SCENARIOS / f"{name}.yaml"))
    [duration, *_] = answers(result)
    said = [words for words in duration.sentences if "bottleneck" in words]
    assert said
    assert all(words in result.describe() for words in said)


def links(*stretches: tuple[float, float, str, str]) -> list[Link]:
    return [Link(since, until, "c@r1", host, what) for since, until, host, what in stretches]


class Hosts:
    """As much of a result as the bottleneck needs: hosts a and b are in wave 0, c is in wave 1, d in none."""

    hosts = pd.DataFrame({"rollout_id": "c@r1", "host": ["a", "b", "c", "d"], "wave": [0.0, 0.0, 1.0, float("nan")]})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        # wave 0: 40 + 30, of which a's and b's activations are 60
        (
            links(
                (0, 40, "a", "activation"),
                (40, 50, "b", "soak clock"),
                (50, 70, "b", "activation"),
                (70, 130, "c", "x"),
            ),
            ("c@r1", 0, 70, 130, "activation", 60, "a"),
        ),
        # alike: 50 s each, so the one that comes first
        (links((0, 50, "c", "reboot"), (50, 100, "a", "reboot")), ("c@r1", 1, 50, 100, "reboot", 50, "c")),
        (links((0, 5, "d", "network")), ("c@r1", None, 5, 5, "network", 5, "d")),
    ],
)
def test_the_wave_that_most_of_the_path_runs_through(path: list[Link], expected: tuple[Any, ...]) -> None:
    assert bottleneck(Hosts(), path) == expected  # type: ignore[arg-type]


def test_nothing_on_the_path() -> None:
    assert bottleneck(Hosts(), []) is None  # type: ignore[arg-type]


def of_parts(*waves: dict[str, float]) -> dict[str, Any]:
    return {"waves": [{"parts": dict.fromkeys(PARTS, 0.0) | parts} for parts in waves]}


@pytest.mark.parametrize(
    ("waves", "expected"),
    [
        ([{"network_s": 30.0}, {"network_s": 10.0, "gates_s": 40.0}], ("gates_s", 0.5)),
        ([{"soaking_clock_s": 3.0, "deferred_s": 3.0, "activating_s": 2.0}], ("deferred_s", 3 / 8)),
        ([{"network_s": 1.0}], ("network_s", 1.0)),
        ([{}], None),
        ([], None),
    ],
)
def test_of_parts_alike_the_one_that_a_host_meets_first(waves: list[dict[str, float]], expected: Any) -> None:
    assert most_time(of_parts(*waves)) == expected


def test_of_gates_alike_the_one_that_is_asked_first() -> None:
    held = [(gate, 10.0) for gate in reversed(GATES)] + [("host-edge", 5.0), ("quarantine", -10.0)]
    frame = pd.DataFrame({"rollout_id": "c@r1", "gate": [g for g, _ in held], "blocked_s": [s for _, s in held]})
    assert list(held_by(frame, "c@r1")) == ["host-edge", *(gate for gate in GATES[1:] if gate != "host-edge")]
    assert held_by(frame, "c@r2") == {}
