"""The values among which a search looks for one: whole numbers, durations, percentages or plain numbers, by what the
scenario's schema has at the setting's path."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from sim.experiment.errors import ExperimentError
from sim.scenario.loader import ScenarioError, with_settings
from sim.scenario.schema import Scenario
from sim.scenario.units import (
    DURATION_PATTERN,
    PERCENT_PATTERN,
    format_duration,
    parse_duration,
    parse_percent,
    shown,
)
from sim.scenario.wording import parts_at
from sim.scenario.write import plain

Kind = Literal["integer", "duration", "percentage", "number"]
UNITS: Mapping[Kind, str] = {"integer": "", "duration": "s", "percentage": "%", "number": ""}
STEPS = 50
"""Where no step is given, the range has at least so many, unless they would be finer than anyone asks for."""
_STEPS: Mapping[Kind, tuple[Fraction, ...]] = {
    "integer": (Fraction(1),),
    "duration": tuple(
        map(Fraction, ("86400", "21600", "3600", "900", "300", "60", "15", "5", "1", "1/10", "1/100", "1/1000"))
    ),
    "percentage": tuple(map(Fraction, ("1", "1/2", "1/10", "1/100"))),
    "number": tuple(Fraction(digit) * Fraction(10) ** power for power in range(9, -10, -1) for digit in (5, 2, 1)),
}
_EXPECTED: Mapping[Kind, str] = {
    "integer": "a whole number",
    "duration": "a duration such as 90s, 15m or 1h30m",
    "percentage": "a percentage such as 10%",
    "number": "a number",
}


class Span(NamedTuple):
    """The values from `low` to `high` in steps; `high` is one of them whatever the step."""

    path: str
    kind: Kind
    low: Fraction
    high: Fraction
    step: Fraction

    @property
    def unit(self) -> str:
        """What the values count: `s`, `%`, or nothing."""
        return UNITS[self.kind]

    @property
    def size(self) -> int:
        """How many values there are."""
        return math.ceil((self.high - self.low) / self.step) + 1

    def at(self, place: int) -> int | float:
        """The value at a place, counted from the lower end, as a scenario takes it: durations in seconds."""
        value = min(self.low + place * self.step, self.high)
        return int(value) if value.denominator == 1 and self.kind in ("integer", "percentage") else float(value)

    def said(self, value: float) -> str:
        """A value as a person would write it."""
        if self.kind == "duration":
            return format_duration(value)
        return f"{value:,}" if self.kind == "integer" else f"{value:.12g}{self.unit}"

    def written(self, value: float) -> str:
        """A value as `span` reads it back."""
        return str(int(value)) if self.kind == "integer" else self.said(value)


def span(scenario: Scenario, path: str, between: tuple[Any, Any], step: Any = None) -> Span:
    """The values of a setting between two ends.

    Args:
        path: of a setting that holds one of these kinds of values (spec page 10).
        between: the lower end and the higher, as a scenario takes them: `15m`, `5%`, 200.
        step: from one value to the next; None for 1 of a whole number, and else a round one that makes at least
            `STEPS` of them.

    Raises:
        ExperimentError: there is no such setting, it holds something else, or the ends do not fit there.
    """
    kind = _kind(scenario, path, between)
    low, high = (_value(kind, path, end) for end in between)
    if not low < high:
        raise ExperimentError(f"{path} between {between[0]} and {between[1]}: expected a lower end below the higher")
    if step is None:
        ladder = _STEPS[kind]
        by = next((one for one in ladder if (high - low) / one >= STEPS), ladder[-1])
    else:
        by = _value(kind, path, step)
        if not 0 < by <= high - low:
            raise ExperimentError(f"a step of {step}: expected more than nothing and at most the whole range")
    found = Span(path, kind, low, high, by)
    for place in (0, found.size - 1):
        settled(scenario, found, place)
    return found


def settled(scenario: Scenario, values: Span, place: int) -> Scenario:
    """The scenario under a value of the range.

    Raises:
        ExperimentError: the value does not fit there.
    """
    value = values.at(place)
    try:
        return with_settings(scenario, {values.path: value})
    except ScenarioError as error:
        raise ExperimentError(_told(error, values.path, values.said(value))) from None


def _told(error: ScenarioError, path: str, value: str) -> str:
    lines = [f"{one.path}: {one.message}" if one.path not in ("", path) else one.message for one in error.problems]
    return f"{path}={value}: {'; '.join(dict.fromkeys(lines))}"


def _kind(scenario: Scenario, path: str, between: tuple[Any, Any]) -> Kind:
    keys = tuple(path.split("."))
    known = list(_schemas(keys))
    found = [kind for keyed in known for kind in _kinds(keyed)]
    if not found:
        present = _present(scenario, keys)
        if isinstance(present, (int, float)) and not isinstance(present, bool):
            return "number"
        if not known:
            try:
                # the loader says best what is wrong with a path that leads nowhere
                with_settings(scenario, {path: between[0]})
            except ScenarioError as error:
                raise ExperimentError(_told(error, path, str(between[0]))) from None
        raise ExperimentError(
            f"{path} cannot be searched: expected a setting that holds a whole number, a duration, a percentage or a "
            "number"
        )
    return next((kind for kind in ("duration", "percentage", "integer") if kind in found), "number")


def _schemas(keys: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    """What the schema says of a key, in each section that may stand where it is."""
    for part in parts_at(keys[:-1]):
        properties = part.model_json_schema(by_alias=True).get("properties", {})
        if keys[-1] in properties:
            yield properties[keys[-1]]


def _kinds(schema: Mapping[str, Any]) -> Iterator[Kind]:
    """The kinds of values a key takes by itself, those that stand for a section among them."""
    patterns: Mapping[Any, Kind] = {DURATION_PATTERN: "duration", PERCENT_PATTERN: "percentage"}
    if schema.get("pattern") in patterns:
        yield patterns[schema["pattern"]]
    elif schema.get("type") in ("integer", "number"):
        yield "integer" if schema["type"] == "integer" else "number"
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _kinds(choice)


def _present(scenario: Scenario, keys: tuple[str, ...]) -> Any:
    inside: Any = plain(scenario)
    for key in keys:
        if not isinstance(inside, dict) or key not in inside:
            return None
        inside = inside[key]
    return inside


def _value(kind: Kind, path: str, given: Any) -> Fraction:
    try:
        if kind == "duration":
            # by its shortest decimal form, so that steps of it add up
            return Fraction(str(parse_duration(given)))
        if kind == "percentage":
            return parse_percent(given)
        found = Fraction(str(given).strip())
        if kind == "number" or found.denominator == 1:
            return found
    except (ValueError, ZeroDivisionError):
        pass
    raise ExperimentError(f"{path}: expected {_EXPECTED[kind]}, got {shown(given)}")
