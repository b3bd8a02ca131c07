"""What whoever watches an experiment is told after each run."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Progress(NamedTuple):
    """How far an experiment is."""

    done: int
    """Runs done, or pairs of runs; see `counts`."""
    known: int
    """How many of them were known from an earlier time."""
    of: int | None
    """How many it will be, None if that cannot be said yet."""
    fixed: bool
    """Whether `of` is known and not an estimate."""
    says: Callable[[], str]
    """Tells what the runs say so far."""
    counts: str = "run"
    """What there are so many of."""
