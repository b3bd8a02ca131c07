"""What one run left: summary, frames, saving and reading back.

Legal here: numpy, pandas, files (only in `files`). Not legal: simulating anything but through `sim.model.run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.late import late

if TYPE_CHECKING:
    from sim.result.files import ResultError, check_target, read, save, written_by
    from sim.result.result import Result, outcome, run

__all__ = ["Result", "ResultError", "check_target", "outcome", "read", "run", "save", "written_by"]

# keys and versions are asked for without a run, and the model takes long to load
__getattr__, __dir__ = late(
    __name__,
    {
        "Result": "sim.result.result",
        "outcome": "sim.result.result",
        "run": "sim.result.result",
        "ResultError": "sim.result.files",
        "check_target": "sim.result.files",
        "read": "sim.result.files",
        "save": "sim.result.files",
        "written_by": "sim.result.files",
    },
)
