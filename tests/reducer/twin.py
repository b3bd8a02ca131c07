"""The two planners side by side, told the same things, and fleets to tell them about."""

from __future__ import annotations

from collections import Counter, defaultdict
from random import Random

from msgspec.structs import replace

from sim.reducer.actions import DeferDispatch, OpenRollout, QueueDispatch
from sim.reducer.artifact import Budget, Channel, Edge, FleetArtifact, Host, RolloutPolicy, Wave
from sim.reducer.gates import GATES, PlannerRules, RolloutSummary, View, ask
from sim.reducer.index import PlanIndex
from sim.reducer.manifest import project_manifest
from sim.reducer.planner import advance_waves, plan_next
from sim.reducer.records import HostRecord
from sim.reducer.selectors import Selector

LATER = (
    "Activating",
    "Activating",
    "Deferred",
    "Soaking",
    "Soaking",
    "Converged",
    "Converged",
    "Failed",
    "Reverted",
)


def shuffled(number, names):
    return Random(f"{number} {len(names)}").sample(list(names), len(names))


class Twin:
    """Both planners over one fleet; every pass of the indexed one is compared with the plain one's."""

    def __init__(self, fleet, rules=PlannerRules(), shuffle=False):  # noqa: B008
        self.fleet, self.rules, self.shuffle = fleet, rules, shuffle
        self.told = {}
        self.index = PlanIndex(fleet, rules, shuffle=shuffled if shuffle else None, on_gate_change=self.hear)
        self.manifests = {}
        self.summaries = {}
        self.records = {}
        self.failing = defaultdict(dict)
        self.quarantines = defaultdict(set)
        self.parked = set()
        self.last_queued = {}
        self.passes = []
        self.now = 0.0

    def hear(self, now, rollout_id, host, gate, reason):
        assert now == self.now
        before = self.told.pop((rollout_id, host), None)
        assert before != (gate, reason) and (before is not None or gate is not None)
        if gate is not None:
            self.told[rollout_id, host] = (gate, reason)

    @property
    def in_view(self):
        ids = {manifest.rollout_id for manifest in self.manifests.values()}
        return {rollout_id: one for rollout_id, one in self.summaries.items() if rollout_id in ids}

    def view(self):
        return View(
            fleet=self.fleet,
            manifests=self.manifests,
            rollouts=self.in_view,
            records=self.records,
            quarantines=self.quarantines,
            failing=self.failing,
            rules=self.rules,
        )

    # -- told to both

    def release(self, manifests):
        self.manifests = {**self.manifests, **manifests}
        self.index.set_manifests(self.manifests)

    def withdraw(self, channel):
        self.manifests = {name: manifest for name, manifest in self.manifests.items() if name != channel}
        self.index.set_manifests(self.manifests)

    def open(self, action, due=None):
        manifest = self.manifests[action.channel]
        dues = {host.hostname: due(host.hostname) if due else 300.0 for host in manifest.host_set}
        targets = {host.hostname: host.target_closure for host in manifest.host_set}
        self.summaries[action.rollout_id] = RolloutSummary(
            rollout_id=action.rollout_id,
            channel=action.channel,
            target_ref=action.target_ref,
            opened_at=self.now,
            budgets=manifest.disruption_budgets,
        )
        self.records[action.rollout_id] = {
            name: HostRecord(
                rollout_id=action.rollout_id,
                hostname=name,
                channel=action.channel,
                target_closure=target,
                dispatched_at=self.now,
                soak_due_at=dues[name],
            )
            for name, target in targets.items()
        }
        names = sorted(targets)
        columns = names, [dues[name] for name in names], [targets[name] for name in names]
        self.index.add_rollout(action.rollout_id, action.channel, action.target_ref, self.now, *columns)

    def move(self, rollout_id, host, state, acked=True):
        record = self.records[rollout_id][host]
        acked_at = self.now if acked else None
        self.records[rollout_id][host] = replace(record, state=state, dispatch_acked_at=acked_at)
        self.index.host_changed(rollout_id, host, state, acked)

    def end(self, rollout_id):
        if self.summaries[rollout_id].terminal_at is None:
            self.summaries[rollout_id] = replace(self.summaries[rollout_id], terminal_at=self.now)
        self.index.rollout_terminal(rollout_id)

    def quarantine(self, channel, closure):
        self.quarantines[channel].add(closure)
        self.index.quarantine(channel, closure)

    def fail(self, rollout_id, host, count):
        self.failing[rollout_id][host] = count
        self.index.failing_changed(rollout_id, host, count)

    def park(self, rollout_id, host):
        self.parked.add((rollout_id, host))
        self.index.park(rollout_id, host)

    def unpark(self, rollout_id, host):
        self.parked.discard((rollout_id, host))
        assert self.index.unpark(rollout_id, host) == self.last_queued[rollout_id, host]

    # -- asked of both

    def plan(self):
        """A pass of both; the actions of the plain one."""
        advanced = advance_waves(self.view())
        for rollout_id, wave in advanced.items():
            self.summaries[rollout_id] = replace(self.summaries[rollout_id], current_wave=wave)
        number = len(self.passes)
        order = (lambda names: shuffled(number, names)) if self.shuffle else None
        actions = plan_next(self.view(), self.now, order)
        outcome = self.index.plan(self.now)
        assert outcome.advanced == advanced
        deferred = [one for one in actions if type(one) is DeferDispatch]
        queued = [one for one in actions if type(one) is QueueDispatch]
        again = [one for one in queued if (one.rollout, one.host) in self.parked]
        listed = [one for one in actions if type(one) is not DeferDispatch and one not in again]
        assert outcome.actions == listed
        assert outcome.requeued_parked == len(again)
        assert outcome.blocked == len(deferred)
        assert outcome.asked == len(deferred) + len(queued)
        assert self.told == {(one.rollout, one.host): (one.gate, one.reason) for one in deferred}
        for one in queued:
            self.last_queued[one.rollout, one.host] = self.now
        self.passes.append((self.now, deferred))
        self.check_deferrals()
        return actions

    def check_deferrals(self):
        """What the last pass held back, whatever has happened since."""
        deferred = self.passes[-1][1] if self.passes else []
        assert self.index.deferrals() == deferred
        groups = Counter()
        for one in deferred:
            groups[one.rollout, self.wave(one.rollout, one.host), one.gate, one.reason] += 1
        assert sorted(self.index.blocked_groups(), key=str) == sorted(
            ((*key, hosts) for key, hosts in groups.items()), key=str
        )

    def wave(self, rollout_id, host):
        waves = self.fleet.waves.get(self.summaries[rollout_id].channel)
        if not waves:
            return 0
        return next((index for index, wave in enumerate(waves) if host in wave.hosts), None)

    def check_ask(self, rollout_id, host):
        block = ask(self.view(), self.summaries[rollout_id], self.records[rollout_id][host], {})
        assert self.index.ask(rollout_id, host) == block

    def check_accounts(self, at):
        """Blocked time and hosts, counted pass by pass and host by host."""
        hosts, seconds, own = defaultdict(set), defaultdict(float), defaultdict(float)
        for (start, deferred), (end, _) in zip(self.passes, [*self.passes[1:], (at, [])], strict=True):
            if start > at:
                continue
            for one in deferred:
                key = (one.rollout, self.wave(one.rollout, one.host), one.gate)
                hosts[key].add(one.host)
                seconds[*key, one.reason] += min(end, at) - start
                own[one.rollout, one.host] += min(end, at) - start
        holds = self.index.finish(at)
        order = [(one.rollout_id, one.wave is None, one.wave or 0, GATES.index(one.gate)) for one in holds]
        assert order == sorted(set(order))
        assert {(one.rollout_id, one.wave, one.gate): one.hosts for one in holds} == {
            key: len(held) for key, held in hosts.items()
        }
        for one in holds:
            key = (one.rollout_id, one.wave, one.gate)
            reasons = {reason: total for (*of, reason), total in seconds.items() if tuple(of) == key}
            assert one.blocked_s == sum(reasons.values())
            assert reasons[one.culprit] == max(reasons.values())
        for rollout_id in self.summaries:
            assert self.index.blocked_seconds(rollout_id) == {
                host: total for (of, host), total in own.items() if of == rollout_id and total
            }


# -- fleets, small and random


def small_fleet(hosts, waves=None, edges=(), channel_edges=(), budgets=(), tags=None, bare=()):
    """A fleet to count by hand: `hosts` are names by channel, `waves` lists of names by channel; `bare` hosts have no
    closure, the others one of their own, like `a-new`."""
    return FleetArtifact(
        schema_version=1,
        hosts={
            name: Host(
                system="x",
                channel=channel,
                tags=(tags or {}).get(name, []),
                closure_hash=None if name in bare else f"{name}-new",
            )
            for channel, names in hosts.items()
            for name in names
        },
        channels={channel: Channel("policy", 30, 60, 180) for channel in hosts},
        rollout_policies={"policy": RolloutPolicy(strategy="staged", waves=[], on_health_failure="halt")},
        waves={channel: [Wave(names, 0) for names in lists] for channel, lists in (waves or {}).items()},
        edges=[Edge(gates, gated) for gates, gated in edges],
        channel_edges=[Edge(gates, gated) for gates, gated in channel_edges],
        disruption_budgets=[Budget(selector, maximum) for selector, maximum in budgets],
    )


def selector(luck, names):
    return luck.choice(
        [
            Selector(all=True),
            Selector(channel=luck.choice("abc")),
            Selector(tags=("web",)),
            Selector(tags=("web", "db")),
            Selector(tags_any=("web", "db")),
            Selector(tags_any=("db",), channel="a"),
            Selector(hosts=tuple(sorted(luck.sample(names, luck.randint(0, len(names)))))),
        ]
    )


def random_fleet(luck):
    channels = "abc"[: luck.randint(1, 3)]
    names = [f"h{number:02d}" for number in range(luck.randint(1, 14))]
    hosts = {
        name: Host(
            system="x",
            channel=luck.choice(channels),
            tags=luck.sample(["web", "db"], luck.randint(0, 2)),
            closure_hash=luck.choice([f"own-{name}", f"own-{name}", "shared", None]),
        )
        for name in names
    }
    waves = {}
    for channel in channels:
        own = [name for name in names if hosts[name].channel == channel]
        kind = luck.randrange(4)
        if kind == 0:
            continue
        left = list(own)
        luck.shuffle(left)
        count = luck.randint(0, 4)
        lists = [[] for _ in range(count)]
        for name in left:
            if count and luck.random() < 0.9:
                lists[luck.randrange(count)].append(name)
        if kind == 1:  # waves over the whole fleet that overlap
            for some in lists:
                some += luck.sample(names, luck.randint(0, min(3, len(names))))
        waves[channel] = [Wave(hosts=some, soak_minutes=0) for some in lists]
    some = [*names, "nobody"]
    edges = [Edge(luck.choice(some), luck.choice(some)) for _ in range(luck.choice([0, 0, 1, 4]))]
    channel_edges = [Edge(luck.choice("abcd"), luck.choice("abcd")) for _ in range(luck.choice([0, 0, 1, 2]))]
    budgets = []
    for _ in range(luck.choice([0, 1, 1, 2, 4])):
        twice = luck.random() < 0.3 and budgets
        of = luck.choice(budgets).selector if twice else selector(luck, names)
        budgets.append(Budget(of, luck.choice([None, 0, 1, 1, 2, 3, 5])))
    policy = RolloutPolicy(strategy="staged", waves=[], on_health_failure="halt")
    return FleetArtifact(
        schema_version=1,
        hosts=hosts,
        channels={channel: Channel("p", 1, 1, 10) for channel in channels},
        rollout_policies={"p": policy},
        waves=waves,
        edges=edges,
        channel_edges=channel_edges,
        disruption_budgets=budgets,
    )


def random_manifests(luck, fleet, ref, skewed):
    """A release to some channels; skewed ones have budgets that no projection gives: other hosts, other limits."""
    manifests = {}
    for channel in fleet.channels:
        if luck.random() < 0.2:
            continue
        closures = None
        if luck.random() < 0.5:
            closures = {name: luck.choice([f"{ref}-{name}", ref, "shared"]) for name in fleet.hosts}
        manifest = project_manifest(fleet, channel, ref, closures)
        if manifest is None:
            continue
        if skewed:
            budgets = [
                replace(
                    budget,
                    hosts=[host for host in budget.hosts if luck.random() < 0.7],
                    max_in_flight=luck.choice([None, 0, 1, 2, budget.max_in_flight]),
                )
                for budget in manifest.disruption_budgets
                if luck.random() < 0.9
            ]
            manifest = replace(manifest, disruption_budgets=budgets)
        manifests[channel] = manifest
    return manifests


def random_history(seed, shuffle=False, skewed=False, passes=25):
    """A random fleet goes through random times; everything is compared at every pass, the accounts at the end."""
    luck = Random(seed)
    rules = PlannerRules(
        deferred=luck.choice(["converged", "strict"]),
        compliance_wave=luck.choice(["sticky", "sticky", "off"]),
        quarantine=luck.choice(["on", "on", "recorded"]),
    )
    fleet = random_fleet(luck)
    twin = Twin(fleet, rules, shuffle)
    due = (lambda name: None) if luck.random() < 0.2 else (lambda name: luck.choice([10.0, 300.0]))
    busy = luck.choice([0.1, 0.4, 0.8])
    releases = []
    for number in range(passes):
        if number == 0 or luck.random() < 0.06:
            releases.append(random_manifests(luck, fleet, f"r{number}", skewed))
            twin.release(releases[-1])
        elif luck.random() < 0.02:  # an earlier release comes back into view
            twin.release(luck.choice(releases))
        elif twin.manifests and luck.random() < 0.01:
            twin.withdraw(luck.choice(sorted(twin.manifests)))
        for _ in range(luck.choice([0, 0, 1, 3, 8])):
            random_happening(luck, twin)
        twin.check_deferrals()
        for action in twin.plan():
            if type(action) is OpenRollout and luck.random() < 0.9:
                twin.open(action, due)
            elif type(action) is QueueDispatch and (action.rollout, action.host) not in twin.parked:
                if luck.random() < busy:
                    twin.move(action.rollout, action.host, "Activating")
                elif luck.random() < 0.5:
                    twin.park(action.rollout, action.host)
        for rollout_id in twin.records:
            for host in twin.records[rollout_id]:
                if luck.random() < 0.2:
                    twin.check_ask(rollout_id, host)
        if luck.random() < 0.85:
            twin.now += luck.choice([0.25, 15.0, 15.0, 30.0])
    times = [start for start, _ in twin.passes]
    for at in (twin.now, times[-1], luck.choice(times), luck.uniform(0.0, twin.now) // 0.25 * 0.25):
        twin.check_accounts(at)
    return twin


def random_happening(luck, twin):
    if not twin.records:
        return
    rollout_id = luck.choice(sorted(twin.records))
    host = luck.choice(sorted(twin.records[rollout_id]))
    record = twin.records[rollout_id][host]
    pending = record.state == "Pending" and record.dispatch_acked_at is None
    channel = twin.summaries[rollout_id].channel
    match luck.choice(
        ["move"] * 12 + ["wave", "wave", "unpark", "unpark", "fail", "fail", "fail", "quarantine", "end", "acked"]
    ):
        case "move" if not pending or luck.random() < 0.3:
            twin.move(rollout_id, host, luck.choice(LATER))
        case "acked" if pending:
            twin.move(rollout_id, host, "Pending", acked=True)
        case "wave":
            waves = twin.fleet.waves.get(channel, [])
            wave = twin.summaries[rollout_id].current_wave
            for name in waves[wave].hosts if wave < len(waves) else ():
                if name in twin.records[rollout_id]:
                    twin.move(rollout_id, name, luck.choice(["Converged", "Converged", "Deferred"]))
        case "unpark" if twin.parked:
            twin.unpark(*luck.choice(sorted(twin.parked)))
        case "fail":
            wave = twin.summaries[rollout_id].current_wave
            earlier = [host for one in twin.fleet.waves.get(channel, [])[:wave] for host in one.hosts]
            name = luck.choice(earlier or sorted(twin.fleet.hosts))
            twin.fail(rollout_id, name, luck.randint(0, 2))
        case "quarantine":
            twin.quarantine(channel, luck.choice(["shared", record.target_closure]))
        case "end" if luck.random() < 0.3:
            twin.end(rollout_id)
