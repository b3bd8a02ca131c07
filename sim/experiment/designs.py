"""Which points a sweep has: the settings that are varied, and how their values are combined.

A grid has every combination. A Latin hypercube and a scrambled Sobol sequence (`scipy.stats.qmc`) fill the space
between the ends of ranges with as many points as asked for; both are drawn from a seed, so a design is the same each
time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, Literal, NamedTuple

import msgspec

from sim.experiment.errors import ExperimentError
from sim.scenario.loader import ScenarioError
from sim.scenario.reading import read_yaml
from sim.scenario.units import format_duration, parse_duration, parse_percent

Design = Literal["grid", "lhs", "sobol"]
Unit = Literal["", "s", "%", "words"]
"""What the values of a setting are: plain numbers, durations in seconds, percentages, or anything else."""
MOST_POINTS = 10_000

_RANGE = re.compile(r"([^,\[\]{}\"']+?)\.\.([^,\[\]{}\"']+)")
_DURATION = re.compile(r"[0-9.]+\s*(?:ms|s|m|h|d)[0-9.msmhd\s]*")


class Setting(NamedTuple):
    """A setting that is varied, over listed values or between two ends."""

    path: str
    unit: Unit
    given: tuple[Any, ...]
    """Its values as a scenario takes them; none for a range."""
    values: tuple[Any, ...]
    """Its values as the table has them: durations as seconds, percentages as numbers."""
    ends: tuple[float, float] | None
    """The ends of a range, in the terms of the table."""

    def said(self, value: Any) -> str:
        """A value of the table as a person would write it."""
        if self.unit == "s":
            return format_duration(value)
        if self.unit == "words":
            return _text(value)
        return f"{value:g}{self.unit}"


def setting(path: str, given: str | Sequence[Any]) -> Setting:
    """A setting and its values.

    Args:
        path: its path (spec page 10).
        given: a list of values, or text: `V1,V2` where each is read as YAML, or `LOW..HIGH` of two whole numbers (then
            all are), numbers, durations or percentages.

    Raises:
        ExperimentError: it is neither, or a value is there twice.
    """
    if isinstance(given, str):
        ends = _RANGE.fullmatch(given.strip())
        if ends:
            return _range(path, given, (ends[1].strip(), ends[2].strip()))
        try:
            read, _, problems = read_yaml(f"[{given}]", path)
        except ScenarioError as error:
            raise ExperimentError(f"{path}={given}: {error.problems[0].message}") from None
        if problems:
            raise ExperimentError(f"{path}={given}: {problems[0].message}")
        given = read
    listed = tuple(given)
    if not listed:
        raise ExperimentError(f"{path}: expected values, such as {path}=V1,V2")
    unit, values = _in_unit(listed)
    for value in values:
        if values.count(value) > 1:
            raise ExperimentError(f"{path}: {Setting(path, unit, (), (), None).said(value)} is there twice")
    return Setting(path, unit, listed, values, None)


def combine(
    settings: Sequence[Setting], design: Design = "grid", points: int | None = None, seed: int = 1
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The points of a design, each once: its settings as the table has them, and as a scenario takes them.

    In a grid the last setting changes fastest. In the others a listed value stands for an equal share of its setting.

    Args:
        points: how many, where it is no grid; a power of two for `sobol`.

    Raises:
        ExperimentError: what is asked for does not go together, or is too much.
    """
    if not settings:
        raise ExperimentError("expected settings to vary, such as rules.deferred=converged,strict")
    paths = [one.path for one in settings]
    if len(set(paths)) < len(paths):
        raise ExperimentError(f"{next(path for path in paths if paths.count(path) > 1)} is varied twice")
    if design == "grid":
        chosen = _grid(settings, points)
    else:
        chosen = _sampled(settings, design, points, seed)
    found: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for pairs in chosen:
        shown = {path: value for path, (value, _) in zip(paths, pairs, strict=True)}
        taken = {path: value for path, (_, value) in zip(paths, pairs, strict=True)}
        found.setdefault(_text(shown), (shown, taken))
    return list(found.values())


_Pairs = list[tuple[tuple[Any, Any], ...]]
"""Per point and setting a value as the table has it and as a scenario takes it."""


def _grid(settings: Sequence[Setting], points: int | None) -> _Pairs:
    for one in settings:
        if one.ends is not None:
            low, high = map(one.said, one.ends)
            raise ExperimentError(
                f"{one.path}={low}..{high}: a grid needs values, such as {one.path}={low},{high}; for a range use the "
                "design lhs or sobol with a number of points"
            )
    if points is not None:
        raise ExperimentError("a grid has as many points as its values give; a number of points is for lhs and sobol")
    count = math.prod(len(one.values) for one in settings)
    if count > MOST_POINTS:
        raise ExperimentError(
            f"these values give {count:,} points, expected at most {MOST_POINTS:,}; use fewer, or the design lhs"
        )
    return list(product(*(zip(one.values, one.given, strict=True) for one in settings)))


def _sampled(settings: Sequence[Setting], design: Design, points: int | None, seed: int) -> _Pairs:
    if points is None or not 2 <= points <= MOST_POINTS:
        raise ExperimentError(f"the design {design} needs a number of points, from 2 to {MOST_POINTS:,}; got {points}")
    if design == "sobol" and points & (points - 1):
        below = 1 << (points.bit_length() - 1)
        raise ExperimentError(f"Sobol points come in powers of two: take {below:,} or {2 * below:,}, not {points:,}")
    import numpy as np
    from scipy.stats import qmc

    engine = qmc.Sobol if design == "sobol" else qmc.LatinHypercube
    uniform = engine(len(settings), rng=np.random.default_rng(seed)).random(points)
    return [tuple(_at(one, float(u)) for one, u in zip(settings, row, strict=True)) for row in uniform]


def _at(one: Setting, uniform: float) -> tuple[Any, Any]:
    """The value of a setting for a number from 0 to 1, as the table has it and as a scenario takes it."""
    if one.ends is None:
        place = min(int(uniform * len(one.values)), len(one.values) - 1)
        return one.values[place], one.given[place]
    low, high = one.ends
    if isinstance(low, int) and isinstance(high, int):
        whole = min(low + int(uniform * (high - low + 1)), high)
        return whole, whole
    # five digits of the range: more would tell nobody anything
    decimals = 4 - math.floor(math.log10(high - low))
    value = min(max(round(low + uniform * (high - low), decimals), low), high)
    return value, f"{value}%" if one.unit == "%" else value


def _range(path: str, text: str, ends: tuple[str, str]) -> Setting:
    unit, (low, high) = _in_unit(tuple(_number(end) for end in ends))
    if unit == "words":
        raise ExperimentError(f"{path}={text}: expected LOW..HIGH of numbers, durations or percentages")
    if not low < high:
        raise ExperimentError(f"{path}={text}: expected a lower end below the higher one")
    return Setting(path, unit, (), (), (low, high))


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            found = kind(text)
        except ValueError:
            continue
        return found if math.isfinite(found) else text
    return text


def _in_unit(values: tuple[Any, ...]) -> tuple[Unit, tuple[Any, ...]]:
    """What these values are, and they as the table has them."""
    if all(_is_number(value) for value in values):
        return "", values
    kinds: tuple[tuple[Unit, Callable[[Any], float | None]], ...] = (("s", _seconds), ("%", _percents))
    for unit, read in kinds:
        found = [float(value) if _is_number(value) else read(value) for value in values]
        known = tuple(value for value in found if value is not None)
        if len(known) == len(values):
            return unit, known
    if all(isinstance(value, bool) for value in values):
        return "words", values
    return "words", tuple(_text(value) for value in values)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _seconds(value: Any) -> float | None:
    if not isinstance(value, str) or not _DURATION.fullmatch(value.strip()):
        return None
    try:
        return parse_duration(value)
    except ValueError:
        return None


def _percents(value: Any) -> float | None:
    if not isinstance(value, str) or not value.strip().endswith("%"):
        return None
    try:
        return float(parse_percent(value))
    except ValueError:
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
