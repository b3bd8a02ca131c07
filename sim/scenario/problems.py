"""What is wrong with a file: every place with its line, and what was expected there."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

Path = tuple[str | int, ...]
"""A place in a file: keys, and indices of lists."""


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong. `path` is the dotted path of the key, empty for the file as a whole; `line` counts from
    1, None where there is none to tell."""

    file: str
    line: int | None
    path: str
    message: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ScenarioError(Exception):
    """A scenario or a file it needs is wrong; `str` gives a line per problem, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]):
        super().__init__("\n".join(map(str, problems)))
        self.problems = list(problems)
