"""The indexed planner: the plain one's answers, from running counts that are touched only where something
changed.

The control plane tells it what happens (`facts`) and asks it for a pass. A pass in which nothing has changed
since the last is that pass again. In any other, gates 1 to 4 are asked again of the groups they may now judge
otherwise, and gates 5 and 6 of the groups they let by, walking their hosts by name until a budget is used up:
within a pass the counts only grow, so that whoever comes later is blocked as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heapreplace

import msgspec

from sim.reducer.accounts import GateHold, settle_rollout
from sim.reducer.actions import DeferDispatch, OpenRollout, QueueDispatch
from sim.reducer.artifact import FleetArtifact
from sim.reducer.facts import Facts
from sim.reducer.gates import Block, PlannerRules
from sim.reducer.tracked import Group, Profile, Segments, Tracked, block_of

__all__ = ["GateHold", "Pass", "PlanIndex", "PlannerRules"]

Shuffle = Callable[[int, list[str]], Sequence[str]]
OnGateChange = Callable[[float, str, str, str | None, str], None]
Heard = dict[tuple[str, int], Block | None]
"""What has come to hold a host in this pass, by rollout id and the host's number."""


class Pass(msgspec.Struct, frozen=True):
    """What a plan pass came to. `actions` are in the order of page 3, without the deferrals and the parked
    hosts; `asked` hosts were asked, of which `blocked` were deferred and `requeued_parked` queued again while
    parked."""

    advanced: dict[str, int]
    actions: list[OpenRollout | QueueDispatch]
    requeued_parked: int
    blocked: int
    asked: int


class PlanIndex(Facts):
    """The planner of the control plane (spec page 3).

    Args:
        fleet: the artifact.
        rules: the switches of page 3.
        shuffle: the order in which to ask the hosts of one rollout, from the number of the pass and their
            names in order; by name if None. With it a pass costs as much as there are pending hosts.
        on_gate_change: called with (now, rollout id, host, gate or None, reason) when a pass finds a host
            held by another gate or for another reason than the pass before, or no longer held (reason "").
    """

    def __init__(
        self,
        fleet: FleetArtifact,
        rules: PlannerRules = PlannerRules(),  # noqa: B008 - frozen
        shuffle: Shuffle | None = None,
        on_gate_change: OnGateChange | None = None,
    ):
        super().__init__(fleet, rules, by_group=shuffle is None, keep_leavers=on_gate_change is not None)
        self._shuffle = shuffle
        self._on_gate_change = on_gate_change
        self._calls = 0
        self._last = Pass({}, [], 0, 0, 0)
        self._asked: list[Tracked] = []
        self._deferred: list[DeferDispatch] = []
        self._blocked: dict[str, dict[str, float]] = {}

    def plan(self, now: float) -> Pass:
        """Promote waves, then ask the gates of every pending host in view (spec page 3). `now` in seconds."""
        self._calls += 1
        if not self._changed and self._shuffle is None:
            self._until[-1] = now
            return self._last
        number = len(self._times)
        self._times.append(now)
        self._until.append(now)
        self._changed = False
        self._queued = [0] * len(self._summaries)
        self._deferred = []
        heard: Heard = {}
        for rollout in self._dropped:
            if not rollout.active:
                self._drop(rollout, number, heard)
        self._dropped = []
        self._asked = [rollout for rollout in self._view if not rollout.terminal]
        advanced = self._advance()
        actions: list[OpenRollout | QueueDispatch] = []
        for channel in sorted(self._manifests):
            manifest = self._manifests[channel]
            if manifest.rollout_id not in self._rollouts:
                actions.append(OpenRollout(manifest.rollout_id, channel, manifest.channel_ref))
        opening = len(actions)
        parked = 0
        for rollout in self._asked:
            self._refresh(rollout, number, heard)
            walk = self._walk if self._shuffle is None else self._walk_shuffled
            listed, requeued = walk(rollout, number, heard)
            parked += requeued
            names, soak_due, targets, stamp = rollout.names, rollout.soak_due, rollout.targets, rollout.stamp
            for host in listed:
                stamp[host] = number
                due = soak_due[host]
                if due is None:
                    due = now
                    self._changed = True  # the next pass will say another time
                actions.append(QueueDispatch(names[host], rollout.rollout_id, targets[host], due))
        asked = sum(rollout.pending for rollout in self._asked)
        queued = len(actions) - opening + parked
        self._last = Pass({}, actions, parked, asked - queued, asked)
        if self._on_gate_change is not None:
            self._tell(now, heard)
        return msgspec.structs.replace(self._last, advanced=advanced) if advanced else self._last

    def _advance(self) -> dict[str, int]:
        advanced = {}
        for rollout in self._asked:
            wave = rollout.wave
            if wave + 1 >= len(rollout.wave_size) or not rollout.wave_size[wave]:
                continue
            if rollout.wave_eligible[wave] == rollout.wave_size[wave]:
                advanced[rollout.rollout_id] = rollout.wave = wave + 1
                rollout.dirty.update(dict.fromkeys(rollout.groups))
                self._changed = True  # the wave after may be over as well
        return advanced

    def _refresh(self, rollout: Tracked, number: int, heard: Heard) -> None:
        """Ask gates 1 to 4 again where they may judge otherwise."""
        predecessor = self._predecessor(rollout.channel)
        if predecessor != rollout.predecessor:
            rollout.predecessor = predecessor
            rollout.dirty.update(dict.fromkeys(rollout.groups))
        self._hear_leavers(rollout, heard)
        for group in rollout.dirty:
            block = group.static = self._static(rollout, group)
            if block is None:
                rollout.open[group] = None
            else:
                rollout.open.pop(group, None)
                group.passed = 0
                self._decide(rollout, group, number, ((0, block),), heard)
        rollout.dirty = {}

    def _walk(self, rollout: Tracked, number: int, heard: Heard) -> tuple[list[int], int]:
        """The hosts the pass lists, and how many parked ones it queues again, by gates 5 and 6."""
        listed: list[int] = []
        parked = 0
        free: list[tuple[int, int, int]] = []
        groups: list[Group] = []
        parts: list[list[tuple[int, Block]]] = []
        for group in list(rollout.open):
            if not group.count:
                del rollout.open[group]
                group.passed = 0
                continue
            block = self._ask_counts(rollout, group.profile, group.wave, self._queued)
            group.passed = 0
            if not group.limited:
                if block is None:
                    listed.extend(group.pending() if group.listed is None else group.listed)
                    parked += group.parked
                    group.free_at = number
                    group.passed = group.count
                self._decide(rollout, group, number, () if block is None else ((0, block),), heard)
                continue
            if block is None:
                place = group.next(0)
                free.append((group.members[place], len(groups), place))
            groups.append(group)
            parts.append([] if block is None else [(0, block)])
        heapify(free)
        while free:
            host, index, place = free[0]
            if parts[index]:
                heappop(free)
                continue
            group = groups[index]
            group.passed += 1
            if rollout.parked[host]:
                parked += 1
                rollout.stamp[host] = number
            else:
                listed.append(host)
            if self._count(group.profile):
                for other, segments in zip(groups, parts, strict=True):
                    block = self._ask_counts(rollout, other.profile, other.wave, self._queued)
                    if block is not None and (not segments or segments[-1][1] != block):
                        segments.append((host + 1, block))
            place = group.next(place + 1)
            if place < len(group.members):
                heapreplace(free, (group.members[place], index, place))
            else:
                heappop(free)
        for group, segments in zip(groups, parts, strict=True):
            self._decide(rollout, group, number, tuple(segments), heard)
        listed.sort()
        return listed, parked

    def _count(self, profile: Profile) -> bool:
        """Add a dispatch to the pass's counts; whether a budget may be used up by it."""
        used_up = False
        for selector, times in profile.adds:
            self._queued[selector] += times
            used_up = used_up or self._in_flight[selector] + self._queued[selector] >= self._least[selector]
        return used_up

    def _walk_shuffled(self, rollout: Tracked, number: int, heard: Heard) -> tuple[list[int], int]:
        """The same in the order the caller gives: every pending host is asked by itself."""
        assert self._shuffle is not None
        pending = sorted(host for group in rollout.groups for host in group.pending())
        listed = []
        parked = 0
        verdicts: dict[int, Block | None] = dict.fromkeys(rollout.verdicts)
        for name in self._shuffle(self._calls - 1, [rollout.names[host] for host in pending]):
            host = rollout.number[name]
            group = rollout.group[host]
            assert group is not None
            block = group.static or self._ask_counts(rollout, group.profile, group.wave, self._queued)
            if block is not None:
                verdicts[host] = block
                self._deferred.append(DeferDispatch(name, rollout.rollout_id, *block))
                continue
            self._count(group.profile)
            if rollout.parked[host]:
                parked += 1
                rollout.stamp[host] = number
            else:
                listed.append(host)
        for host, block in verdicts.items():
            self._note(rollout, host, number, block, heard)
        return listed, parked

    # -- what is noted for the accounts

    def _note(self, rollout: Tracked, host: int, number: int, block: Block | None, heard: Heard) -> None:
        verdicts = rollout.verdicts.setdefault(host, [])
        if (verdicts[-1][1] if verdicts else None) != block:
            verdicts.append((number, block))
            heard[rollout.rollout_id, host] = block

    def _decide(
        self,
        rollout: Tracked,
        group: Group,
        number: int,
        segments: Segments,
        heard: Heard,
    ) -> None:
        if self._shuffle is not None:
            return
        before = group.segments
        if not group.decide(number, segments) or self._on_gate_change is None:
            return
        end = len(rollout.names)
        if before and segments and before[-1][1] == segments[-1][1]:
            end = max(before[-1][0], segments[-1][0])
        for host in group.pending():
            if host >= end:
                break
            block = block_of(segments, host)
            if block != block_of(before, host):
                heard[rollout.rollout_id, host] = block

    def _hear_leavers(self, rollout: Tracked, heard: Heard) -> None:
        for group, host in rollout.left:
            if self._shuffle is None and block_of(group.segments, host) is not None:
                heard[rollout.rollout_id, host] = None
        rollout.left.clear()

    def _drop(self, rollout: Tracked, number: int, heard: Heard) -> None:
        """The rollout is no longer asked: nothing holds its hosts."""
        self._hear_leavers(rollout, heard)
        for group in rollout.groups:
            self._decide(rollout, group, number, (), heard)
            rollout.dirty[group] = None
        for host in rollout.verdicts:
            self._note(rollout, host, number, None, heard)

    def _tell(self, now: float, heard: Heard) -> None:
        assert self._on_gate_change is not None
        for rollout_id, host in sorted(heard):
            gate, reason = heard[rollout_id, host] or (None, "")
            self._on_gate_change(now, rollout_id, self._rollouts[rollout_id].names[host], gate, reason)

    # -- what the last pass came to, and all of them

    def deferrals(self) -> list[DeferDispatch]:
        """The deferrals of the last pass, in the order of page 3. Costs as much as there are hosts."""
        if self._shuffle is not None:
            return list(self._deferred)
        last = len(self._times) - 1
        deferred = []
        for rollout in self._asked:
            held = []
            for group in rollout.groups:
                if group.segments:
                    held += [(host, block_of(group.segments, host)) for host in group.asked(last)]
            held.sort(key=lambda one: one[0])
            deferred += [
                DeferDispatch(rollout.names[host], rollout.rollout_id, *block) for host, block in held if block
            ]
        return deferred

    def queued_again(self, rollout_id: str, hosts: Iterable[str]) -> list[str]:
        """Those of the parked hosts that the last pass queued again."""
        rollout = self._rollouts[rollout_id]
        last = len(self._times) - 1
        again = []
        for name in hosts:
            host = rollout.number[name]
            group = rollout.group[host]
            if group is not None and last in (rollout.stamp[host], group.free_at):
                again.append(name)
        return again

    def in_order(self, hosts: Sequence[str]) -> Sequence[str]:
        """Hosts of one rollout in the order in which the last pass asked them."""
        return sorted(hosts) if self._shuffle is None else self._shuffle(self._calls - 1, sorted(hosts))

    def blocked_groups(self) -> list[tuple[str, int | None, str, str, int]]:
        """The deferrals of the last pass by rollout, wave (None: in none), gate and reason, and how many
        hosts."""
        counts: dict[tuple[str, int | None, str, str], int] = {}
        for one in self._deferred:
            rollout = self._rollouts[one.rollout]
            key = (one.rollout, rollout.wave_of(rollout.number[one.host]), one.gate, one.reason)
            counts[key] = counts.get(key, 0) + 1
        if self._shuffle is None:
            for rollout in self._asked:
                for group in rollout.groups:
                    for block, hosts in group.sizes(len(self._times) - 1):
                        key = (rollout.rollout_id, group.wave, *block)
                        counts[key] = counts.get(key, 0) + hosts
        return [(*key, hosts) for key, hosts in counts.items() if hosts]

    def finish(self, at: float) -> list[GateHold]:
        """What every gate held, up to `at` (s): by rollout id, wave (None last) and gate in the order of
        asking."""
        holds: list[GateHold] = []
        for rollout_id, rollout in sorted(self._rollouts.items()):
            of_rollout, self._blocked[rollout_id] = settle_rollout(rollout, self._times, at)
            holds += of_rollout
        return holds

    def blocked_seconds(self, rollout_id: str) -> dict[str, float]:
        """After `finish`: how long each host of the rollout was blocked, where it was at all."""
        return self._blocked.get(rollout_id, {})
