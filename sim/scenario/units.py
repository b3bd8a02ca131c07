"""Durations, percentages and the grid of times (spec page 9 and the spec's first page)."""

from __future__ import annotations

import re
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

QUANTUM = 2.0**-20
"""Seconds between two neighbouring times: sums of times are exact on this grid."""
LONGEST = 2.0**32
"""Seconds above which times are refused: below it every multiple of `QUANTUM` is a float."""

_UNITS = {"ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600), "d": Fraction(86_400)}
# [0-9] and not \d, which takes the digits of every script
_DIGITS = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_EXPONENT = r"(?:[eE][+-]?[0-9]+)?"
DURATION_PATTERN = rf"^\s*(?:\+?{_DIGITS}{_EXPONENT}\s*|(?:{_DIGITS}(?:ms|s|m|h|d)\s*)+)$"
"""A duration as text, for the JSON Schema."""
PERCENT_PATTERN = rf"^\s*{_DIGITS}\s*%?\s*$"
"""A percentage as text, for the JSON Schema."""
_PART = re.compile(rf"({_DIGITS})(ms|s|m|h|d)\s*")
_NUMBER = re.compile(rf"[+-]?{_DIGITS}{_EXPONENT}")
_DECIMAL = re.compile(_DIGITS)
_TIME_OF_DAY = re.compile(r"([0-9]{1,2}):([0-9]{2})")


@overload
def quantize(seconds: float) -> float: ...
@overload
def quantize(seconds: NDArray[np.float64]) -> NDArray[np.float64]: ...
def quantize(seconds: Any) -> Any:
    """Seconds rounded to the nearest multiple of 2⁻²⁰ s, ties to even; a number or an array of them."""
    if isinstance(seconds, np.ndarray):
        return np.rint(seconds * 2.0**20) * QUANTUM
    return round(float(seconds) * 2.0**20) * QUANTUM


def parse_duration(value: object) -> float:
    """Seconds of `90s`, `1h30m`, `250ms` or a number of seconds, on the grid of times.

    Raises:
        ValueError: anything else, a negative one, or one of 2³² s and more; the message says what was expected.
    """
    expected = "expected a duration such as 90s, 15m, 1h30m, 2d or a number of seconds"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{expected}, got {shown(value)}")
    if isinstance(value, str):
        seconds = _seconds_of(value.strip())
        if seconds is None:
            raise ValueError(f"{expected}, got {shown(value)}")
    elif isinstance(value, float) and not np.isfinite(value):
        raise ValueError(f"{expected}, got {shown(value)}")
    else:
        seconds = Fraction(value)
    if seconds < 0:
        raise ValueError(f"expected a duration of 0 or more, got {shown(value)}")
    steps = round(seconds * 2**20)
    if steps >= LONGEST * 2**20:
        raise ValueError(f"expected a duration below 2^32 s (136 years), got {shown(value)}")
    return float(steps) * QUANTUM


def _seconds_of(text: str) -> Fraction | None:
    if len(text) > 100:
        return None
    if _NUMBER.fullmatch(text):
        number = float(text)
        return Fraction(number) if np.isfinite(number) else None
    total, place = Fraction(0), 0
    while place < len(text):
        part = _PART.match(text, place)
        if part is None:
            return None
        total += Fraction(Decimal(part[1])) * _UNITS[part[2]]
        place = part.end()
    return total if place else None


def format_duration(seconds: float) -> str:
    """Seconds as `parse_duration` reads them back: `1h30m`, `50ms`, `1s500ms`."""
    seconds = quantize(seconds)
    left = int(seconds)
    rest = seconds - left
    said = ""
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count:
            said += f"{count}{unit}"
    if rest:
        # as few decimals as tell it from its neighbours on the grid; four always do
        texts = (f"{rest * 1000:.{decimals}f}ms" for decimals in range(5))
        said += next(text for text in texts if parse_duration(text) == rest)
    return said or "0s"


def parse_percent(value: object) -> Fraction:
    """`1%` or `1` as an exact number of percent.

    Raises:
        ValueError: it is no percentage from 0 to 100.
    """
    number: Fraction | None = None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # by its shortest decimal form: 0.7 is 7/10, and 70 % of ten hosts are seven
        number = Fraction(value) if isinstance(value, int) else Fraction(repr(value)) if np.isfinite(value) else None
    elif isinstance(value, str):
        text = value.strip().removesuffix("%").strip()
        # without an exponent, which could stand for more digits than there is memory
        number = Fraction(Decimal(text)) if len(text) <= 400 and _DECIMAL.fullmatch(text) else None
    if number is None or not 0 <= number <= 100:
        raise ValueError(f"expected a percentage from 0 to 100, such as 10% or 10, got {shown(value)}")
    return number


def format_percent(percent: Fraction) -> str:
    """A percentage as `parse_percent` reads it back, to the last digit."""
    with localcontext(prec=800):
        return f"{Decimal(percent.numerator) / Decimal(percent.denominator):f}%"


def parse_time_of_day(text: str) -> float:
    """Seconds since midnight of `HH:MM`, up to `24:00`.

    Raises:
        ValueError: it is no time of day.
    """
    found = _TIME_OF_DAY.fullmatch(text.strip())
    minutes = int(found[1]) * 60 + int(found[2]) if found and int(found[2]) < 60 else 1441
    if minutes > 1440:
        raise ValueError(f"expected a time of day such as 02:00, got {shown(text)}")
    return minutes * 60.0


def shown(value: object) -> str:
    """A value of a file in a message: short, on one line, as the file writes it."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else "a very large number"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
