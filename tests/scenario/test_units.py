"""Durations, percentages and times of day: every form, exact on the grid of times, everything else refused."""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil, inf, nan

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sim.scenario.units import (
    DURATION_PATTERN,
    LONGEST,
    PERCENT_PATTERN,
    QUANTUM,
    format_duration,
    format_percent,
    parse_duration,
    parse_percent,
    parse_time_of_day,
    quantize,
    shown,
)

QUICK = settings(deadline=None, derandomize=True, max_examples=300, suppress_health_check=[HealthCheck.too_slow])


def brief(value: object) -> str:
    """The name of a test's case: some of the values are a million characters long."""
    return shown(value)[:30]


ON_THE_GRID = st.integers(0, 2**52 - 1).map(lambda steps: steps * QUANTUM)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90.0),
        ("15m", 900.0),
        ("4h", 14_400.0),
        ("2d", 172_800.0),
        ("1h30m", 5400.0),
        ("1d2h3m4s", 93_784.0),
        ("30m1h", 5400.0),
        ("1m1m", 120.0),
        ("0s", 0.0),
        ("0.5h", 1800.0),
        (".5h", 1800.0),
        ("1.h", 3600.0),
        ("1h 30m", 5400.0),
        ("  90s\n", 90.0),
        ("007s", 7.0),
        ("90", 90.0),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("+5", 5.0),
        (0, 0.0),
        (-0.0, 0.0),
        (90, 90.0),
        (1.5, 1.5),
        (np.float64(2.5), 2.5),
        (2**32 - 1, 2.0**32 - 1),
    ],
    ids=brief,
)
def test_every_form_of_a_duration(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert type(parse_duration(text)) is float


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("250ms", Fraction(1, 4)),
        ("50ms", Fraction(5, 100)),
        ("1ms", Fraction(1, 1000)),
        ("0.1s", Fraction(1, 10)),
        ("1h0.1s", 3600 + Fraction(1, 10)),
        ("0.000001s", Fraction(1, 10**6)),
        (0.1, Fraction(0.1)),
        (1e-05, Fraction(1e-05)),
    ],
    ids=brief,
)
def test_durations_are_the_nearest_time_of_the_grid(text: object, exact: Fraction) -> None:
    assert parse_duration(text) == float(round(exact * 2**20)) * QUANTUM
    assert parse_duration(text) * 2**20 == round(exact * 2**20)


def test_a_tie_between_two_times_goes_to_the_even_one() -> None:
    assert [quantize((steps + 0.5) * QUANTUM) / QUANTUM for steps in range(4)] == [0, 2, 2, 4]
    assert parse_duration(0.5 * QUANTUM) == 0.0
    assert parse_duration(1.5 * QUANTUM) == 2 * QUANTUM


@QUICK
@given(st.lists(st.floats(0, 2.0**31), min_size=1))
def test_a_number_and_an_array_go_to_the_same_times(seconds: list[float]) -> None:
    found = quantize(np.array(seconds))
    assert found.tolist() == [quantize(one) for one in seconds]
    assert all(float(one * 2.0**20).is_integer() for one in found)
    assert np.all(np.abs(found - np.array(seconds)) <= QUANTUM / 2)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "s",
        "90 s",
        "1h-30m",
        "-5s",
        "5sec",
        "5 minutes",
        "1:30",
        "1h30",
        "30 1h",
        "1_000s",
        "5us",
        "5S",
        "5H",
        "1e3s",
        "nan",
        "inf",
        "infinity",
        "1e999",
        "0x10",
        "٣s",  # a digit of another script
        "１s",
        "never",
        "2001-01-01",
        "9" * 101,
        "1s" * 10_000,
        "9" * 1_000_000,
        nan,
        inf,
        -inf,
        True,
        False,
        None,
        [90],
        {"s": 90},
        b"90s",
        90j,
    ],
    ids=brief,
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(
        ValueError, match=r"^expected a duration such as 90s, 15m, 1h30m, 2d or a number of seconds, got "
    ):
        parse_duration(value)


@pytest.mark.parametrize("value", [-1, -0.5, "-5", "-1e-9", -5e-324, -(10**400)], ids=brief)
def test_durations_are_not_negative(value: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a duration of 0 or more, got "):
        parse_duration(value)


@pytest.mark.parametrize(
    "value",
    [2**32, 2.0**32, "49711d", "4294967295.9999999999s", 10**400, 1e308, "1e308", "9" * 90, "9" * 90 + "d"],
    ids=brief,
)
def test_durations_end_where_the_grid_does(value: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a duration below 2\^32 s \(136 years\), got "):
        parse_duration(value)


def test_the_longest_duration() -> None:
    assert parse_duration("4294967295.9999990463s") == LONGEST - QUANTUM
    assert parse_duration(LONGEST - QUANTUM) == LONGEST - QUANTUM


def test_refusals_are_one_short_line() -> None:
    for value in ("x\n" * 1000, "\x1b[31m", "a" * 10**6, 10**5000, [1] * 1000):
        with pytest.raises(ValueError) as error:
            parse_duration(value)
        assert str(error.value).isprintable()
        assert len(str(error.value)) < 150


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (5.0, "5s"),
        (60.0, "1m"),
        (90.0, "1m30s"),
        (5400.0, "1h30m"),
        (86_400.0, "1d"),
        (604_800.0, "7d"),
        (0.25, "250ms"),
        (0.5, "500ms"),
        (1234.5, "20m34s500ms"),
        (parse_duration("50ms"), "50ms"),
        (parse_duration("1ms"), "1ms"),
        (QUANTUM, "0.001ms"),
        (1.0 - QUANTUM, "999.999ms"),
        (86_400.0 + 2 * QUANTUM, "1d0.002ms"),
    ],
    ids=brief,
)
def test_how_durations_are_written(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@QUICK
@given(ON_THE_GRID | st.integers(0, 10**7).map(lambda steps: steps * QUANTUM) | st.integers(0, 10**6).map(float))
@example(LONGEST - QUANTUM)
@example(1234567.5)
def test_durations_come_back_as_written(seconds: float) -> None:
    text = format_duration(seconds)
    assert parse_duration(text) == seconds
    assert re.match(DURATION_PATTERN, text)


@QUICK
@given(st.text(max_size=20) | st.from_regex(r"\A[-+0-9.eE smhd]{1,12}\Z") | st.from_regex(DURATION_PATTERN))
def test_the_pattern_for_editors_takes_what_is_parsed(text: str) -> None:
    try:
        parse_duration(text)
    except ValueError as error:
        # what is too long for the grid is still written like a duration
        assert not re.match(DURATION_PATTERN, text) or "below" in str(error) or len(text) > 100 or "e" in text.lower()
    else:
        assert re.match(DURATION_PATTERN, text) or text.strip().startswith("-")


@pytest.mark.parametrize(
    ("value", "percent"),
    [
        ("1%", 1),
        (1, 1),
        (1.0, 1),
        ("1", 1),
        ("0.7%", Fraction(7, 10)),
        (0.7, Fraction(7, 10)),
        (33.3, Fraction(333, 10)),
        (1e-05, Fraction(1, 100_000)),
        ("100%", 100),
        (100, 100),
        (0, 0),
        ("0%", 0),
        (" 12.5 % ", Fraction(25, 2)),
        (".5%", Fraction(1, 2)),
        ("5.%", 5),
        ("33.333333333333333333333333333333333333%", Fraction(33333333333333333333333333333333333333, 10**36)),
        (5e-324, Fraction(5, 10**324)),
    ],
    ids=brief,
)
def test_percentages_are_exact(value: object, percent: Fraction) -> None:
    assert parse_percent(value) == percent


def test_seven_percent_of_a_hundred_hosts_are_seven() -> None:
    # in floats, 0.07 * 100 is above 7 and would be rounded up to eight
    for hosts in (10, 100, 1000, 10_000):
        for percent in range(101):
            exact = -(-hosts * percent // 100)
            assert ceil(hosts * parse_percent(percent) / 100) == exact
            assert ceil(hosts * parse_percent(f"{percent}%") / 100) == exact
            assert ceil(hosts * parse_percent(float(percent)) / 100) == exact
    assert ceil(1000 * parse_percent(0.7) / 100) == 7
    assert ceil(1000 * parse_percent(33.3) / 100) == 333


@pytest.mark.parametrize(
    "value",
    [
        -1,
        "-1%",
        101,
        100.0000001,
        "100.0000000000000000000000000000001%",
        nan,
        inf,
        "nan",
        "1e1",
        "1e999999999",  # a number of a thousand million digits
        "1e-999999999",
        "1" * 500,
        "1 2",
        "%",
        "",
        "1%%",
        "1/3",
        "٣",
        True,
        None,
        [],
        10**39,
        -(10**400),
    ],
    ids=brief,
)
def test_what_is_no_percentage_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a percentage from 0 to 100, such as 10% or 10, got "):
        parse_percent(value)


@QUICK
@given(st.floats(0, 100) | st.decimals(0, 100, places=30).map("{:f}".format))
@example(5e-324)
@example(2.2250738585072014e-308)
@example(99.99999999999999)
def test_percentages_come_back_as_written(value: object) -> None:
    percent = parse_percent(value)
    text = format_percent(percent)
    assert parse_percent(text) == percent
    assert re.match(PERCENT_PATTERN, text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00", 0), ("02:00", 7200), ("2:00", 7200), (" 23:59 ", 86_340), ("24:00", 86_400), ("12:30", 45_000)],
)
def test_times_of_day(text: str, seconds: float) -> None:
    assert parse_time_of_day(text) == seconds


@pytest.mark.parametrize("text", ["24:01", "12:60", "2", "2am", "02:00:00", "-1:00", "", "٠٢:٠٠", "99:99", "002:00"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected a time of day such as 02:00, got "):
        parse_time_of_day(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing (null)"),
        (True, "true"),
        (False, "false"),
        (5, "5"),
        (-5.5, "-5.5"),
        (10**18, "a very large number"),
        (10**5000, "a very large number"),
        ({}, "a mapping"),
        ([], "a list"),
        ("größe", "'größe'"),
        ("a\nb", r"'a\nb'"),
        ("x" * 60, "'" + "x" * 56 + "..."),
        ("\ud800", r"'\ud800'"),
    ],
    ids=brief,
)
def test_values_in_messages(value: object, text: str) -> None:
    assert shown(value) == text
