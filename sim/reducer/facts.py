"""What the indexed planner knows: what the control plane told it, as counts by which the gates are asked."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

from sim.reducer.artifact import FleetArtifact
from sim.reducer.gates import (
    CHANNEL_EDGES,
    COMPLIANCE_WAVE,
    DISRUPTION_BUDGET,
    HOST_EDGE,
    QUARANTINE,
    UNSTAGED,
    WAVE_PROMOTION,
    Block,
    PlannerRules,
    eligible_states,
)
from sim.reducer.manifest import Manifest
from sim.reducer.records import IN_FLIGHT, STATES
from sim.reducer.selectors import Selector, summary
from sim.reducer.tracked import ELIGIBLE, FLIGHT, PENDING, Group, Profile, Tracked

NO_LIMIT = float("inf")


class Facts:
    """The planner's view, kept up to date (spec page 3).

    Args:
        fleet: the artifact.
        rules: the switches of page 3.
        by_group: False if hosts are asked one by one, so that groups need not be told apart by limits.
        keep_leavers: whether to note which hosts have left since the last pass.
    """

    def __init__(
        self,
        fleet: FleetArtifact,
        rules: PlannerRules = PlannerRules(),  # noqa: B008 - frozen
        by_group: bool = True,
        keep_leavers: bool = False,
    ):
        self._fleet = fleet
        self._rules = rules
        self._by_group = by_group
        self._keep_leavers = keep_leavers
        eligible = eligible_states(rules)
        self.codes: dict[str, int] = {
            state: FLIGHT * (state in IN_FLIGHT) + ELIGIBLE * (state in eligible) for state in STATES
        }
        """What the planner sees of a state; two of one code it does not tell apart, but for hosts not acknowledged."""
        self._before: dict[str, list[str]] = {}
        for edge in fleet.channel_edges:
            self._before.setdefault(edge.gated, []).append(edge.gates)
        self._gating: dict[str, list[str]] = {}
        for edge in fleet.edges:
            self._gating.setdefault(edge.gated, []).append(edge.gates)
        self._listings: dict[str, tuple[dict[str, tuple[int, ...]], list[int]]] = {}

        self._manifests: Mapping[str, Manifest] = {}
        self._manifest_of: dict[str, Manifest] = {}
        self._rollouts: dict[str, Tracked] = {}
        self._view: list[Tracked] = []
        self._dropped: list[Tracked] = []
        self._quarantines: dict[str, set[str]] = {}

        self._selectors: dict[Selector, int] = {}
        self._summaries: list[str] = []
        self._in_flight: list[int] = []
        self._least: list[float] = []
        """Per selector the smallest `max_in_flight` in view: no count matters below it."""
        self._queued: list[int] = []

        self._times = array("d")
        """When each pass was; one that only repeats the last is not a pass here."""
        self._until = array("d")
        """The last time at which each pass was repeated."""
        self._changed = True

    # -- what happens

    def set_manifests(self, manifests: Mapping[str, Manifest]) -> None:
        """The view switches to these manifests, by channel."""
        self._manifests = dict(manifests)
        for manifest in manifests.values():
            self._manifest_of[manifest.rollout_id] = manifest
        self._least = [NO_LIMIT] * len(self._least)
        for manifest in manifests.values():
            for budget in manifest.disruption_budgets:
                selector = self._selector(budget.selector)
                if budget.max_in_flight is not None:
                    self._least[selector] = min(self._least[selector], budget.max_in_flight)
        for rollout in self._rollouts.values():
            self._look_at(rollout)
        self._changed = True

    def add_rollout(
        self,
        rollout_id: str,
        channel: str,
        target_ref: str,
        opened_at: float,
        names: Sequence[str],
        soak_due: Sequence[float | None],
        targets: Sequence[str],
    ) -> None:
        """A rollout was opened: its hosts in order of name, all Pending, when their soaks are due (s), and what they
        are to run."""
        listed_in, wave_size = self.listing(channel)
        rollout = Tracked(rollout_id, channel, target_ref, names, soak_due, targets, listed_in, wave_size)
        manifest = self._manifest_of.get(rollout_id)
        budgets = [] if manifest is None else manifest.disruption_budgets
        listing: dict[int, tuple[int, ...]] = {}
        for index, budget in enumerate(budgets):
            for name in dict.fromkeys(budget.hosts):
                number = rollout.number.get(name)
                if number is not None:
                    listing[number] = (*listing.get(number, ()), index)
        kinds = [(self._selector(budget.selector), budget.max_in_flight) for budget in budgets]
        profiles = {lists: Profile(lists, kinds) for lists in {(), *listing.values()}}
        rollout.profile = [profiles[()]] * len(rollout.names)
        for number, lists in listing.items():
            rollout.profile[number] = profiles[lists]
        held_back = self._quarantines.get(channel, ())
        members: dict[tuple[int | None, tuple[int, ...], tuple[str, ...], str | None], list[int]] = {}
        for number, name in enumerate(rollout.names):
            closure = rollout.targets[number] if rollout.targets[number] in held_back else None
            gating = self._gating_of(name, channel) if self._gating else ()
            members.setdefault((rollout.wave_of(number), listing.get(number, ()), gating, closure), []).append(number)
        rollout.group = [None] * len(rollout.names)
        for (wave, lists, names, closure), numbers in members.items():
            first = tuple((name, rollout.number.get(name)) for name in names)
            rollout.regroup(Group(numbers, wave, profiles[lists], first, closure))
        self._rollouts[rollout_id] = rollout
        self._look_at(rollout)
        self._changed = True

    def host_changed(self, rollout_id: str, host: str, state: str, acked: bool, number: int | None = None) -> None:
        """The control plane's mirror of the host is in `state`; whether `dispatch_acked_at` is set.

        Args:
            number: the host's place among those of the rollout in order of name, from who knows it.
        """
        rollout = self._rollouts[rollout_id]
        if number is None:
            number = rollout.number[host]
        code = self.codes[state]
        if state == "Pending" and not acked:
            code |= PENDING
        before = rollout.code[number]
        if code == before:
            return
        rollout.code[number] = code
        moved = before ^ code
        changed = False
        if moved & PENDING:
            assert not code & PENDING, f"{host} of {rollout_id} cannot be Pending again"
            group = rollout.leave(number, len(self._times))
            rollout.pending -= 1
            if self._keep_leavers:
                rollout.left.append((group, number))
            changed = True
        if moved & FLIGHT and self._selectors:
            step = 1 if code & FLIGHT else -1
            for selector in rollout.profile[number].flight:
                rollout.flight[selector] += step
                if rollout.in_view:
                    self._in_flight[selector] += step
                    self._changed = True
        if moved & ELIGIBLE:
            step = 1 if code & ELIGIBLE else -1
            for wave in rollout.waves[number]:
                rollout.wave_eligible[wave] += step
                changed = True
            if rollout.watch:
                for group in rollout.watch.get(number, ()):
                    rollout.dirty[group] = None
                    changed = True
        if changed and not self._changed:
            self._changed = rollout.active

    def rollout_terminal(self, rollout_id: str) -> None:
        """The rollout has its `terminal_at`."""
        rollout = self._rollouts[rollout_id]
        if not rollout.terminal:
            rollout.terminal = True
            self._dropped.append(rollout)
            self._changed = self._changed or rollout.in_view

    def quarantine(self, channel: str, closure: str) -> None:
        """The closure is held back on the channel."""
        held_back = self._quarantines.setdefault(channel, set())
        if self._rules.quarantine == "recorded" or closure in held_back:
            return
        held_back.add(closure)
        for rollout in self._rollouts.values():
            if rollout.channel == channel:
                self._hold_back(rollout, closure)

    def _hold_back(self, rollout: Tracked, closure: str) -> None:
        if rollout.by_closure is None:
            rollout.by_closure = {}
            for number, target in enumerate(rollout.targets):
                rollout.by_closure.setdefault(target, []).append(number)
        moved: dict[Group, list[int]] = {}
        for number in rollout.by_closure.get(closure, ()):
            group = rollout.group[number]
            if group is not None:
                moved.setdefault(group, []).append(number)
        for group, numbers in moved.items():
            for number in numbers:
                rollout.leave(number, len(self._times))
                if self._keep_leavers:
                    rollout.left.append((group, number))
            rollout.regroup(Group(numbers, group.wave, group.profile, group.gating, closure))
            self._changed = self._changed or rollout.active

    def failing_changed(self, rollout_id: str, host: str, count: int) -> None:
        """So many enforce probes of the host count as failing in the rollout (gate 6)."""
        rollout = self._rollouts[rollout_id]
        step = count - rollout.failing_of.get(host, 0)
        if not step:
            return
        rollout.failing_of[host] = count
        for wave in rollout.listed_in.get(host, ()):
            rollout.failing[wave] += step
            if rollout.active and self._rules.compliance_wave != "off":
                self._changed = True

    def park(self, rollout_id: str, host: str) -> None:
        """The host is offline with its dispatch in its slot: queueing it again is only counted from now
        on."""
        rollout = self._rollouts[rollout_id]
        number = rollout.number[host]
        if rollout.parked[number]:
            return
        rollout.parked[number] = 1
        group = rollout.group[number]
        if group is not None:
            group.parked += 1
            if group.listed is not None:
                group.listed.discard(number)
            elif not group.limited:
                rollout.list_hosts(group)
            if group in rollout.open and rollout.active:
                self._changed = True

    def unpark(self, rollout_id: str, host: str) -> float:
        """The host has taken its dispatch, or is online again; the time (s) of the last pass that queued
        it."""
        rollout = self._rollouts[rollout_id]
        number = rollout.number[host]
        group = rollout.group[number]
        if rollout.parked[number]:
            if group is not None:
                rollout.settle(number, group)
                group.parked -= 1
                if group.listed is not None:
                    group.listed.add(number)
                if group in rollout.open and rollout.active:
                    self._changed = True
            rollout.parked[number] = 0
        last = rollout.stamp[number]
        return self._until[last] if last >= 0 else -NO_LIMIT

    # -- the gates

    def ask(self, rollout_id: str, host: str) -> Block | None:
        """What the six gates say of the host now, nothing being queued in this pass; also out of view."""
        rollout = self._rollouts[rollout_id]
        number = rollout.number[host]
        channel, target = rollout.channel, rollout.targets[number]
        if target in self._quarantines.get(channel, ()):
            return QUARANTINE, f"channel={channel} closure={target}"
        predecessor = self._predecessor(channel)
        if predecessor is not None:
            return CHANNEL_EDGES, f"predecessor={predecessor}"
        wave = rollout.wave_of(number)
        gating = [(name, rollout.number.get(name)) for name in self._gating_of(host, channel)]
        nothing = [0] * len(self._summaries)
        return (
            self._ask_wave(rollout, wave)
            or self._ask_edges(rollout, gating)
            or self._ask_counts(rollout, rollout.profile[number], wave, nothing)
        )

    def _static(self, rollout: Tracked, group: Group) -> Block | None:
        if group.closure is not None:
            return QUARANTINE, f"channel={rollout.channel} closure={group.closure}"
        if rollout.predecessor is not None:
            return CHANNEL_EDGES, f"predecessor={rollout.predecessor}"
        return self._ask_wave(rollout, group.wave) or self._ask_edges(rollout, group.gating)

    def _ask_wave(self, rollout: Tracked, wave: int | None) -> Block | None:
        if wave is None:
            return UNSTAGED, f"channel={rollout.channel}"
        if wave > rollout.wave:
            return WAVE_PROMOTION, f"host_wave={wave} current_wave={rollout.wave}"
        return None

    def _ask_edges(self, rollout: Tracked, gating: Sequence[tuple[str, int | None]]) -> Block | None:
        for name, number in gating:
            if number is None or not rollout.code[number] & ELIGIBLE:
                return HOST_EDGE, f"gating_host={name}"
        return None

    def _ask_counts(self, rollout: Tracked, profile: Profile, wave: int | None, queued: Sequence[int]) -> Block | None:
        """Gates 5 and 6."""
        for selector, maximum in profile.limits:
            busy = self._in_flight[selector] + queued[selector]
            if busy >= maximum:
                return (
                    DISRUPTION_BUDGET,
                    f"in_flight={busy} max={maximum} selector={self._summaries[selector]}",
                )
        if self._rules.compliance_wave != "off":
            failing = rollout.failing_before(wave)
            if failing > 0:
                return COMPLIANCE_WAVE, f"failing={failing} host_wave={wave}"
        return None

    def _predecessor(self, channel: str) -> str | None:
        """The first channel on a channel edge that holds this one up (gate 2)."""
        for before in self._before.get(channel, ()):
            manifest = self._manifests.get(before)
            if manifest is not None:
                rollout = self._rollouts.get(manifest.rollout_id)
                if rollout is None or not rollout.in_view or not rollout.terminal:
                    return before
        return None

    # -- looked up once

    def _look_at(self, rollout: Tracked) -> None:
        """Take the rollout into view or out of it, as the manifests say."""
        manifest = self._manifests.get(rollout.channel)
        in_view = manifest is not None and manifest.rollout_id == rollout.rollout_id
        if in_view != rollout.in_view:
            rollout.in_view = in_view
            for selector, hosts in rollout.flight.items():
                self._in_flight[selector] += hosts if in_view else -hosts
            if not in_view:
                self._dropped.append(rollout)
        self._view = [one for _, one in sorted(self._rollouts.items()) if one.in_view]
        if in_view and self._by_group:
            for group in rollout.groups:
                limited = any(self._least[selector] < NO_LIMIT for selector, _ in group.profile.adds)
                rollout.set_limited(group, limited)

    def _selector(self, selector: Selector) -> int:
        number = self._selectors.setdefault(selector, len(self._summaries))
        if number == len(self._summaries):
            self._summaries.append(summary(selector))
            self._in_flight.append(0)
            self._least.append(NO_LIMIT)
        return number

    def listing(self, channel: str) -> tuple[dict[str, tuple[int, ...]], list[int]]:
        """Per host the waves of the channel that list it, and the hosts that each wave lists."""
        if channel not in self._listings:
            waves = [dict.fromkeys(wave.hosts) for wave in self._fleet.waves.get(channel, [])]
            listed: dict[str, tuple[int, ...]] = {}
            for index, names in enumerate(waves):
                alone = (index,)
                for name in names:
                    before = listed.setdefault(name, alone)
                    if before is not alone:
                        listed[name] = (*before, index)
            self._listings[channel] = listed, [len(names) for names in waves]
        return self._listings[channel]

    def _gating_of(self, name: str, channel: str) -> tuple[str, ...]:
        """The hosts of the channel that go before the host, in the order of the edges (gate 4)."""
        gating = self._gating.get(name)
        if gating is None:
            return ()
        hosts = self._fleet.hosts
        return tuple(one for one in gating if one in hosts and hosts[one].channel == channel)
