"""The six gates, each as page 3 reads: asked of one pending host, a gate answers with a reason or lets it go.

This is the plain form, which looks everything up anew; `index` gives the same answers from running counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Literal

import msgspec

from sim.reducer.artifact import Count, FleetArtifact
from sim.reducer.manifest import Manifest, ManifestBudget
from sim.reducer.records import IN_FLIGHT, HostRecord
from sim.reducer.selectors import Selector, summary

QUARANTINE = "quarantine"
CHANNEL_EDGES = "channel-edges"
WAVE_PROMOTION = "wave-promotion"
UNSTAGED = "wave-promotion-host-unstaged"
HOST_EDGE = "host-edge"
DISRUPTION_BUDGET = "disruption-budget"
COMPLIANCE_WAVE = "compliance-wave"

GATES = (QUARANTINE, CHANNEL_EDGES, WAVE_PROMOTION, UNSTAGED, HOST_EDGE, DISRUPTION_BUDGET, COMPLIANCE_WAVE)
"""The names a gate decision may carry, in the order in which the gates are asked."""

Block = tuple[str, str]
"""A gate's name and its reason."""


class PlannerRules(msgspec.Struct, frozen=True):
    """The rule switches of page 3; the defaults are what the real system does (and what the design asks, gate
    1)."""

    deferred: Literal["converged", "strict"] = "converged"
    compliance_wave: Literal["sticky", "latest", "off"] = "sticky"
    quarantine: Literal["on", "recorded"] = "on"


class RolloutSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the planner needs of a rollout in view. Times in seconds."""

    rollout_id: str
    channel: str
    target_ref: str
    opened_at: float
    terminal_at: float | None = None
    current_wave: Count = 0
    budgets: list[ManifestBudget] = []


class View(msgspec.Struct, frozen=True, kw_only=True):
    """All that a plan pass looks at (spec page 3, first paragraph).

    `rollouts` by id and `records` by rollout id and host are those in view; `quarantines` are closures by
    channel; `failing` counts failing enforce probes by rollout id and host.
    """

    fleet: FleetArtifact
    manifests: Mapping[str, Manifest]
    rollouts: Mapping[str, RolloutSummary]
    records: Mapping[str, Mapping[str, HostRecord]]
    quarantines: Mapping[str, Collection[str]] = {}
    failing: Mapping[str, Mapping[str, int]] = {}
    rules: PlannerRules = PlannerRules()


Queued = Mapping[Selector, int]
"""What this pass has queued so far, per selector of a budget."""


def eligible_states(rules: PlannerRules) -> frozenset[str]:
    """The states that are ordering-eligible."""
    return frozenset({"Converged"} if rules.deferred == "strict" else {"Converged", "Deferred"})


def is_eligible(view: View, rollout_id: str, host: str) -> bool:
    """Whether the host has a record in the rollout, and it is ordering-eligible."""
    record = view.records.get(rollout_id, {}).get(host)
    return record is not None and record.state in eligible_states(view.rules)


def wave_of(view: View, channel: str, host: str) -> int | None:
    """The index of the first wave of the channel that lists the host, None if none does."""
    for index, wave in enumerate(view.fleet.waves.get(channel, [])):
        if host in wave.hosts:
            return index
    return None


def quarantine(view: View, rollout: RolloutSummary, record: HostRecord, queued: Queued) -> Block | None:
    """Gate 1: the closure is held back on the channel."""
    if view.rules.quarantine == "recorded":
        return None
    if record.target_closure in view.quarantines.get(rollout.channel, ()):
        return QUARANTINE, f"channel={rollout.channel} closure={record.target_closure}"
    return None


def channel_edges(view: View, rollout: RolloutSummary, record: HostRecord, queued: Queued) -> Block | None:
    """Gate 2: a channel that goes first has a manifest whose rollout is not over."""
    for edge in view.fleet.channel_edges:
        if edge.gated != rollout.channel or edge.gates not in view.manifests:
            continue
        before = view.rollouts.get(view.manifests[edge.gates].rollout_id)
        if before is None or before.terminal_at is None:
            return CHANNEL_EDGES, f"predecessor={edge.gates}"
    return None


def wave_promotion(view: View, rollout: RolloutSummary, record: HostRecord, queued: Queued) -> Block | None:
    """Gate 3: the host's wave has not come yet, or it is in none."""
    if not view.fleet.waves.get(rollout.channel):
        return None
    wave = wave_of(view, rollout.channel, record.hostname)
    if wave is None:
        return UNSTAGED, f"channel={rollout.channel}"
    if wave > rollout.current_wave:
        return WAVE_PROMOTION, f"host_wave={wave} current_wave={rollout.current_wave}"
    return None


def host_edge(view: View, rollout: RolloutSummary, record: HostRecord, queued: Queued) -> Block | None:
    """Gate 4: a host of the channel that goes first is not done."""
    for edge in view.fleet.edges:
        gating = view.fleet.hosts.get(edge.gates)
        if edge.gated != record.hostname or gating is None or gating.channel != rollout.channel:
            continue
        if not is_eligible(view, rollout.rollout_id, edge.gates):
            return HOST_EDGE, f"gating_host={edge.gates}"
    return None


def disruption_budget(view: View, rollout: RolloutSummary, record: HostRecord, queued: Queued) -> Block | None:
    """Gate 5: a budget that lists the host is used up."""
    for budget in rollout.budgets:
        if budget.max_in_flight is None or record.hostname not in budget.hosts:
            continue
        busy = in_flight(view, budget.selector) + queued.get(budget.selector, 0)
        if busy >= budget.max_in_flight:
            selector = summary(budget.selector)
            return DISRUPTION_BUDGET, f"in_flight={busy} max={budget.max_in_flight} selector={selector}"
    return None


def in_flight(view: View, selector: Selector) -> int:
    """Hosts `Activating` or `Soaking`, over every rollout in view with a budget of that selector (once if it
    has two)."""
    busy = 0
    for rollout_id, rollout in view.rollouts.items():
        budget = next((budget for budget in rollout.budgets if budget.selector == selector), None)
        if budget is not None:
            records = view.records.get(rollout_id, {})
            listed = (records.get(host) for host in dict.fromkeys(budget.hosts))
            busy += sum(record is not None and record.state in IN_FLIGHT for record in listed)
    return busy


def compliance_wave(view: View, rollout: RolloutSummary, record: HostRecord, queued: Queued) -> Block | None:
    """Gate 6: enforce probes fail on hosts of earlier waves."""
    if view.rules.compliance_wave == "off":
        return None
    wave = wave_of(view, rollout.channel, record.hostname)
    if not wave:
        return None
    counts = view.failing.get(rollout.rollout_id, {})
    earlier = view.fleet.waves[rollout.channel][:wave]
    failing = sum(counts.get(host, 0) for one in earlier for host in dict.fromkeys(one.hosts))
    if failing > 0:
        return COMPLIANCE_WAVE, f"failing={failing} host_wave={wave}"
    return None


Gate = Callable[[View, RolloutSummary, HostRecord, Queued], Block | None]
_IN_ORDER: tuple[Gate, ...] = (
    quarantine,
    channel_edges,
    wave_promotion,
    host_edge,
    disruption_budget,
    compliance_wave,
)


def ask(view: View, rollout: RolloutSummary, record: HostRecord, queued: Queued) -> Block | None:
    """The first gate that blocks the host, with its reason; None if it may go."""
    for gate in _IN_ORDER:
        block = gate(view, rollout, record, queued)
        if block is not None:
            return block
    return None
