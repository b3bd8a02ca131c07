"""Service goals: `PATH <= VALUE in SHARE`, what a metric has to be in which share of the runs (spec page 10)."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sim.experiment import metrics as named
from sim.experiment.errors import ExperimentError
from sim.experiment.metrics import Metric
from sim.experiment.wording import as_given
from sim.scenario.schema import Scenario
from sim.scenario.units import parse_duration, parse_percent

SHARE = 0.95
"""Of the runs, where a goal names no share."""
FORM = "PATH <= VALUE in SHARE, such as 'rollouts.stable.time_to_converged_s.p99 <= 4h in 95%'"

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}
_PARTS = re.compile(r"\s*(?P<path>[^\s<>=!]+)\s*(?P<sign>[<>=!]+)\s*(?P<value>.*?)\s*(?:\bin\b\s*(?P<share>.*?)\s*)?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class Goal(NamedTuple):
    """A metric is to be so in at least this share of the runs."""

    text: str
    """As it was given."""
    metric: Metric
    sign: str
    value: float
    """In the metric's own unit: seconds, a share from 0 to 1."""
    share: float
    asks: str
    """What it asks of a run, in words."""

    @property
    def said(self) -> str:
        """All of it in words."""
        return f"{self.asks} in {as_given(self.share)} of the runs"

    def holds(self, value: float | None) -> bool:
        """Whether a run with this value of the metric is as asked; None counts as beyond all others."""
        return _COMPARE[self.sign](self.metric.kind.beyond if value is None else value, self.value)


def goals(scenario: Scenario, given: Sequence[str]) -> list[Goal]:
    """The goals of these expressions, in their order.

    Raises:
        ExperimentError: there are none, one is there twice, or one cannot be read; the message points at what is wrong
            and says what was expected.
    """
    if not given:
        raise ExperimentError(f"expected a goal: {FORM}")
    found = [_goal(scenario, text.strip()) for text in given]
    for one in found:
        if sum(other[1:5] == one[1:5] for other in found) > 1:
            raise ExperimentError(f"the goal {one.text!r} is there twice")
    return found


def _goal(scenario: Scenario, text: str) -> Goal:
    parts = _PARTS.fullmatch(text)
    if parts is None:
        first = re.match(r"[^\s<>=!]*\s*", text)
        raise _wrong(text, first.end() if first else 0, "expected a metric, then <=, <, >= or >")
    if parts["sign"] not in _COMPARE:
        raise _wrong(text, parts.start("sign"), f"expected <=, <, >= or >, got {parts['sign']}")
    try:
        [metric] = named.find(scenario, [parts["path"]])
    except ExperimentError as error:
        raise ExperimentError(f"the goal {text!r}: {error}") from None
    value = _value(text, parts.start("value"), parts["value"], metric)
    share = SHARE if parts["share"] is None else _share(text, parts.start("share"), parts["share"])
    asks = f"{metric.path} {parts['sign']} {parts['value']}"
    return Goal(text, metric, parts["sign"], value, share, asks)


def _value(text: str, at: int, given: str, metric: Metric) -> float:
    unit = metric.kind.unit
    number = float(given) if _NUMBER.fullmatch(given) else None
    try:
        if unit in ("s", "host-s"):
            expected = "a duration such as 4h or 90s"
            return number if number is not None else parse_duration(given)
        if unit == "share":
            expected = "a percentage such as 90% or a share from 0 to 1"
            if number is None and given.endswith("%"):
                return float(parse_percent(given) / 100)
            if number is not None and 0 <= number <= 1:
                return number
        else:
            expected = f"a number{'' if unit == 'count' else f' of {unit}'}"
            if number is not None:
                return number
    except ValueError:
        pass
    raise _wrong(text, at, f"expected {expected}, because {metric.path} is one; got {given or 'nothing'}")


def _share(text: str, at: int, given: str) -> float:
    expected = "expected a percentage of the runs such as 95%"
    try:
        percent = parse_percent(given)
    except ValueError:
        raise _wrong(text, at, f"{expected}, got {given or 'nothing'}") from None
    if percent == 0:
        raise _wrong(text, at, f"{expected}, above 0")
    if percent < 1 and not given.endswith("%"):
        raise _wrong(text, at, f"{expected}; did you mean {float(100 * percent):g}%?")
    return float(percent / 100)


def _wrong(text: str, at: int, what: str) -> ExperimentError:
    """An error that shows the expression with a mark below the place."""
    lines = [f"a goal: {what}", text, f"{' ' * at}^", f"a goal is {FORM}"]
    return ExperimentError("\n".join(lines))
