"""What is wrong with the rows of a log: counted by kind, the first few of each kept to be shown."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

SHOWN = 3
"""How many rows of a kind are told in full."""


class Problem(msgspec.Struct, frozen=True):
    """A row that could not be used as it is: its number (None where it has none), and what is wrong with it."""

    row: int | None
    text: str


class Problems:
    """Counts by kind, and the first `SHOWN` of each."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.first: dict[str, list[Problem]] = {}

    def add(self, kind: str, row: int | None, text: str, times: int = 1) -> None:
        """Count a problem, `times` of them at once."""
        self.counts[kind] = self.counts.get(kind, 0) + times
        first = self.first.setdefault(kind, [])
        if len(first) < SHOWN:
            first.append(Problem(row, text))

    def lines(self) -> Iterator[str]:
        """A line per kind with its count, below it a line for each of the first rows."""
        for kind, count in self.counts.items():
            yield f"{kind}: {count:,}"
            for problem in self.first[kind]:
                where = "" if problem.row is None else f"row {problem.row:,}: "
                yield f"  {where}{problem.text}"
            if count > len(self.first[kind]):
                yield f"  ... and {count - len(self.first[kind]):,} more"
