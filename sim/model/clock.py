"""Simulated time with page 4's order of things that fall on one instant.

SimPy orders its queue by (time, priority, order of scheduling). The priority of everything scheduled here is one
integer that spells page 4, "Ties": first the round (what a message without delay sets off at its own instant comes
in a later round), then the phase, then the host's number (hosts are numbered by name), then a detail within the
host. So the order never depends on which process happened to schedule first.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from math import ceil
from typing import TYPE_CHECKING, Any

from simpy import Environment, Event
from simpy.core import StopSimulation

TOGGLE, DELIVERY, WORK, REBOOT, REPLY, PROBE, TICK, HEARTBEAT, INBOX, POLL, PLAN = range(1, 12)
"""Phases of one instant: a host's own activities, its advance tick, its heartbeat, then the control plane.

A reply comes before the probe runs of its instant because a reset replaces a run that is due at the same time."""

AGENT_DONE, INBOX_OPEN, PLANNING = 1, 2, 3
"""Stages of an instant: past the probe runs of all hosts; the control plane reads; it plans."""

_HOST = 1 << 10
_PHASE = 1 << 42
_ROUND = 1 << 46
_LAST = 1 << 62
LOOK_EVERY = 512
"""Events between two looks: a few thousandths of a second."""


if TYPE_CHECKING:
    _Event = Event
else:
    _Event = object
    """To SimPy a `Due` is what `simpy.Event` is, but for the attribute dictionary that each of those carries."""


class Due(_Event):
    """An event that happens at a set time and phase; a process may yield it, and `cancel` takes it back."""

    __slots__ = ("_value", "callbacks")
    _ok = True

    def __init__(
        self,
        env: Environment,
        at: float,
        priority: int,
        callback: Callable[[Due], None] | None,
        value: Any,
    ):
        self.callbacks: list[Callable[[Due], None]] = [] if callback is None else [callback]
        self._value = value
        # what `env.schedule` does, which takes a delay and a call more
        heappush(env._queue, (at, priority, next(env._eid), self))  # type: ignore[misc]

    @property
    def value(self) -> Any:
        """What the event was scheduled with."""
        return self._value

    def cancel(self) -> None:
        """Let the time pass without a consequence. Costs nothing now; the queue drops the event when it is reached."""
        if self.callbacks is not None:
            self.callbacks.clear()


class Clock:
    """The simulation's SimPy environment, and the round that the present instant has reached.

    Rounds only grow within an instant, since a later round sorts behind every phase of the earlier ones.
    """

    def __init__(self) -> None:
        self.env = Environment()
        self._end = self.env.event()
        self._end.callbacks.append(StopSimulation.callback)
        self._asked = 0
        self._round = 0
        self._round_at = -1.0
        self._stage = 0
        self._stage_at = -1.0
        self._mail: dict[tuple[float, int, int], list[tuple[int, int, int, Callable[[Any, float], None], Any]]] = {}
        """Messages under way, by arrival, phase and round. A plan pass sends to half the fleet at one instant: what
        arrives together is one event."""
        self.before_mail: Callable[[int, list[tuple[int, Any]]], None] | None = None
        """Told of messages that are about to arrive together: the phase, and for each its host's number and value."""
        self.before_events: Callable[[float, int, list[int]], None] | None = None
        """Told of events of several hosts that are next, at one time and in one phase: the time (s), the phase, and the
        numbers of the hosts."""
        self._told_of: tuple[float, int] | None = None

    @property
    def events(self) -> int:
        """How many SimPy events have happened: those scheduled, which SimPy numbers, less those still to come."""
        self._asked += 1
        return next(self.env._eid) - (self._asked - 1) - len(self.env._queue)

    def run(self, until: float, look: Callable[[], None]) -> None:
        """Let events happen up to and including time `until` (s), or until `stop`; `look` is called every so many."""
        Due(self.env, until, _LAST, lambda _: self.stop(), None)
        step = self.env.step if self.before_events is None else self._told_step
        try:
            while True:
                for _ in range(LOOK_EVERY):
                    step()
                look()
        except StopSimulation:
            pass

    def _told_step(self) -> None:
        queue = self.env._queue
        # the start of a process has no phase, and comes between events that have been told of together
        if queue and queue[0][1] >= _PHASE and (key := (queue[0][0], queue[0][1] // _PHASE)) != self._told_of:
            self._told_of = key
            hosts = self._hosts_at(key)
            if len(hosts) > 1:
                assert self.before_events is not None
                self.before_events(key[0], key[1] % (_ROUND // _PHASE), sorted(hosts))
        self.env.step()

    def _hosts_at(self, key: tuple[float, int]) -> set[int]:
        """The hosts of the events at the time, round and phase of the next one. They are what the queue, a heap, has at
        its top: whatever is above one of them in the heap comes no later, and so is one of them, too."""
        queue = self.env._queue
        found: set[int] = set()
        places = [0]
        while places:
            place = places.pop()
            if place < len(queue) and (queue[place][0], queue[place][1] // _PHASE) == key:
                if queue[place][3].callbacks:  # it has not been cancelled
                    found.add(queue[place][1] % _PHASE // _HOST)
                places += (2 * place + 1, 2 * place + 2)
        return found

    def stop(self) -> None:
        """End `run` before anything else happens."""
        if not self._end.triggered:
            self._end.succeed()

    def clear(self) -> None:
        """Forget what is still to come."""
        self.env._queue.clear()
        self._mail.clear()

    def reached(self, stage: int) -> None:
        """Note that this instant has come as far as `stage`: AGENT_DONE or PLANNING. Mail notes INBOX_OPEN."""
        self._stage, self._stage_at = stage, self.env._now

    @property
    def stage(self) -> int:
        """How far this instant has come; 0 while hosts go about their own activities. A later round begins when all of
        the first is over."""
        now = self.env._now
        if self._round_at == now:
            return PLANNING
        return self._stage if self._stage_at == now else 0

    @property
    def now(self) -> float:
        return self.env._now

    @property
    def round(self) -> int:
        """The round of what is happening now; 0 unless messages without delay are going back and forth."""
        return self._round if self._round_at == self.env._now else 0

    def due(
        self,
        at: float,
        phase: int,
        host: int,
        callback: Callable[[Due], None] | None = None,
        value: Any = None,
        detail: int = 0,
    ) -> Due:
        """Schedule `callback` (or what waits on the result) at time `at` (seconds, not before now)."""
        priority = phase * _PHASE + host * _HOST + detail
        if self._round_at == at:  # so it is due now
            priority += self._round * _ROUND
        return Due(self.env, at, priority, callback, value)

    def post(
        self,
        now: float,
        delay: float,
        phase: int,
        host: int,
        callback: Callable[[Any, float], None],
        value: Any,
        detail: int = 0,
    ) -> None:
        """Call `callback(value, arrival)` when a message sent now arrives: at the control plane (phase INBOX), or at
        the host in one of a host's phases. Without delay it belongs to the present round of now at the control plane,
        and to the next at a host."""
        key = (now + delay, phase, 0 if delay else self.round + (phase != INBOX))
        mail = self._mail.get(key)
        if mail is None:
            self._mail[key] = [(host, detail, 0, callback, value)]
            Due(self.env, key[0], phase * _PHASE + key[2] * _ROUND, self._hand_over, key)
        else:
            mail.append((host, detail, len(mail), callback, value))

    def to_come(self, phase: int, host: int) -> list[tuple[float, int, Any]]:
        """The messages of one host under way in a phase, as (arrival in s, detail, value)."""
        return [
            (arrival, detail, value)
            for (arrival, of, _), mail in self._mail.items()
            if of == phase
            for number, detail, _, _, value in mail
            if number == host
        ]

    def _hand_over(self, due: Due) -> None:
        key: tuple[float, int, int] = due._value
        arrival, phase, round = key
        mail = self._mail.pop(key)
        if round:
            self._round, self._round_at = round, arrival
        if phase == INBOX:
            self._stage, self._stage_at = INBOX_OPEN, arrival
        if len(mail) > 1:
            mail.sort()  # by host, detail and place, which no two share
            if self.before_mail is not None:
                self.before_mail(phase, [(host, value) for host, _, _, _, value in mail])
        for _, _, _, callback, value in mail:
            callback(value, arrival)


def first_at_or_after(start: float, period: float, at: float) -> int:
    """The smallest k >= 0 with start + k * period >= at.

    Times are multiples of 2**-20 s below 2**32 s, so the difference is exact and its quotient, rounded once,
    cannot reach an integer that the true quotient misses.
    """
    return ceil((at - start) / period) if at > start else 0
