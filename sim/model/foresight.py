"""The steps of one instant, said before they are made, so that a reducer that is a program is asked for many at once.

What arrives together at many hosts sets off steps that do not depend on each other: those of one host follow from its
own record alone. A *chain* is what one of them will do, as a generator that yields each step and is sent what came of
it. All chains go on together, one step each at a time, and what they yield is one batch.

Nothing rests on a chain being right. The model then goes on as ever, step by step and in its own order, and finds the
answers ready where it makes the very step that was said; where not, it asks. So the run is the same, and a chain that
is wrong costs time alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sim.model.clock import DELIVERY, INBOX
from sim.model.control_plane import STOPPING, too_old
from sim.model.remote import Answer, Foresighted, Step
from sim.model.switches import adjust
from sim.reducer.effects import LocalFireSwitch
from sim.reducer.events import HostEvent, HostJoined, HostStateChanged, LocalActivate, LocalActivationStarted
from sim.reducer.records import HostRecord
from sim.reducer.reports import remote_event
from sim.reducer.vectors import HostStep, RolloutStep

if TYPE_CHECKING:
    from sim.model.host import Host
    from sim.model.rollouts import Rollout
    from sim.model.world import World

Chain = Generator[Step, Answer, None]


class Foresight:
    """Says to a reducer which steps are coming."""

    def __init__(self, world: World, steps: Foresighted):
        self.world = world
        self.steps = steps
        self._chains: dict[int, Callable[[Host, Any], Chain]] = {DELIVERY: self._delivered, INBOX: self._reported}

    def arriving(self, phase: int, mail: list[tuple[int, Any]]) -> None:
        """Messages arrive together, each at or from the host of a number."""
        chain_of = self._chains.get(phase)
        if chain_of is not None:
            hosts = self.world.hosts
            self.steps.forget()
            self._follow(
                chain_of(hosts[number], [value for _, value in some]) for number, some in groupby(mail, itemgetter(0))
            )

    def joining(self, rollout: Rollout, now: float) -> None:
        """All hosts of a rollout that has just been opened join it. Only the first changes its record."""
        if not self.world.control_plane.feeds_all or not rollout.hosts:
            return
        names, waves = self.world.fleet.names, rollout.wave_of
        events = [HostJoined(rollout.rollout_id, names[host], max(0, waves[host]), now) for host in rollout.hosts]
        self.steps.forget()
        first = RolloutStep(rollout.record, events[0])
        [made] = self.steps.ahead([first])
        if made is not None:
            self.steps.ahead([RolloutStep(made[0], event) for event in events[1:]])

    def _follow(self, chains: Iterable[Chain]) -> None:
        going = [(one, step) for one in chains if (step := next(one, None)) is not None]
        while going:
            answers = self.steps.ahead([step for _, step in going])
            going = [
                (one, then)
                for (one, _), answer in zip(going, answers, strict=True)
                if (then := _sent(one, answer)) is not None
            ]

    def _delivered(self, host: Host, dispatches: list[tuple[Rollout, str, float | None, bool]]) -> Chain:
        """Dispatches arrive at a host, which begins the first switch if it has nothing else to do."""
        settings, now = self.world.settings, self.world.clock.now
        records: dict[int, HostRecord] = {}
        busy = bool(host.jobs)
        for rollout, closure, soak_due_at, _ in dispatches:
            release = rollout.release.release
            if not host.online or too_old(release.at, settings.resign, settings.manifest_max_age, now):
                continue
            record = records.get(rollout.number) or host.records.get(rollout.number)
            if record is None or record.state == "Pending":
                record = HostRecord(
                    rollout_id=rollout.rollout_id,
                    hostname=host.name,
                    channel=rollout.channel,
                    state="Pending",
                    target_closure=closure,
                    dispatched_at=now if record is None else record.dispatched_at,
                    soak_due_at=soak_due_at,
                    last_event_seq=0 if record is None else record.last_event_seq,
                )
            activate = LocalActivate(
                record.last_event_seq + 1,
                current_closure_at_dispatch=host.closure,
                received_at=now,
                target_closure=closure,
                soak_due_at=soak_due_at,
            )
            made = yield HostStep(record, activate, rollout.on_health_failure)
            if made is None:
                continue
            record = records[rollout.number] = self._ruled(rollout, host, record, activate, made[0])
            if busy or not any(isinstance(effect, LocalFireSwitch) for effect in made[1]):
                continue
            busy = True
            started = LocalActivationStarted(record.last_event_seq + 1, now, "switch-to-configuration")
            made = yield HostStep(record, started, rollout.on_health_failure)
            if made is not None:
                records[rollout.number] = self._ruled(rollout, host, record, started, made[0])

    def _reported(self, host: Host, messages: list[Any]) -> Chain:
        """Reports of a host arrive, and heartbeats, which seldom set off a step."""
        mirrors: dict[int, HostRecord] = {}
        for rollout, report in chain.from_iterable(message for message in messages if isinstance(message, list)):
            mirror = mirrors.get(rollout.number) or rollout.mirrors.get(host.number)
            if mirror is None or report.seq <= mirror.last_event_seq:
                continue
            event = remote_event(report)
            made = yield HostStep(mirror, event, rollout.on_health_failure)
            if made is None:
                continue
            after = mirrors[rollout.number] = self._ruled(rollout, host, mirror, event, made[0])
            if after.state != mirror.state and (self.world.control_plane.feeds_all or after.state in STOPPING):
                now = self.world.clock.now
                changed = HostStateChanged(rollout.rollout_id, host.name, mirror.state, after.state, now)
                yield RolloutStep(rollout.record, changed)

    def _ruled(
        self, rollout: Rollout, host: Host, record: HostRecord, event: HostEvent, after: HostRecord
    ) -> HostRecord:
        """The record after a step as the rules would have it."""
        world = self.world
        return adjust(world.rules, record, event, after, rollout.soak_of(host.number)) if world.adjusts else after


def _sent(one: Chain, answer: Answer) -> Step | None:
    """The step with which a chain goes on; None at its end."""
    try:
        return one.send(answer)
    except StopIteration:
        return None
