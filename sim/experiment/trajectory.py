"""The trajectory of a run in a few hundred bytes, and where another run first leaves it.

A trajectory is the frame `transitions`, row by row. What is kept of it: marks, which are hashes of its first rows, at
most 16 of them at even distances, and of the first runs of a small fleet the rows themselves. A mark takes in all rows
before it, so the first mark that differs tells between which rows the two part; where rows are kept, it is the very
row.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.experiment.errors import ExperimentError

MOST_MARKS = 16
MARK = 8
"""Hexadecimal digits of a mark: two rows in four thousand million pass for the same."""
MOST_ROWS = 500
"""Rows kept of a scenario's runs, about seven bytes each."""
TICKS_PER_S = 2**20
"""Simulated times are multiples of this part of a second (spec page 9)."""
NEVER = -1

_NAMES = ("rollout_id", "host", "from", "to")
Moments = tuple[float | None, float | None]
"""A transition's `at` and `cp_at` (s)."""


class Trajectory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of one run: how many transitions it made, hashes of the first so many of them, and perhaps some of
    them."""

    transitions: int
    marks: str = ""
    """Hashes of the rows up to each distance and to the end, with a space between them."""
    first: str = ""
    """The first rows: JSON columns, compressed, in base 64."""


class Parting(msgspec.Struct, frozen=True):
    """The first transition at which two runs part, or where it is.

    `number` counts from 1; where it is below `up_to`, the first is one of these, and the one that is named is the first
    of them now. `was` and `is_now` are when the transition was made (by the agent, and known to the control plane; s),
    None where it was not, `unknown` where what is kept does not tell.
    """

    number: int
    up_to: int
    rollout_id: str | None = None
    host: str | None = None
    source: str | None = None
    target: str | None = None
    was: Moments | None = None
    is_now: Moments | None = None
    unknown: bool = False


class _Row(NamedTuple):
    """A transition with its times in ticks."""

    key: tuple[str, str, str, str]
    at: int
    cp_at: int


def trajectory(transitions: pd.DataFrame, most_rows: int = MOST_ROWS) -> Trajectory:
    """What is to be kept of a run's transitions, the first `most_rows` of them included."""
    count = len(transitions)
    return Trajectory(count, " ".join(_marks(transitions, _ends(count))), _packed(transitions.head(most_rows)))


def trimmed(runs: Sequence[Trajectory], most_rows: int = MOST_ROWS) -> list[Trajectory]:
    """The trajectories of one scenario with so many rows in all: those of the first run, and of others while all of
    theirs find room."""
    left = most_rows
    found = []
    for place, run in enumerate(runs):
        keeps = place == 0 or run.transitions <= left
        left = left - run.transitions if keeps else 0
        # marks are of no use where all rows are there
        marks = "" if keeps and run.transitions <= most_rows else run.marks
        found.append(msgspec.structs.replace(run, marks=marks, first=run.first if keeps else ""))
    return found


def parting(was: Trajectory, transitions: pd.DataFrame) -> Parting | None:
    """Where a run leaves a trajectory; None where it does not.

    Raises:
        ExperimentError: the trajectory is damaged.
    """
    kept = _rows(was)
    for number, (then, now) in enumerate(zip(kept, _each(transitions, 0, len(kept)), strict=False), start=1):
        if then != now:
            return _at(number, then, now, was, kept, transitions)
    if len(transitions) < len(kept):
        missing = kept[len(transitions)]
        return _told(len(transitions) + 1, len(transitions) + 1, missing.key, was=missing)
    begin = len(kept)
    if begin < was.transitions:
        ends, marks = _ends(was.transitions), was.marks.split()
        if len(ends) != len(marks):
            raise ExperimentError(f"expected {len(ends)} marks of {was.transitions:,} transitions, got {len(marks)}")
        for end, then_mark, now_mark in zip(ends, marks, _marks(transitions, ends), strict=True):
            if then_mark != now_mark:
                return _between(begin, end, transitions)
            begin = max(begin, end)
    if len(transitions) > was.transitions:
        now = next(_each(transitions, begin, begin + 1))
        return _told(begin + 1, begin + 1, now.key, is_now=now)
    return None


def _at(number: int, then: _Row, now: _Row, was: Trajectory, kept: list[_Row], transitions: pd.DataFrame) -> Parting:
    """The earlier of two rows that should be the same, and when it comes on the other side."""
    if then.at <= now.at:
        return _told(number, number, then.key, was=then, is_now=_find(then.key, transitions))
    before = next((row for row in kept if row.key == now.key), None)
    unknown = before is None and len(kept) < was.transitions
    return _told(number, number, now.key, was=before, is_now=now, unknown=unknown)


def _between(begin: int, end: int, transitions: pd.DataFrame) -> Parting:
    """Rows `begin` to `end`, one of which is the first that differs."""
    now = next(_each(transitions, begin, begin + 1), None)
    if now is None:
        return Parting(begin + 1, end, unknown=True)
    return _told(begin + 1, end, now.key, is_now=now, unknown=True)


def _told(
    number: int,
    up_to: int,
    key: tuple[str, str, str, str],
    was: _Row | None = None,
    is_now: _Row | None = None,
    unknown: bool = False,
) -> Parting:
    return Parting(number, up_to, *key, was=_moments(was), is_now=_moments(is_now), unknown=unknown)


def _moments(row: _Row | None) -> Moments | None:
    if row is None:
        return None
    at, cp_at = (None if ticks == NEVER else ticks / TICKS_PER_S for ticks in (row.at, row.cp_at))
    return at, cp_at


# -- rows and their hashes


def _ends(count: int) -> list[int]:
    """How many rows each mark takes in: multiples of a power of two, and all."""
    step = 1
    while step * MOST_MARKS < count:
        step *= 2
    return [*range(step, count, step), count]


def _marks(transitions: pd.DataFrame, ends: Sequence[int]) -> Iterator[str]:
    """The hash of the rows up to each end; of fewer rows than that it is another."""
    names = [transitions[name].to_numpy(dtype=object) for name in _NAMES]
    times = [_ticks(transitions[name]) for name in ("at", "cp_at")]
    digest = hashlib.sha256()
    begin = 0
    for end in ends:
        part = slice(begin, end)
        digest.update(str(min(end, len(transitions))).encode())
        for column in names:
            digest.update("\n".join(column[part]).encode(errors="surrogatepass") + b"\0")
        for ticks in times:
            digest.update(ticks[part].astype("<i8").tobytes())
        yield digest.hexdigest()[:MARK]
        begin = end


def _ticks(seconds: pd.Series[Any]) -> NDArray[np.int64]:
    """Times in ticks, `NEVER` for NaN."""
    values = seconds.to_numpy(dtype=np.float64)
    return np.where(np.isnan(values), NEVER, np.rint(np.nan_to_num(values) * TICKS_PER_S)).astype(np.int64)


def _each(transitions: pd.DataFrame, begin: int, end: int) -> Iterator[_Row]:
    part = transitions.iloc[begin:end]
    names = zip(*(part[name] for name in _NAMES), strict=True)
    for key, at, cp_at in zip(names, _ticks(part["at"]).tolist(), _ticks(part["cp_at"]).tolist(), strict=True):
        yield _Row(key, at, cp_at)


def _find(key: tuple[str, str, str, str], transitions: pd.DataFrame) -> _Row | None:
    there = np.logical_and.reduce([transitions[name] == one for name, one in zip(_NAMES, key, strict=True)])
    places = np.flatnonzero(there)
    return next(_each(transitions, places[0], places[0] + 1)) if len(places) else None


class _Columns(msgspec.Struct):
    """Rows by column: names by their place in a list, `at` as the difference to the row before, `cp_at` to `at`."""

    names: list[str]
    of: list[list[int]]
    at: list[int]
    cp_at: list[int | None]


def _packed(part: pd.DataFrame) -> str:
    places: dict[str, int] = {}
    of = [[places.setdefault(name, len(places)) for name in part[column]] for column in _NAMES]
    at, cp_at = _ticks(part["at"]), _ticks(part["cp_at"])
    lags = [None if known == NEVER else known - made for made, known in zip(at.tolist(), cp_at.tolist(), strict=True)]
    columns = _Columns(list(places), of, np.diff(at, prepend=0).tolist(), lags)
    return base64.b64encode(zlib.compress(msgspec.json.encode(columns), 9)).decode()


def _rows(kept: Trajectory) -> list[_Row]:
    if not kept.first:
        return []
    try:
        data = zlib.decompress(base64.b64decode(kept.first, validate=True))
        columns = msgspec.json.decode(data, type=_Columns)
        keys = zip(*([columns.names[place] for place in places] for places in columns.of), strict=True)
        at = np.cumsum(columns.at).tolist()
        return [
            _Row(key, then, NEVER if lag is None else then + lag)
            for key, then, lag in zip(keys, at, columns.cp_at, strict=True)
        ]
    except (binascii.Error, zlib.error, msgspec.DecodeError, ValueError, IndexError) as error:
        raise ExperimentError(f"its first transitions are damaged: {error}") from None
