"""In which settings two scenarios differ, and how to call that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from sim.experiment.points import identity
from sim.result.words import counted
from sim.scenario.schema import Scenario

NOT_SET = "not set"
MOST_NAMED = 3
"""Settings up to which what differs is called by them."""
_LONG, _SHORT = 40, 20
_SECTION = re.compile(r"^(rules|control_plane|hosts\.default|fleet\.generate)\.")
_CALLED = {
    ("rules.deferred", "strict"): "strict ordering",
    ("rules.deferred", "converged"): "counting deferred hosts as done",
}

Differences = Mapping[str, tuple[Any, Any]]


def differences(a: Scenario, b: Scenario) -> dict[str, tuple[Any, Any]]:
    """The settings in which two scenarios differ, by their path (spec page 10), with both values as a file has them;
    `NOT_SET` where one has none. Names and descriptions do not count. Lists of different length differ as a whole."""
    one, other = (identity("compare", scenario, [])["scenario"] for scenario in (a, b))
    return dict(_differing("", one, other))


def _differing(path: str, a: Any, b: Any) -> Iterator[tuple[str, tuple[Any, Any]]]:
    if isinstance(a, dict) and isinstance(b, dict) and a.get("dist") == b.get("dist"):
        inside = [(key, a.get(key, NOT_SET), b.get(key, NOT_SET)) for key in dict.fromkeys([*a, *b])]
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        inside = [(str(place), *pair) for place, pair in enumerate(zip(a, b, strict=True))]
    else:
        if a != b:
            yield path, (a, b)
        return
    for key, one, other in inside:
        yield from _differing(f"{path}.{key}" if path else key, one, other)


def called(found: Differences, name: str) -> str:
    """The second of two scenarios, by what it has otherwise; by its name if that is much."""
    if not 1 <= len(found) <= MOST_NAMED:
        return name
    said = [_named(path, b) for path, (_, b) in found.items()]
    return " and ".join(said) if len(said) < 3 else f"{', '.join(said[:-1])} and {said[-1]}"


def _named(path: str, value: Any) -> str:
    words = _CALLED.get((path, value)) if isinstance(value, str) else None
    # an artifact is told by its hash, which says nothing to anybody
    short, text = "fleet" if path == "fleet.resolved" else _SECTION.sub("", path), written(value)
    return words or (f"{short}={text}" if len(text) <= _SHORT else f"the other {short}")


def told(found: Differences, side: int) -> str:
    """The settings of one side, 0 or 1, that the other has otherwise; how many they are if they are many."""
    if len(found) > MOST_NAMED:
        return f"{counted(len(found), 'setting')} otherwise than the other, such as {next(iter(found))}"
    return ", ".join(f"{path}={written(pair[side])}" for path, pair in found.items())


def written(value: Any) -> str:
    """A value of a scenario on one line, short."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _LONG else f"{text[: _LONG - 3]}..."
