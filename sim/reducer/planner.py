"""The plain planner: page 3, read aloud. Quadratic in hosts, and what the indexed one is proved against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from sim.reducer.actions import Action, DeferDispatch, OpenRollout, QueueDispatch
from sim.reducer.gates import PlannerRules, RolloutSummary, View, ask, is_eligible
from sim.reducer.selectors import Selector

__all__ = ["PlannerRules", "RolloutSummary", "View", "advance_waves", "plan_next"]

Order = Callable[[Sequence[str]], Sequence[str]]


def advance_waves(view: View) -> dict[str, int]:
    """The rollouts whose current wave is over, each with the wave it goes on to (spec page 3, Wave
    promotion)."""
    advanced = {}
    for rollout_id, rollout in view.rollouts.items():
        if rollout.terminal_at is not None:
            continue
        waves = view.fleet.waves.get(rollout.channel, [])
        current = rollout.current_wave
        if current + 1 >= len(waves) or not waves[current].hosts:
            continue
        if all(is_eligible(view, rollout_id, host) for host in waves[current].hosts):
            advanced[rollout_id] = current + 1
    return advanced


def plan_next(view: View, now: float, order: Order | None = None) -> list[Action]:
    """What the control plane is to do at `now` (seconds), in order (spec page 3, `plan_next`).

    Args:
        order: the order in which the pending hosts of one rollout, given by name, are asked; by name if None.
    """
    actions: list[Action] = []
    for channel in sorted(view.manifests):
        manifest = view.manifests[channel]
        if manifest.rollout_id not in view.rollouts:
            actions.append(OpenRollout(manifest.rollout_id, channel, manifest.channel_ref))
    queued: Counter[Selector] = Counter()
    for rollout_id in sorted(view.rollouts):
        rollout = view.rollouts[rollout_id]
        if rollout.terminal_at is not None:
            continue
        records = view.records.get(rollout_id, {})
        hosts: Sequence[str] = sorted(
            host for host, record in records.items() if record.state == "Pending" and record.dispatch_acked_at is None
        )
        for host in hosts if order is None else order(hosts):
            record = records[host]
            block = ask(view, rollout, record, queued)
            if block is not None:
                actions.append(DeferDispatch(host, rollout_id, *block))
                continue
            due = now if record.soak_due_at is None else record.soak_due_at
            actions.append(QueueDispatch(host, rollout_id, record.target_closure, due))
            for budget in rollout.budgets:
                if host in budget.hosts:
                    queued[budget.selector] += 1
    return actions
