"""Real data in and out: the event log of a control plane (spec page 7).

`EventLog` reads one, `result_of` gives the rollout that happened as a `Result`, `replay` also holds it against the
reducers, `logged` simulates a scenario and writes its log. `observe` takes the rows of a log, and `calibrate` what it
saw of them: how the hosts behave, in the terms of a scenario, which `scenario_files` writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.data.log import EventLog, LogError
from sim.late import late

if TYPE_CHECKING:
    from sim.data.calibrated import scenario_files
    from sim.data.calibrating import calibrate, observe
    from sim.data.export import logged
    from sim.data.real import Replayed, replay, result_of

__all__ = [
    "EventLog",
    "LogError",
    "Replayed",
    "calibrate",
    "logged",
    "observe",
    "replay",
    "result_of",
    "scenario_files",
]

# a log can be read without what simulates and builds tables
__getattr__, __dir__ = late(
    __name__,
    {
        "calibrate": "sim.data.calibrating",
        "observe": "sim.data.calibrating",
        "logged": "sim.data.export",
        "Replayed": "sim.data.real",
        "replay": "sim.data.real",
        "result_of": "sim.data.real",
        "scenario_files": "sim.data.calibrated",
    },
)
