"""What one run left: summary, frames, saving and reading back.

Legal here: numpy, pandas, files (only in `files`). Not legal: simulating anything but through `sim.model.run`.
"""

from sim.result.files import ResultError, check_target, read, save, written_by
from sim.result.result import Result, outcome, run

__all__ = ["Result", "ResultError", "check_target", "outcome", "read", "run", "save", "written_by"]
