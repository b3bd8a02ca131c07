"""Which gates held which hosts, and for how long, from the `gate_decision` rows of a log."""

from __future__ import annotations

from collections import defaultdict

import msgspec

from sim.data.passes import Passes
from sim.reducer.accounts import GateHold
from sim.reducer.gates import GATES


class Hold(msgspec.Struct, gc=False):
    """A host that is held: by which gate, why, in which wave (-1: none), since when (s)."""

    gate: str
    reason: str
    wave: int
    since: float


class Holds:
    """The holds of one rollout. A host is held from the pass that says so to the next pass."""

    def __init__(self, passes: Passes | None):
        self._passes = passes
        self.now: dict[int, Hold] = {}
        """Host number -> what holds it."""
        self.seconds: dict[int, float] = {}
        """Host number -> how long it was held in all (s)."""
        self._hosts: dict[tuple[int, str], set[int]] = defaultdict(set)
        self._reasons: dict[tuple[int, str], dict[str, float]] = defaultdict(dict)

    def held(self, host: int, wave: int, gate: str, reason: str, at: float) -> None:
        """A pass at `at` (s) holds the host."""
        before = self.now.get(host)
        if before is not None:
            if (before.gate, before.reason) == (gate, reason):
                return
            self._end(host, before, at)
        self.now[host] = Hold(gate, reason, wave, at)
        self._hosts[wave, gate].add(host)

    def let_go(self, host: int, at: float) -> None:
        """A pass at `at` (s) no longer holds it."""
        hold = self.now.pop(host, None)
        if hold is not None:
            self._end(host, hold, at)

    def left(self, host: int, at: float, end: float) -> None:
        """It is no longer pending from `at` (s) on, which the next pass finds; none comes after `end` (s)."""
        if host in self.now:
            self.let_go(host, at if self._passes is None else min(self._passes.at_or_after(at)[0], end))

    def finish(self, at: float) -> None:
        """Nobody is held any more from `at` (s) on: the rollout is superseded, or the log ends."""
        for host in list(self.now):
            self.let_go(host, at)

    def holds(self, rollout_id: str) -> list[GateHold]:
        """By wave, those in none last, and gate in the order of asking; what no gate is called comes last."""
        order = {gate: place for place, gate in enumerate(GATES)}
        found = []
        for (wave, gate), hosts in sorted(
            self._hosts.items(), key=lambda one: (one[0][0] < 0, one[0][0], order.get(one[0][1], len(order)), one[0][1])
        ):
            reasons = self._reasons[wave, gate]
            culprit = min(reasons, key=lambda reason: (-reasons[reason], reason), default="")
            total = sum(reasons.values())
            found.append(GateHold(rollout_id, None if wave < 0 else wave, gate, len(hosts), total, culprit))
        return found

    def _end(self, host: int, hold: Hold, at: float) -> None:
        lasted = at - hold.since
        self.seconds[host] = self.seconds.get(host, 0.0) + lasted
        reasons = self._reasons[hold.wave, hold.gate]
        reasons[hold.reason] = reasons.get(hold.reason, 0.0) + lasted
