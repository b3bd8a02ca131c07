"""The artifacts beside the project roll out, or stall for the reason that their lints gave beforehand.

They are skipped where a clone stands alone; what they have in them is in the project's own fleets and tests, too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import sim
from sim.scenario.lints import lint_file

FLEETS = sorted((Path(__file__).parents[3] / "shared" / "fleets").glob("*.json"))
EACH = pytest.mark.parametrize("path", FLEETS, ids=lambda path: path.name.partition(".")[0])

pytestmark = pytest.mark.skipif(not FLEETS, reason="there are no artifacts beside the project")


@EACH
def test_it_rolls_out_or_stalls_as_its_lints_say(path: Path, tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(f"fleet: {{resolved: {path}}}\nuntil: 30d\n")
    _, lints = lint_file(path)
    assert [lint for lint in lints if lint.severity == "error"] == []
    summary = sim.run(sim.load(scenario)).summary
    assert summary["end"] == "quiescent"
    held = set()
    for rollout in summary["rollouts"]:
        if rollout["terminal_at_s"] is None:
            assert rollout["stalled"] is not None
            assert {one["gate"] for one in rollout["stalled"]["waiting_for"]} == {"wave-promotion-host-unstaged"}
            held.add(rollout["channel"])
    told = {lint.place.removeprefix("waves.") for lint in lints if "in none of the waves" in lint.text}
    assert held == told
