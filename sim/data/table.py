"""Durations in a plain table: a CSV file with a header line, a column of durations, perhaps one that says which of them
are censored."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from sim.data.durations import Durations
from sim.scenario.problems import Problem, ScenarioError
from sim.scenario.reading import read_text
from sim.scenario.units import parse_duration, shown

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
"""What a bare number may count, in seconds."""
WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}
"""What a cell may say of being censored."""


def read_durations(path: Path, column: str, censored: str | None = None, unit: str = "s") -> Durations:
    """The durations of a CSV file.

    Args:
        column: numbers in `unit` (a key of `UNITS`), or durations such as 1h30m; empty cells are left out.
        censored: a column of 1 or 0, true or false, yes or no; empty is no. None: all ended.

    Raises:
        ScenarioError: there is no such file or column, or a cell is none of these; with its line.
    """
    rows = csv.reader(io.StringIO(read_text(path), newline=""))
    observed: list[float] = []
    lost: list[float] = []
    try:
        header = [name.strip() for name in next(rows, [])]
        place = _place(path, header, column)
        flag = None if censored is None else _place(path, header, censored)
        for row in rows:
            cell = _cell(row, place)
            if not cell:
                continue
            try:
                seconds = parse_duration(cell)
            except ValueError as error:
                raise _wrong(path, rows.line_num, column, str(error)) from None
            if cell[-1] in "0123456789.":
                seconds *= UNITS[unit]
            said = "" if flag is None else _cell(row, flag).lower()
            if said not in WORDS:
                raise _wrong(path, rows.line_num, censored or "", f"expected 1 or 0, true or false, got {shown(said)}")
            (lost if WORDS[said] else observed).append(seconds)
    except csv.Error as error:
        raise _wrong(path, rows.line_num, "", str(error)) from None
    return Durations(observed, lost)


def _place(path: Path, header: list[str], column: str) -> int:
    if column in header:
        return header.index(column)
    known = ", ".join(header[:8]) or "none"
    raise _wrong(path, 1, "", f"expected a column {column!r}; its columns are {known}")


def _cell(row: list[str], place: int) -> str:
    return row[place].strip() if place < len(row) else ""


def _wrong(path: Path, line: int, column: str, message: str) -> ScenarioError:
    return ScenarioError([Problem(str(path), line, column, message)])
