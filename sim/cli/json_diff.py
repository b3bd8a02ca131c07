"""Decoded JSON held against other decoded JSON."""

from __future__ import annotations

import difflib
import json
from typing import Any

DIFF_LINES = 60
"""Lines of one diff shown."""
DEEPEST = 100
"""How deep what is compared may nest; no real case comes near."""


def same(one: Any, other: Any) -> bool:
    """Equality of decoded JSON: numbers by value, and neither true nor false is one."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def deep(value: Any) -> bool:
    """Whether it nests too deep to be compared or written by a function that calls itself."""
    level = [value]
    for _ in range(DEEPEST):
        containers = [part for part in level if isinstance(part, dict | list | tuple)]
        level = [part for one in containers for part in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return False
    return True


def json_diff(one: Any, other: Any, context: int = 3) -> list[str]:
    """The lines of a unified diff, the last of which may say how many more there are; without context only what was
    taken away and added."""
    before, after = (json.dumps(_plain(value), indent=2, sort_keys=True).splitlines() for value in (one, other))
    # the two heading lines of a unified diff say nothing here
    lines = list(difflib.unified_diff(before, after, lineterm="", n=context))[2:]
    if not context:
        lines = [line for line in lines if not line.startswith("@@")]
    if len(lines) > DIFF_LINES:
        return [*lines[:DIFF_LINES], f"... and {len(lines) - DIFF_LINES:,} more lines"]
    return lines


def _plain(value: Any) -> Any:
    """With 1 for 1.0, so that equal numbers do not show up in a diff."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
