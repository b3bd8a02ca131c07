"""What one run left: summary, frames, saving and reading back.

Legal here: numpy, pandas, files (only in `files`). Not legal: simulating anything but through `sim.model.run`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.result.files import ResultError, check_target, read, save, written_by
    from sim.result.result import Result, outcome, run

__all__ = ["Result", "ResultError", "check_target", "outcome", "read", "run", "save", "written_by"]

_OF_RESULT = ("Result", "outcome", "run")


def __getattr__(name: str) -> Any:
    """Looked up on first use: keys and versions are asked for without a run, and the model takes long to load."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module("sim.result.result" if name in _OF_RESULT else "sim.result.files"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
