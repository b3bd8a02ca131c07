"""Real data in and out: the event log of a control plane (spec page 7).

`EventLog` reads one, `result_of` gives the rollout that happened as a `Result`, `replay` also holds it against the
reducers, `logged` simulates a scenario and writes its log.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sim.data.log import EventLog, LogError

if TYPE_CHECKING:
    from sim.data.export import logged
    from sim.data.real import Replayed, replay, result_of

__all__ = ["EventLog", "LogError", "Replayed", "logged", "replay", "result_of"]

# what simulates and builds tables takes long to import, and a log can be read without
_HOMES = {
    "logged": "sim.data.export",
    "Replayed": "sim.data.real",
    "replay": "sim.data.real",
    "result_of": "sim.data.real",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
