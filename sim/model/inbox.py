"""Reports on whose arrival nothing waits: the control plane finds them when it next does something.

A report whose host is always online, is part of one rollout and in no session moves one record, which only a plan pass,
a heartbeat or the end of the run looks at. So it needs no event of its own: it lies here, and is read in the order of
its arrival before the control plane does anything else. Once something may wait for a host's reports
(`Host.awaited`), those still under way become events.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.model.host import Host
    from sim.model.rollouts import Rollout
    from sim.reducer.payloads import Report

A_REPORT, A_HEARTBEAT = 0, 1
"""Kinds of mail to the control plane: at one instant a host's reports are read before its heartbeat."""

Letter = tuple[float, int, int, "Host", "Rollout", "Report"]
"""A report and its arrival (s), its host's number and its own `seq`, by which letters sort: at one instant by host, and
of one host as they were sent."""


class Inbox:
    """`letters` that are under way or have arrived, and have not been read; whoever sends one appends it."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    def __len__(self) -> int:
        return len(self.letters)

    def take(self, *limit: float) -> list[Letter]:
        """Take out, in order, what comes before a time (s), or before the hosts from a number on at that time."""
        letters = self.letters
        letters.sort()
        behind = bisect_left(letters, limit)
        taken = letters[:behind]
        del letters[:behind]
        return taken
