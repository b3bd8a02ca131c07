"""When the control plane's plan passes are, where that is known: at every manifest poll and plan tick (spec page 4)."""

from __future__ import annotations

from math import ceil

Pass = tuple[float, int]
"""When (s), and which of the two it is: of a poll and a tick at one time the poll comes first."""
POLL, TICK = 0, 1


class Passes:
    """The passes at k · `poll` and k · `tick` (s)."""

    def __init__(self, poll: float, tick: float):
        self._periods = ((poll, POLL), (tick, TICK))

    def at_or_after(self, at: float) -> Pass:
        """The first pass that sees what happened at time `at` (s)."""
        return min((ceil(at / period) * period, kind) for period, kind in self._periods)

    def after(self, one: Pass) -> Pass:
        """The pass after this one."""
        at, _ = one
        later = ((ceil(at / period) * period, other) for period, other in self._periods)
        return min(
            found if found > one else (found[0] + period, found[1])
            for found, (period, _) in zip(later, self._periods, strict=True)
        )
