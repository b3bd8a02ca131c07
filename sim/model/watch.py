"""What `relevant` has planned for one host: the schedule of its probe runs, its next tick, its session."""

from __future__ import annotations

from math import inf

from sim.model.clock import Due
from sim.model.probes import ProbeRuns
from sim.model.rollouts import Rollout
from sim.model.under_way import Skipped


class Watch:
    """What is scheduled for one host: the tickers' schedule, the next tick that can fire, the session.

    `rollout` is the record whose runs the schedule tells: the one that has the tickers (`ticking`), or the only one
    that soaks and will get them at `first_reset`. `base` is the last reset (s). `upto`: heartbeats sent at or before
    that time (s) are real or have had their effect. `runs` are that record's probes, `steady` if none of them can ever
    fail, `shortest` the least of their intervals (s).
    """

    __slots__ = (
        "base",
        "first_reset",
        "online",
        "probe_due",
        "rollout",
        "runs",
        "sent",
        "session",
        "shortest",
        "steady",
        "stored",
        "tick_at",
        "tick_due",
        "tick_due_at",
        "ticking",
        "upto",
    )

    def __init__(self) -> None:
        self.rollout: Rollout | None = None
        self.runs: list[ProbeRuns] = []
        self.steady = True
        self.shortest = inf
        self.ticking = False
        self.base = 0.0
        self.first_reset: float | None = None
        self.online = True
        self.upto = -1.0
        self.session: Due | None = None
        self.probe_due: Due | None = None
        self.tick_at = inf
        """When a record will cross or converge if no run changes anything before (s): no later run is looked for."""
        self.tick_due: Due | None = None
        self.tick_due_at = inf
        """The next tick that is planned (s), which may come before the one that matters."""
        self.stored: list[Skipped] | None = None
        """Reports that wait on the host's disk: they arrive when it is back."""
        self.sent: list[Skipped] | None = None
        """Reports that may be on their way to the control plane, while something may yet take its record ahead of
        them."""

    def follow(self, rollout: Rollout, runs: list[ProbeRuns], base: float, ticking: bool) -> None:
        """Tell the runs of this record from `base` (s) on."""
        self.rollout, self.runs, self.base, self.ticking = rollout, runs, base, ticking
        self.first_reset = None
        self.steady, self.shortest = True, inf
        for one in runs:
            self.steady = self.steady and one.steady
            if one.interval < self.shortest:
                self.shortest = one.interval

    def passes(self, now: float) -> bool:
        """Whether no probe's next run fails if it falls on now (s)."""
        if not self.steady:
            for one in self.runs:
                if one.outcome(one.n + 1, now):
                    return False
        return True
