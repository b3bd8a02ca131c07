"""The steps of one instant, said before they are made, so that a reducer that is a program is asked for many at once.

What arrives together at many hosts sets off steps that do not depend on each other: those of one host follow from its
own record alone. A *chain* is what one of them will do, as a generator that yields each step and is sent what came of
it. All chains go on together, one step each at a time, and what they yield is one batch.

Nothing rests on a chain being right. The model then goes on as ever, step by step and in its own order, and finds the
answers ready where it makes the very step that was said; where not, it asks. So the run is the same, and a chain that
is wrong costs time alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sim.model.chains import Chain, Chains
from sim.model.clock import DELIVERY, INBOX, REPLY, TICK, WORK
from sim.model.remote import Answer, Foresighted, Step
from sim.reducer.events import HostJoined
from sim.reducer.vectors import RolloutStep

if TYPE_CHECKING:
    from sim.model.host import Host
    from sim.model.rollouts import Rollout
    from sim.model.world import World


class Foresight:
    """Says to a reducer which steps are coming."""

    def __init__(self, world: World, steps: Foresighted):
        self.world = world
        self.steps = steps
        self._chains = chains = Chains(world)
        self._by_mail: dict[int, Callable[[Host, Any], Chain]] = {
            DELIVERY: chains.delivered,
            REPLY: chains.replied,
            INBOX: chains.told,
        }
        self._by_event: dict[int, Callable[[Host], Chain]] = {WORK: chains.worked, TICK: chains.ticked}

    def arriving(self, phase: int, mail: list[tuple[int, Any]]) -> None:
        """Messages arrive together, each at or from the host of a number."""
        chain_of = self._by_mail.get(phase)
        if chain_of is not None:
            self._chains.now = self.world.clock.now
            hosts = self.world.hosts
            self.steps.forget()
            self._follow(
                chain_of(hosts[number], [value for _, value in some]) for number, some in groupby(mail, itemgetter(0))
            )

    def falling_due(self, at: float, phase: int, hosts: list[int]) -> None:
        """Events of these hosts, by number, fall on one time (s) and phase, and are next."""
        chain_of = self._by_event.get(phase)
        if chain_of is not None:
            self._chains.now = at
            self.steps.forget()
            self._follow(chain_of(self.world.hosts[number]) for number in hosts)

    def joining(self, rollout: Rollout, now: float) -> None:
        """All hosts of a rollout that has just been opened join it. Only the first changes its record."""
        if not self.world.asks_all or not rollout.hosts:
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


def _sent(one: Chain, answer: Answer) -> Step | None:
    """The step with which a chain goes on; None at its end."""
    try:
        return one.send(answer)
    except StopIteration:
        return None
