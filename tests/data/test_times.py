"""Times on paper and in the program: what is written comes back to the bit, what is no time is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.data.passes import Passes
from sim.data.times import FAR, clock, nanoseconds, rfc3339, to_nanoseconds, to_seconds

STARTS = st.integers(min_value=0, max_value=4 * 10**18)
STEPS = st.integers(min_value=0, max_value=2**48)
"""Times on the grid of 2⁻²⁰ s, up to some eight years."""


@given(STARTS, STEPS)
def test_a_time_that_is_written_and_read_is_the_same(start: int, step: int) -> None:
    at = step * 2.0**-20
    text = rfc3339(start + to_nanoseconds(at))
    assert clock(start)(text) == at
    assert nanoseconds(text) - start == to_nanoseconds(at)
    assert to_seconds(to_nanoseconds(at)) == at


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))
def test_times_are_those_of_the_calendar(when: datetime) -> None:
    since = when.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    expected = ((since.days * 86_400 + since.seconds) * 10**6 + since.microseconds) * 1000
    assert nanoseconds(when.isoformat(timespec="microseconds") + "Z") == expected
    assert nanoseconds(rfc3339(expected)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:01:00Z", 60 * 10**9),
        ("1970-01-01T00:01:00+00:00", 60 * 10**9),
        ("1970-01-01T00:00:00.125Z", 125_000_000),
        ("1970-01-01T00:00:00.000125+00:00", 125_000),
        ("1970-01-01T00:00:00.000000125+00:00", 125),
        ("1969-12-31T23:59:59.999999999+00:00", -1),
        ("1972-06-30T23:59:60Z", 78_796_800 * 10**9),  # a leap second is the next one
    ],
)
def test_all_ways_of_writing_a_time(text: str, expected: int) -> None:
    assert nanoseconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "noon", "2026-01-05", "2026-01-05T08:00:00", "2026-01-05T08:00Z", "2026-02-30T08:00:00Z",
        "2026-01-05T24:00:00Z", "2026-01-05T08:00:61Z", "2026-01-05T08:00:00+02:00", "2026-01-05T08:00:00.Z",
        "2026-01-05T08:00:00.0000000000Z", "2026-01-05 08:00:00Z", "٢٠٢٦-01-05T08:00:00Z", "0000-01-05T08:00:00Z",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time such as"):
        nanoseconds(text)


def test_a_log_is_not_ten_years_long() -> None:
    seconds = clock(nanoseconds("2026-01-01T00:00:00Z"))
    assert seconds("2026-01-01T00:00:01Z") == 1
    assert seconds("2025-12-31T23:59:59Z") == -1
    for text in ("1970-01-01T00:00:00Z", rfc3339(nanoseconds("2026-01-01T00:00:00Z") + FAR)):
        with pytest.raises(ValueError, match="ten years and more from the beginning of the log"):
            seconds(text)


def test_passes_are_at_polls_and_ticks() -> None:
    """Polls every 30 s, ticks every 15 s: at 30 s both, the poll first."""
    passes = Passes(30, 15)
    found = [passes.at_or_after(0)]
    for _ in range(6):
        found.append(passes.after(found[-1]))
    assert found == [(0, 0), (0, 1), (15, 1), (30, 0), (30, 1), (45, 1), (60, 0)]
    assert passes.at_or_after(15) == (15, 1)
    assert passes.at_or_after(15.5) == (30, 0)
