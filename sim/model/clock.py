"""Simulated time with page 4's order of things that fall on one instant.

SimPy orders its queue by (time, priority, order of scheduling). The priority of everything scheduled here is one
integer that spells page 4, "Ties": first the round (what a message without delay sets off at its own instant comes
in a later round), then the phase, then the host's number (hosts are numbered by name), then a detail within the
host. So the order never depends on which process happened to schedule first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heappush
from math import ceil, inf
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec
from simpy import Environment, Event
from simpy.core import StopSimulation

_HOST = 1 << 10
_PHASE = 1 << 42
_ROUND = 1 << 46
_FIRST, _LAST = -1, 1 << 62
TOGGLE, DELIVERY, WORK, REBOOT, REPLY, PROBE, TICK, HEARTBEAT, INBOX, POLL, PLAN = range(_PHASE, 12 * _PHASE, _PHASE)
"""Phases of one instant: a host's own activities, its advance tick, its heartbeat, then the control plane. Each is the
priority at which it begins.

A reply comes before the probe runs of its instant because a reset replaces a run that is due at the same time."""

AGENT_DONE, INBOX_OPEN, PLANNING = 1, 2, 3
"""Stages of an instant: past the probe runs of all hosts; the control plane reads; it plans."""

LOOK_EVERY = 512
"""Events between two looks: a few thousandths of a second."""

CROWDED = 8192
"""From so many entries on SimPy's queue, a heap, is slow: each event goes all its levels down, through memory that is
no longer in the cache. What is due later then waits outside of it."""


if TYPE_CHECKING:

    class _Event(Event):
        def __init__(self, callbacks: Sequence[Callable[[Due], None]], value: Any, *fields: Any): ...
        def __init_subclass__(cls, eq: bool, gc: bool = True): ...

else:
    _Event = msgspec.Struct
    """To SimPy a `Due` is what `simpy.Event` is, but for the attribute dictionary that each of those carries."""


class Due(_Event, eq=False):
    """An event that happens at a set time and phase; a process may yield it, and `cancel` takes it back.

    `callbacks` are called then, if it is not None, and `value` is what it was scheduled with. What lasts until a set
    time may be the event of its end.
    """

    callbacks: Any
    value: Any

    def cancel(self) -> None:
        """Let the time pass without a consequence. Costs nothing now; the queue drops the event when it is reached."""
        if self.callbacks is not None:
            self.callbacks = ()


Entry = tuple[float, int, int, Due]
"""One of SimPy's queue: time (s), priority, number in the order of scheduling, event."""
Callbacks = tuple[Callable[[Due], None], ...]
"""What is called when a time has come. It is the caller's to keep: one made anew for every event of a large fleet
costs more memory than the event."""
Due._ok = True
Due._value = Due.value  # the name that SimPy reads it by


class Clock:
    """The simulation's SimPy environment, and the round that the present instant has reached.

    Rounds only grow within an instant, since a later round sorts behind every phase of the earlier ones.
    """

    def __init__(self) -> None:
        self.env = Environment()
        self._queue: list[Any] = self.env._queue
        self._numbers = self.env._eid
        self._end = self.env.event()
        self._end.callbacks.append(StopSimulation.callback)
        self._asked = 0
        self._round = 0
        self._round_at = -1.0
        self._stage = 0
        self._stage_at = -1.0
        self._pages: dict[int, list[Entry]] = {}
        """What waits outside of the queue, by the second in which it is due; as that begins, its page is turned."""
        self._turning = (self._turn,)
        self._mail: dict[tuple[float, int], list[tuple[int, int, Callable[[Any, float], None], Any]]] = {}
        """Messages under way, by arrival and priority: phase and round. A plan pass sends to half the fleet at one
        instant: what arrives together is one event."""
        self._handing_over = (self._hand_over,)
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
        to_come = len(self._queue) + sum(len(page) - 1 for page in self._pages.values())  # its turning is in the queue
        return next(self._numbers) - (self._asked - 1) - to_come

    def run(self, until: float, look: Callable[[], None]) -> None:
        """Let events happen up to and including time `until` (s), or until `stop`; `look` is called every so many."""
        heappush(self._queue, (until, _LAST, next(self._numbers), Due((lambda _: self.stop(),), None)))
        step = self.env.step if self.before_events is None else self._told_step
        try:
            while True:
                for _ in range(LOOK_EVERY):
                    step()
                look()
        except StopSimulation:
            pass

    def _told_step(self) -> None:
        queue = self._queue
        # the start of a process has no phase, and comes between events that have been told of together
        if queue and queue[0][1] >= _PHASE and (key := (queue[0][0], queue[0][1] // _PHASE)) != self._told_of:
            self._told_of = key
            hosts = self._hosts_at(key)
            if len(hosts) > 1:
                assert self.before_events is not None
                self.before_events(key[0], key[1] % (_ROUND // _PHASE) * _PHASE, sorted(hosts))
        self.env.step()

    def _hosts_at(self, key: tuple[float, int]) -> set[int]:
        """The hosts of the events at the time, round and phase of the next one. They are what the queue, a heap, has at
        its top: whatever is above one of them in the heap comes no later, and so is one of them, too."""
        queue = self._queue
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
        self._queue.clear()
        self._pages.clear()
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
        callbacks: Callbacks | None = None,
        value: Any = None,
        detail: int = 0,
    ) -> Due:
        """Schedule `callbacks` (or what waits on the result) at time `at` (seconds, not before now)."""
        due = Due([] if callbacks is None else callbacks, value)
        self.schedule(due, at, phase, host, detail)
        return due

    def schedule(self, due: Due, at: float, phase: int, host: int, detail: int = 0) -> None:
        """Let an event happen at time `at` (seconds, not before now)."""
        priority = phase + host * _HOST + detail
        if self._round_at == at:  # so it is due now
            priority += self._round * _ROUND
        queue = self._queue
        entry = (at, priority, next(self._numbers), due)
        if len(queue) < CROWDED or not 1.0 <= at - self.env._now < inf:
            heappush(queue, entry)
        elif (page := self._pages.get(int(at))) is not None:
            page.append(entry)
        else:
            second = int(at)
            self._pages[second] = [entry]
            heappush(queue, (float(second), _FIRST, 0, Due(self._turning, second)))

    def _turn(self, due: Due) -> None:
        queue = self._queue
        for entry in self._pages.pop(due.value):
            heappush(queue, entry)

    def post(
        self,
        now: float,
        delay: float,
        phase: int,
        host: int,
        callback: Callable[[Any, float], None],
        value: Any,
        detail: int = 0,
        *,
        own: bool = False,
    ) -> None:
        """Call `callback(value, arrival)` when a message sent now arrives: at the control plane (phase INBOX), or at
        the host in one of a host's phases. Without delay it belongs to the present round of now at the control plane,
        or where the host's own activity brought it (`own`), and to the next at a host."""
        arrival = now + delay
        priority = phase if delay else phase + (self.round + (phase != INBOX and not own)) * _ROUND
        key = (arrival, priority)
        mail = self._mail.get(key)
        if mail is None:
            self._mail[key] = [(host, detail, callback, value)]
            heappush(self._queue, (arrival, priority, next(self._numbers), Due(self._handing_over, key)))
        else:
            mail.append((host, detail, callback, value))

    def under_way(self, phase: int) -> Iterator[tuple[int, Any]]:
        """The messages of all hosts that are under way in a phase, as (detail, value)."""
        for (_, priority), mail in self._mail.items():
            if priority % _ROUND == phase:
                for _, detail, _, value in mail:
                    yield detail, value

    def call_back(self, phase: int, host: int, detail: int) -> list[tuple[float, Any]]:
        """Take back one host's messages of a detail that are under way in a phase, as (arrival in s, value), in the
        order sent."""
        taken = []
        for (arrival, priority), mail in self._mail.items():
            if priority % _ROUND == phase:
                taken += [(arrival, one[3]) for one in mail if one[:2] == (host, detail)]
                mail[:] = [one for one in mail if one[:2] != (host, detail)]
        return taken

    def _hand_over(self, due: Due) -> None:
        arrival, priority = due.value
        mail = self._mail.pop(due.value)
        phase = priority
        if priority >= _ROUND:
            self._round, phase = divmod(priority, _ROUND)
            self._round_at = arrival
        if phase == INBOX:
            self._stage, self._stage_at = INBOX_OPEN, arrival
        if len(mail) > 1:
            mail.sort(key=_BY_HOST)  # what one host sent stays in the order sent
            if self.before_mail is not None:
                self.before_mail(phase, [(host, value) for host, _, _, value in mail])
        for _, _, callback, value in mail:
            callback(value, arrival)


_BY_HOST = itemgetter(0, 1)


def first_at_or_after(start: float, period: float, at: float) -> int:
    """The smallest k >= 0 with start + k * period >= at.

    Times are multiples of 2**-20 s below 2**32 s, so the difference is exact and its quotient, rounded once,
    cannot reach an integer that the true quotient misses.
    """
    return ceil((at - start) / period) if at > start else 0
