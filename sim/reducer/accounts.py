"""How long gates held hosts, worked out once at the end from what the indexed planner noted (spec page 9,
`gates`).

A host is blocked from a pass that blocks it to the next pass. A group's history says which part of it was
blocked from which pass on, and `gone` when each host left; the rest is bookkeeping. All times in seconds.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import msgspec
import numpy as np

from sim.reducer.gates import GATES, Block
from sim.reducer.tracked import STILL_HERE, Group, Tracked


class GateHold(msgspec.Struct, frozen=True):
    """What one gate did to one wave of a rollout: how many hosts it ever held, and for how long in all.

    `wave` is None for hosts in no wave of a channel that lists waves; `blocked_s` are host-seconds; `culprit`
    is the reason with most of them.
    """

    rollout_id: str
    wave: int | None
    gate: str
    hosts: int
    blocked_s: float
    culprit: str


class Ledger:
    """Sums for one wave of a rollout."""

    def __init__(self) -> None:
        self.hosts: dict[str, int] = {}
        self.seconds: dict[Block, float] = {}

    def held(self, gate: str, hosts: int) -> None:
        """So many more hosts were ever held by the gate."""
        if hosts:
            self.hosts[gate] = self.hosts.get(gate, 0) + hosts

    def add(self, block: Block, seconds: float) -> None:
        """So many more host-seconds."""
        self.seconds[block] = self.seconds.get(block, 0.0) + seconds


def settle_rollout(rollout: Tracked, times: Sequence[float], at: float) -> tuple[list[GateHold], dict[str, float]]:
    """What held the rollout's hosts up to `at`, and each host's own blocked seconds (only where there are
    any).

    Args:
        times: when each pass was.
    """
    ledgers: dict[int | None, Ledger] = {}
    blocked: dict[str, float] = {}
    for group in rollout.groups:
        if not group.history:
            continue
        ledger = ledgers.setdefault(group.wave, Ledger())
        whole = all(not segments or (len(segments) == 1 and segments[0][0] == 0) for _, segments in group.history)
        seconds = (_settle_whole if whole else _settle_parts)(group, times, at, ledger)
        for place, own in enumerate(seconds):
            if own:
                name = rollout.names[group.members[place]]
                blocked[name] = blocked.get(name, 0.0) + own
    for number, verdicts in rollout.verdicts.items():
        name = rollout.names[number]
        ledger = ledgers.setdefault(rollout.wave_of(number), Ledger())
        own = _settle_host(verdicts, times, at, ledger)
        if own:
            blocked[name] = blocked.get(name, 0.0) + own
    order = sorted(ledgers, key=lambda wave: (wave is None, wave or 0))
    return [hold for wave in order for hold in _holds(rollout.rollout_id, wave, ledgers[wave])], blocked


def _holds(rollout_id: str, wave: int | None, ledger: Ledger) -> list[GateHold]:
    holds = []
    for gate in GATES:
        if gate not in ledger.hosts:
            continue
        reasons = [(seconds, reason) for (held_by, reason), seconds in ledger.seconds.items() if held_by == gate]
        culprit = min(reasons, key=lambda pair: (-pair[0], pair[1]))[1]
        total = sum(seconds for seconds, _ in reasons)
        holds.append(GateHold(rollout_id, wave, gate, ledger.hosts[gate], total, culprit))
    return holds


def _settle_whole(group: Group, times: Sequence[float], at: float, ledger: Ledger) -> list[float]:
    """A group that was only ever blocked as a whole: sums over sorted leaving times."""
    gone = np.array(group.gone)
    clock = np.append(np.minimum(times, at), at)
    left = clock[np.minimum(gone, len(times))]
    order_of_passes = np.sort(gone)
    order = np.sort(left)
    sums = np.append(0.0, np.cumsum(order))
    size = len(order)
    starts, lengths, before, held = [], [], [], set()
    total = 0.0
    for index, (number, segments) in enumerate(group.history):
        start = times[number]
        if start > at:
            break
        end = min(times[group.history[index + 1][0]], at) if index + 1 < len(group.history) else at
        starts.append(start)
        before.append(total)
        lengths.append(end - start if segments else 0.0)
        total += lengths[-1]
        asked = size - int(np.searchsorted(order_of_passes, number, side="right"))
        if not segments or not asked:
            continue
        block = segments[0][1]
        first, behind = np.searchsorted(order, [start, end])
        ledger.add(
            block,
            float(sums[behind] - sums[first] - (behind - first) * start + (size - behind) * (end - start)),
        )
        if block[0] not in held:
            held.add(block[0])
            ledger.held(block[0], asked)
    if not starts:
        return []
    stretch = np.searchsorted(starts, left, side="right") - 1
    inside = np.minimum(left - np.array(starts)[stretch], np.array(lengths)[stretch])
    own = np.where(stretch < 0, 0.0, np.array(before)[stretch] + inside)
    seconds: list[float] = own.tolist()
    return seconds


class _Sums:
    """Sums over the places below one, under single additions (a Fenwick tree)."""

    def __init__(self, values: Sequence[float]):
        self.tree = [0.0, *values]
        for index in range(1, len(self.tree)):
            above = index + (index & -index)
            if above < len(self.tree):
                self.tree[above] += self.tree[index]

    def add(self, place: int, value: float) -> None:
        tree, index = self.tree, place + 1
        while index < len(tree):
            tree[index] += value
            index += index & -index

    def below(self, place: int) -> float:
        tree, total = self.tree, 0.0
        while place > 0:
            total += tree[place]
            place &= place - 1
        return total


def _settle_parts(group: Group, times: Sequence[float], at: float, ledger: Ledger) -> list[float]:
    """Any group: go through the stretches between changed verdicts, taking hosts out as they leave."""
    members, gone, history = group.members, group.gone, group.history
    size = len(members)
    seconds = [0.0] * size
    here = _Sums([1.0] * size)
    held: dict[str, tuple[int, int]] = {}
    done = _Sums([0.0] * size)
    leavers = [place for place in np.argsort(np.array(gone), kind="stable").tolist() if gone[place] != STILL_HERE]
    settled = 0
    while settled < len(leavers) and gone[leavers[settled]] <= history[0][0]:
        here.add(leavers[settled], -1.0)
        settled += 1
    for index, (number, segments) in enumerate(history):
        start = times[number]
        if start > at:
            break
        following = history[index + 1][0] if index + 1 < len(history) else STILL_HERE
        end = min(times[following], at) if following < len(times) else at
        edges = [bisect_left(members, first) for first, _ in segments] + [size]
        counts = [here.below(place) for place in edges]
        for part, (_, block) in enumerate(segments):
            if counts[part] == counts[part + 1]:
                continue
            ledger.add(block, (counts[part + 1] - counts[part]) * (end - start))
            _hold(ledger, held, block[0], edges[part], edges[part + 1], here)
        while settled < len(leavers) and gone[leavers[settled]] <= following:
            place = leavers[settled]
            leaves = min(times[gone[place]], at) if gone[place] < len(times) else at
            seconds[place] = done.below(place + 1)
            if place >= edges[0]:
                seconds[place] += leaves - start
                ledger.add(segments[bisect_right(edges, place) - 1][1], leaves - end)
            here.add(place, -1.0)
            settled += 1
        if edges[0] < size:
            done.add(edges[0], end - start)
    stayed = [place for place in range(size) if gone[place] == STILL_HERE]
    for place in leavers[settled:] + stayed:
        seconds[place] = done.below(place + 1)
    return seconds


def _hold(ledger: Ledger, held: dict[str, tuple[int, int]], gate: str, first: int, behind: int, here: _Sums) -> None:
    """Count the hosts that the gate holds for the first time. What a gate ever held of a group is one stretch
    of places: budgets block what is behind a place, gate 6 what is before one, the others everything."""
    if first >= behind:
        return
    if gate not in held:
        held[gate] = (first, behind)
        ledger.held(gate, round(here.below(behind) - here.below(first)))
        return
    low, high = held[gate]
    if first < low:
        ledger.held(gate, round(here.below(low) - here.below(first)))
    if behind > high:
        ledger.held(gate, round(here.below(behind) - here.below(high)))
    held[gate] = (min(first, low), max(behind, high))


def _settle_host(verdicts: list[tuple[int, Block | None]], times: Sequence[float], at: float, ledger: Ledger) -> float:
    """One host of a shuffled order."""
    own = 0.0
    held = set()
    for index, (number, block) in enumerate(verdicts):
        if times[number] > at:
            break
        if block is None:
            continue
        end = min(times[verdicts[index + 1][0]], at) if index + 1 < len(verdicts) else at
        own += end - times[number]
        ledger.add(block, end - times[number])
        held.add(block[0])
    for gate in held:
        ledger.held(gate, 1)
    return own
