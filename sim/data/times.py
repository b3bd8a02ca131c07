"""Times of an event log: RFC 3339 in UTC on paper, seconds since the log's start in the program (spec page 7)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

from sim.scenario.units import QUANTUM

BILLION = 10**9
FAR = 10 * 365 * 86_400 * BILLION
"""Nanoseconds between times of one log: ten years."""
EXPECTED = "expected a time such as 2026-01-05T08:00:00.000000000+00:00 or 2026-01-05T08:00:00Z"
# [0-9] and not \d, which takes the digits of every script
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}):([0-5][0-9]|60)(?:\.([0-9]{1,9}))?(?:Z|\+00:00)")


def clock(start: int) -> Callable[[str], float]:
    """From RFC 3339 times to seconds since `start` (nanoseconds since 1970).

    What it gives raises a ValueError as `nanoseconds` does, and for times that are ten years from `start` and more: no
    log goes on for so long, but a clock that was not set yet says 1970.
    """

    @lru_cache(maxsize=16_384)  # the rows of one moment follow each other, and say it several times
    def seconds(text: str) -> float:
        since = nanoseconds(text) - start
        if abs(since) >= FAR:
            raise ValueError(f"{text} is ten years and more from the beginning of the log, {rfc3339(start)}")
        return to_seconds(since)

    return seconds


def nanoseconds(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time in UTC with up to nine digits of a second.

    Raises:
        ValueError: it is none; the message says what was expected.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{EXPECTED}, got {text[:60]!r}")
    minute, second, fraction = found.groups()
    at = (_minute(minute) + int(second)) * BILLION
    return at if fraction is None else at + int(fraction.ljust(9, "0"))


@lru_cache(maxsize=4096)
def _minute(text: str) -> int:
    """Seconds since 1970 of a date with hour and minute."""
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):
        raise ValueError(f"{EXPECTED}, got {text!r}, which no calendar has") from None


def rfc3339(at: int) -> str:
    """A time (nanoseconds since 1970) as text with nine digits of a second.

    Raises:
        ValueError: it lies outside the years 1 to 9999.
    """
    second, fraction = divmod(at, BILLION)
    try:
        return f"{_second(second)}.{fraction:09d}+00:00"
    except (ValueError, OverflowError, OSError):
        raise ValueError("a time lies outside the years 1 to 9999") from None


@lru_cache(maxsize=4096)
def _second(since_1970: int) -> str:
    return datetime.fromtimestamp(since_1970, UTC).replace(tzinfo=None).isoformat()


def to_nanoseconds(seconds: float) -> int:
    """Seconds on the grid of times (a multiple of 2⁻²⁰) as the nearest nanosecond; `to_seconds` gives them back."""
    return (int(seconds / QUANTUM) * BILLION + 2**19) >> 20


def to_seconds(nanoseconds: int) -> float:
    """Nanoseconds as seconds, rounded to the grid of times."""
    return ((nanoseconds << 20) + BILLION // 2) // BILLION * QUANTUM
