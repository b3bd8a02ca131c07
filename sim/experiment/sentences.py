"""What a change does to a metric, in a sentence as a person would say it."""

from __future__ import annotations

from typing import NamedTuple

from sim.experiment.estimates import Estimate
from sim.experiment.intervals import Interval, half_width
from sim.experiment.metrics import Metric
from sim.experiment.pairs import Paired
from sim.experiment.wording import Scale, percent
from sim.result.words import counted

_COUNTED = {
    "took_before_verified": "take the release before it is verified",
    "running_at_first_failure": "run the release when it first fails",
    "failed": "end as failed",
    "reverted": "end as reverted",
    "quarantined": "end in quarantine",
}


class Phrase(NamedTuple):
    """A metric in words: its name, and what a change makes of it, `{}` standing for by how much."""

    name: str
    more: str
    less: str


def phrase(metric: Metric) -> Phrase:
    """How to speak of a metric; of one that has no words of its own by its path."""
    steps = metric.steps
    rollout = f"rollout {steps[1]}" if len(steps) > 1 and isinstance(steps[1], int) else str(steps[1:2] and steps[1])
    match steps[2:]:
        case ("time_to_converged_s", "p100"):
            return _moment(f"the last host of {rollout}")
        case ("time_to_converged_s", str(point)):
            return _moment(f"the {point[1:]} % point of {rollout}")
        case ("time_to_eligible_s", str(point)):
            return _moment(f"the {point[1:]} % point of eligible hosts of {rollout}")
        case ("terminal_at_s",):
            return _moment(f"the end of {rollout}")
        case ("waves", index, "eligible_per_h"):
            return _speed(f"wave {index} of {rollout}")
        case ("waves", index, "converged_per_h"):
            return _speed(f"convergence in wave {index} of {rollout}")
        case ("exposure", str(what)) if what in _COUNTED:
            name = f"hosts of {rollout} {_COUNTED[what]}"
            return Phrase(f"how many {name}", f"lets {{}} more {name}", f"lets {{}} fewer {name}")
    words = ("later", "earlier") if metric.path.endswith("_at_s") else ("higher", "lower")
    return Phrase(metric.path, *(f"makes {metric.path} {{}} {word}" for word in words))


def changed(metric: Metric, found: Paired, subject: str) -> str:
    """What the second side does otherwise than the first, such as "strict ordering makes the 99 % point of stable 2.9 h
    later (2.7 to 3.1)"; `subject` is what it is called."""
    said = phrase(metric)
    if found.same:
        return f"{subject} changes nothing of {said.name}"
    value, around = found.difference, found.difference_ci95
    if value is None:
        return f"with {subject}, {_reached(said.name, found)}{_median(metric, found)}"
    template = said.more if value > 0 else said.less
    scale = Scale.of(metric.kind.unit, (value,))
    half = half_width(around)
    unit = "" if metric.kind.unit == "hosts" else scale.unit
    if half is None:
        amount = f"{scale.shown(abs(value))} {unit}".rstrip()
        return f"{subject} {template.format(amount)} in the one pair there is"
    if not found.shown:
        between = f"{scale.interval(around)} {scale.unit}".rstrip()
        return f"{subject} makes no difference to {said.name} that {counted(found.n, 'pair')} can show ({between})"
    amount = f"{scale.shown(abs(value), half)} {unit}".rstrip()
    low, high = sorted(abs(end) for end in around if end is not None)
    return f"{subject} {template.format(amount)} ({scale.interval((low, high)) if half else 'in every pair'})"


def _moment(name: str) -> Phrase:
    return Phrase(name, f"makes {name} {{}} later", f"makes {name} {{}} earlier")


def _speed(name: str) -> Phrase:
    return Phrase(f"the throughput of {name}", f"makes {name} {{}} faster", f"makes {name} {{}} slower")


def _reached(name: str, found: Paired) -> str:
    (one, _), (other, around) = (_share(side) for side in (found.a, found.b))
    return f"{name} is reached in {other} of the runs ({around}), against {one}"


def _share(side: Estimate) -> tuple[str, str]:
    low, high = side.reached_ci95
    return percent(side.reached_share), f"{percent(low)} to {percent(high)}"


def _median(metric: Metric, found: Paired) -> str:
    if found.a.median is None and found.b.median is None:
        return ""
    scale = Scale.of(metric.kind.unit, (found.a.median, found.b.median))
    sides = [_centre(scale, side.median, side.median_ci95) for side in (found.b, found.a)]
    return f"; the median is {sides[0]} against {sides[1]}"


def _centre(scale: Scale, value: float | None, around: Interval) -> str:
    if value is None:
        return "not reached"
    said = f"{scale.shown(value, half_width(around))} {scale.unit}".rstrip()
    return said if around == (None, None) else f"{said} ({scale.interval(around)})"
