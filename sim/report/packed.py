"""Columns of numbers as text that a script reads back as typed arrays: base64 of little-endian 32-bit numbers.

Times are counted in ticks, so many a second, rounded up: at a tick a host is in a state if the state began by then. A
tick is a millisecond, or longer in a run of more than 49 days.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

NEVER = 2**32 - 1
"""What stands for null."""
TICKS = (1_000.0, 100.0, 10.0, 1.0, 0.1, 0.01, 0.001)
"""Ticks a second, the finest first."""


def ticks_per_second(longest: float) -> float:
    """The finest ticks in which a time of so many seconds can be written."""
    return next((rate for rate in TICKS if longest * rate < NEVER - 1), TICKS[-1])


def times(values: ArrayLike, rate: float) -> str:
    """Times (s; NaN for null) as ticks."""
    seconds = np.asarray(values, dtype=np.float64)
    return _text(np.where(np.isnan(seconds), NEVER, np.ceil(np.nan_to_num(seconds) * rate)))


def lengths(values: ArrayLike, rate: float) -> str:
    """Durations (s; NaN for null) as ticks, rounded to the nearest."""
    seconds = np.asarray(values, dtype=np.float64)
    return _text(np.where(np.isnan(seconds), NEVER, np.rint(np.nan_to_num(seconds) * rate)))


def numbers(values: ArrayLike) -> str:
    """Whole numbers from 0; a negative one stands for null."""
    whole = np.asarray(values, dtype=np.int64)
    return _text(np.where(whole < 0, NEVER, whole))


def _text(values: NDArray[Any]) -> str:
    return base64.b64encode(np.clip(values, 0, NEVER).astype("<u4").tobytes()).decode("ascii")


class Names:
    """Words that columns refer to by number, each kept once."""

    def __init__(self) -> None:
        self._place: dict[str, int] = {}

    def column(self, words: Sequence[str]) -> str:
        """The words' numbers, packed."""
        place = self._place
        return numbers([place.setdefault(word, len(place)) for word in words])

    def all(self) -> list[str]:
        """Every word so far, in order of its number."""
        return list(self._place)
