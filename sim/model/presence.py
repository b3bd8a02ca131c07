"""What a host was at some time: online or not, and on which closure; told by pairs of (since, what), in order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter

Presence = Sequence[tuple[float, bool]]
"""Since when (s) a host is online or not; a tuple that hosts share until one of them goes offline, then a list."""
Closures = tuple[float, str, "Closures"] | None
"""Until when (s) a host ran which closure before the present one, and what it ran before that; None before the first
change."""
ALWAYS_ONLINE: Presence = ((-1.0, True),)


def was_online(presence: Presence, at: float) -> bool:
    """Whether the host was online at time `at` (s), changes of that instant included."""
    place = bisect_right(presence, at, key=itemgetter(0))
    return place > 0 and presence[place - 1][1]


def ran_at(before: Closures, now: str, at: float) -> str:
    """The closure that a host, which runs `now`, ran at time `at` (s), changes of that instant included."""
    running = now
    while before is not None:
        until, closure, before = before
        if until <= at:
            break
        running = closure
    return running


def online_stretches(presence: Presence, end: float) -> list[tuple[float, float]]:
    """The stretches (from, until) in which the host was online, up to `end` (s)."""
    if presence is ALWAYS_ONLINE:
        return [(0.0, end)]
    stretches = []
    for place, (since, online) in enumerate(presence):
        if online:
            until = presence[place + 1][0] if place + 1 < len(presence) else end
            stretches.append((max(since, 0.0), min(until, end)))
    return stretches
