"""Real data in and out: the event log of a control plane (spec page 7)."""

from sim.data.log import EventLog, LogError

__all__ = ["EventLog", "LogError"]
