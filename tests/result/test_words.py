"""Durations and counts in words."""

from __future__ import annotations

import pytest

from sim.result.words import counted, duration, number, readable, shortened, some


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "-"),
        (float("nan"), "-"),
        (0, "0s"),
        (0.04, "40ms"),
        (0.9999, "1s"),
        (12.5, "12.5s"),
        (59.96, "1m"),
        (250, "4m10s"),
        (3599.6, "1h"),
        (5400, "1h30m"),
        (86_399, "1d"),
        (86_400 * 2 + 3 * 3600 + 59, "2d3h"),
        (-90, "-1m30s"),
    ],
)
def test_duration(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


def test_number() -> None:
    assert [number(value) for value in (None, 0, 12, 1234567, 98.7654, 1234.5)] == [
        "-",
        "0",
        "12",
        "1,234,567",
        "98.8",
        "1,234",
    ]


def test_lists() -> None:
    assert counted(1, "host") == "1 host"
    assert counted(1200, "host") == "1,200 hosts"
    assert some(["a"]) == "a"
    assert some(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


@pytest.mark.parametrize(
    ("name", "most", "said"),
    [
        ("abcdefg", 7, "abcdefg"),
        ("abcdefgh", 7, "abc…fgh"),
        ("abcdefgh", 6, "abc…gh"),
        ("", 7, ""),
        ("x" * 64, 64, "x" * 64),
    ],
)
def test_a_long_name_loses_its_middle(name: str, most: int, said: str) -> None:
    assert shortened(name, most) == said


def test_names_in_a_sentence_are_short() -> None:
    assert some(["a" * 250 + "b" * 250, "c"]) == f"{'a' * 32}…{'b' * 31}, c"


def test_a_word_that_is_far_too_long_is_made_short() -> None:
    name = "a" * 200
    assert (
        readable(f"waits for {name}, which never reboots") == f"waits for {shortened(name + ',')} which never reboots"
    )
    assert readable("waits for " + "b" * 99) == "waits for " + "b" * 99
