"""The kinds of values a scenario file is made of, as pydantic sees them: how each is read, shown and described."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

from sim.scenario.units import (
    DURATION_PATTERN,
    LONGEST,
    PERCENT_PATTERN,
    format_duration,
    format_percent,
    parse_duration,
    parse_percent,
    shown,
)


class Part(BaseModel):
    """A section of the file: unknown keys are errors, nothing is converted but what page 9 says."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=())


DURATION_SCHEMA = {
    "anyOf": [
        {"type": "number", "minimum": 0, "exclusiveMaximum": LONGEST},
        {"type": "string", "pattern": DURATION_PATTERN},
    ]
}

Duration = Annotated[
    float, BeforeValidator(parse_duration), PlainSerializer(format_duration), WithJsonSchema(DURATION_SCHEMA)
]
"""Seconds on the grid of times, written as `90s` or a number."""


def _period(value: object) -> float:
    seconds = parse_duration(value)
    if seconds <= 0:
        raise ValueError(f"expected a duration above 0, got {shown(value)}")
    return seconds


Period = Annotated[float, BeforeValidator(_period), PlainSerializer(format_duration), WithJsonSchema(DURATION_SCHEMA)]
"""A duration above zero: a clock with a period of zero would stand still."""


Percent = Annotated[
    Fraction,
    BeforeValidator(parse_percent),
    PlainSerializer(format_percent),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 100},
                {"type": "string", "pattern": PERCENT_PATTERN},
            ]
        }
    ),
]
"""An exact percentage, so that 7 % of 100 hosts are seven."""


def _probability(value: object) -> float:
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if number is None or not 0 <= number <= 1:  # not a number is not between either
        raise ValueError(f"expected a probability from 0 to 1, got {shown(value)}")
    return float(number)


Probability = Annotated[
    float, BeforeValidator(_probability), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})
]


def _text(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value
    hint = "; put it in quotes" if isinstance(value, (int, float)) else ""
    raise ValueError(f"expected some text, got {shown(value)}{hint}")


Text = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": "string", "minLength": 1})]
"""Text that is not empty. A number is refused: YAML would have lost its leading zeros."""


def _switched(value: Any) -> Any:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


Switched = BeforeValidator(_switched)
"""Before a choice that holds `on` or `off`, which YAML reads as true and false."""
