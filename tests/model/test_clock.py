"""What waits outside of a crowded queue happens when, and in the order in which, it would have from within."""

from __future__ import annotations

import importlib.util
import json
import random
from math import inf
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.model import clock as clocks
from sim.model.clock import PROBE, TICK, WORK, Clock

_spec = importlib.util.spec_from_file_location("scenarios", Path(__file__).parent / "test_against_reference.py")
assert _spec is not None and _spec.loader is not None
scenarios = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(scenarios)

FRAMES = ("transitions", "hosts", "waves", "rollouts", "gates", "timeline", "load")
LATER = st.one_of(st.sampled_from([0.0, 0.25, 1.0, 2.0, inf]), st.integers(0, 40).map(lambda n: n / 8))
PLANNED = st.tuples(LATER, st.sampled_from([WORK, PROBE, TICK]), st.integers(0, 3), st.booleans())


def happened(planned, next_planned, crowded):
    """What happens in which order, and the count of events after each: some are planned at the start, one more as each
    of them happens; every event with a mark is taken back by the next that happens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clocks, "CROWDED", crowded)
        clock = Clock()
        to_come = list(next_planned)
        marked, order = [], []

        def plan(one):
            later, phase, host, taken_back = one
            due = clock.due(clock.now + later, phase, host, (happens,), (host, phase, len(order)))
            if taken_back:
                marked.append(due)

        def happens(due):
            order.append((clock.now, due.value, clock.events))
            while marked:
                marked.pop().cancel()
            if to_come:
                plan(to_come.pop())

        for one in planned:
            plan(one)
        clock.run(100.0, lambda: None)
        return order, clock.events


@given(st.lists(PLANNED, max_size=20), st.lists(PLANNED, max_size=20))
def test_events_keep_their_order_and_their_number(planned, next_planned):
    assert happened(planned, next_planned, 0) == happened(planned, next_planned, 10**9)


def test_the_order_is_that_of_time_phase_and_host():
    planned = [(2.5, TICK, 1, False), (2.5, WORK, 2, False), (0.5, TICK, 0, False), (2.5, WORK, 0, False)]
    planned += [(2.0, TICK, 3, False), (7.0, PROBE, 0, False), (inf, WORK, 0, False)]
    order, _ = happened(planned, [], 0)
    assert [(at, host, phase) for at, (host, phase, _), _ in order] == [
        (0.5, 0, TICK),
        (2.0, 3, TICK),
        (2.5, 0, WORK),
        (2.5, 2, WORK),
        (2.5, 1, TICK),
        (7.0, 0, PROBE),
    ]
    assert [count for *_, count in order] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("fidelity", ["events", "full"])
def test_a_crowded_queue_changes_no_run(tmp_path, monkeypatch, fidelity):
    for seed in range(8):
        made = scenarios.full_of_ties(random.Random(seed), scenarios.random_scenario(seed, tmp_path, 1.0))
        path = tmp_path / "made.yaml"
        path.write_text(json.dumps({**made, "fidelity": fidelity}))
        scenario = sim.load(path)
        monkeypatch.setattr(clocks, "CROWDED", 10**9)
        roomy = sim.run(scenario)
        monkeypatch.setattr(clocks, "CROWDED", 0)
        crowded = sim.run(scenario)
        assert crowded.summary | {"wall_s": 0} == roomy.summary | {"wall_s": 0}
        for frame in FRAMES:
            pd.testing.assert_frame_equal(getattr(crowded, frame), getattr(roomy, frame), check_exact=True)
