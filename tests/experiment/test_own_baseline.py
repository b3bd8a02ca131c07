"""The project's own baseline, as `make regression` checks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.experiment import check
from sim.model.clock import PLAN
from sim.model.control_plane import ControlPlane

FILE = Path(__file__).parents[2] / "bench" / "baseline.json"
TOLERANCE = 0.01

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [None, 4711])
def test_nothing_is_worse(seed: int | None) -> None:
    found = check(FILE, tolerance=TOLERANCE, seed=seed, with_speed=False, workers=1)
    assert (found.ok, found.moved, found.gone) == (True, [], {})
    assert all(what == ["seed"] for what in found.changed.values())


def test_a_slower_plan_tick_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ControlPlane, "ticks", lambda self: self._every(60.0, PLAN, self._pass))
    found = check(FILE, tolerance=TOLERANCE, with_speed=False, workers=1)
    assert not found.ok
    assert {one.how for one in found.moved} == {"trajectory"}
    worse = {Path(one.scenario).stem for one in found.moved if one.way == "worse"}
    assert {"narrow", "deferred-kernel", "channel-chain"} <= worse
    assert {Path(drift.scenario).stem for drift in found.drifts} >= worse
    # and at the tolerance that a check has by itself
    assert not check(FILE, with_speed=False, workers=1).ok
