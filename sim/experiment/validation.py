"""What a validation against a real rollout has found, as data and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from sim.experiment.bands import least
from sim.experiment.deviation import Curve, Deviation, Part, Validated
from sim.experiment.intervals import CONFIDENCE, half_width
from sim.experiment.measured import Measured
from sim.experiment.metrics import Metric
from sim.experiment.sentences import phrase
from sim.experiment.wording import Scale, columns, percent
from sim.result.words import counted, duration
from sim.scenario.schema import Scenario

if TYPE_CHECKING:
    import pandas as pd

_CAUSES = {
    "opening_s": ("it starts later", "it starts sooner", "after the wave before it was done"),
    "gates_s": ("gates hold its hosts longer", "gates hold its hosts for a shorter time", "each on average"),
    "network_s": ("its hosts take their dispatch later", "its hosts take their dispatch sooner", "each on average"),
    "activating_s": ("its hosts activate slower", "its hosts activate faster", "each on average"),
    "deferred_s": ("its hosts wait longer for reboots", "its hosts wait for a shorter time for reboots", "a host"),
    "soaking_s": ("its hosts soak longer", "its hosts soak for a shorter time", "each on average"),
}
"""What is said of a part that is longer than expected, that is shorter, and what its number is."""
PARTS_SAID = {
    "opening_s": "start",
    "gates_s": "gates",
    "network_s": "network",
    "activating_s": "activation",
    "deferred_s": "deferred",
    "soaking_s": "soak",
}
"""The parts of a wave's time in a word."""


PARTS_NAMED = 3
"""Parts of waves outside their bands that a sentence names."""


@dataclass(frozen=True)
class Validation:
    """How a real rollout compares with many simulations of it; `print` it."""

    scenario: Scenario
    real: str
    """The name of the real run."""
    asked: list[Metric]
    measures: dict[str, Measured]
    """By path. Times in seconds since the opening of their rollout, shares from 0 to 1."""
    rollouts: list[Validated]
    """The rollouts that are compared, in the scenario's order: their curves, and where each leaves what is expected."""
    table: pd.DataFrame
    """A row per simulation, a column per metric; NaN where it ended without reaching it."""
    first: Metric
    """The metric that the answer begins with."""
    notes: list[str]
    """In what the real rollouts and the scenario are not alike, and what is not compared."""
    interrupted: bool

    @property
    def curve_coverage(self) -> float | None:
        """For which share of the hosts the time by which they had converged is within its prediction band, on average
        over the rollouts; None where none was seen until a host was there or due."""
        known = [one.curves["converged"].coverage for one in self.rollouts]
        shares = [share for share in known if share is not None]
        return sum(shares) / len(shares) if shares else None

    @property
    def summary(self) -> dict[str, Any]:
        """The plain data of spec page 10 that `validate --json` prints."""
        return {
            "scenario": self.scenario.name,
            "seed": self.scenario.seed,
            "real": self.real,
            "replications": len(self.table),
            "interrupted": self.interrupted,
            "measures": {
                metric.path: {"unit": metric.kind.unit, **msgspec.to_builtins(self.measures[metric.path])}
                for metric in self.asked
            },
            "curve_coverage": self.curve_coverage,
            "rollouts": [_plain(one) for one in self.rollouts],
            "says": self.sentences,
            "notes": self.notes,
        }

    @property
    def sentences(self) -> list[str]:
        """The answer: how far off the first measure is and how many are within their bands; of each rollout whether its
        curve is one that the model gives, and if not, where it leaves that first and why."""
        return [self._accuracy(), *(said for one in self.rollouts for said in _of_rollout(one))]

    @property
    def enough(self) -> str:
        """How many simulations there are, and what follows from that."""
        runs = len(self.table)
        why = "interrupted" if self.interrupted else "as asked for"
        return (
            f"{counted(runs, 'run')}, seed {self.scenario.seed}: {why}; a band takes {least()}, and p is a multiple of "
            f"{_p(1 / (runs + 1))}"
        )

    @property
    def footnotes(self) -> list[str]:
        """What to know to read the table."""
        unknown = sum(one.inside is None for one in self.measures.values())
        cut = f"Of {counted(unknown, 'measure')} that cannot be said: not every rollout was seen to its end."
        return [
            "If the model is right, one measure in twenty is outside its band all the same.",
            *([cut] if unknown else []),
            "error: the real value against the median of the simulated ones; times count from the rollout's opening.",
        ]

    def describe(self) -> str:
        """In words: how accurate the model is, and a table of all measures."""
        first, *more = self.sentences
        return "\n".join(
            [
                f"{self.scenario.name}: {first}",
                *more,
                *self.notes,
                self.enough,
                "",
                *(f"  {line}" for line in columns(self.rows, left=2)),
                "",
                *self.footnotes,
            ]
        )

    def __str__(self) -> str:
        return self.describe()

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The table of all measures as text, its heads first."""
        rows: list[tuple[str, ...]] = [("metric", "unit", "real", "simulated", "95 % band", "inside", "error")]
        for metric in self.asked:
            one = self.measures[metric.path]
            scale = Scale.of(metric.kind.unit, (one.real, one.simulated_median))
            digits = half_width(one.band95)
            rows.append(
                (
                    metric.path,
                    scale.unit,
                    scale.shown(one.real, digits),
                    scale.shown(one.simulated_median, digits),
                    scale.interval(one.band95),
                    {True: "yes", False: "no", None: "?"}[one.inside],
                    "-" if one.error is None else _signed(one.error),
                )
            )
        return rows

    @property
    def part_rows(self) -> list[tuple[str, ...]]:
        """Where the time of each wave went, as a table of text, its heads first."""
        rows: list[tuple[str, ...]] = [("rollout", "wave", "part", "real", "simulated", "95 % band", "inside")]
        for rollout in self.rollouts:
            rows += [
                (
                    rollout.pair.real,
                    str(part.wave),
                    PARTS_SAID[part.what],
                    duration(part.real),
                    duration(part.median),
                    _between(part),
                    "yes" if part.inside else "no",
                )
                for part in rollout.parts
            ]
        return rows

    def _accuracy(self) -> str:
        one, name = self.measures[self.first.path], phrase(self.first).name
        known = [measure for measure in self.measures.values() if measure.inside is not None]
        inside = sum(bool(measure.inside) for measure in known)
        are = f"{inside} of {counted(len(known), 'measure')} {'is' if len(known) == 1 else 'are'} inside the 95 % band"
        scale = Scale.of(self.first.kind.unit, (one.real, one.simulated_median))
        digits = half_width(one.band95)
        if one.error is None:
            sides = [
                f"{side} {scale.shown(value, digits)} {scale.unit}".rstrip()
                if value is not None
                else f"{side} not reached"
                for side, value in (("real", one.real), ("simulated", one.simulated_median))
            ]
            return f"no error of {name} can be told ({', '.join(sides)}); {are}"
        values = f"real {scale.shown(one.real, digits)}, simulated {scale.shown(one.simulated_median, digits)}"
        return f"accurate to {percent(abs(one.error))} on {name} ({values} {scale.unit}".rstrip() + f"); {are}"


def _plain(one: Validated) -> dict[str, Any]:
    deviation = one.deviation
    return {
        "real": one.pair.real,
        "simulated": one.pair.simulated,
        "finished": one.finished,
        "curve_coverage": one.curves["converged"].coverage,
        "eligible_coverage": one.curves["eligible"].coverage,
        "p": one.p,
        "deviates": None
        if deviation is None
        else {
            "at_s": deviation.at_s,
            "curve": deviation.curve,
            "direction": "ahead" if deviation.ahead else "behind",
            "wave": deviation.wave,
            "cause": None if deviation.cause is None else _plain_part(deviation.cause),
        },
        "parts": [_plain_part(part) for part in one.parts],
    }


def _plain_part(part: Part) -> dict[str, Any]:
    return {
        "wave": part.wave,
        "part": part.what,
        "real": part.real,
        "simulated_median": part.median,
        "band95": [end if math.isfinite(end) else None for end in (part.low, part.high)],
        "inside": part.inside,
    }


def _of_rollout(one: Validated) -> list[str]:
    coverage = one.curves["converged"].coverage
    if coverage is None:
        return [f"of the curve of {one.pair.name} nothing can be said: it was not seen until a host was there or due"]
    what = f"the curve of {one.pair.name} is inside its band for {percent(coverage)} of the hosts"
    if not one.finished:
        what += " as far as it was seen"
    verdict = "stays within" if one.p > 1 - CONFIDENCE else "leaves"
    told = [f"{what}; as a whole it {verdict} what 95 % of the simulated curves cover (p = {_p(one.p)})"]
    if one.deviation is not None:
        told.append(_where(one.curves[one.deviation.curve], one.deviation))
    outside = [part for part in one.parts if not part.inside]
    if outside and (one.deviation is None or one.deviation.cause is None):
        named = "; ".join(f"wave {part.wave}: {_cause(part)}" for part in outside[:PARTS_NAMED])
        are = f"{len(outside)} of {counted(len(one.parts), 'part')} of waves {'is' if len(outside) == 1 else 'are'}"
        told.append(f"{are} outside the band, where one in twenty is by luck alone: {named}")
    return told


def _where(curve: Curve, found: Deviation) -> str:
    share, low, high = curve.share(found.at_s)
    way = "ahead" if found.ahead else "behind"
    wave = "before the first wave begins" if found.wave is None else f"in wave {found.wave}"
    between = percent(low) if low == high else f"{percent(low)} to {percent(high)}"
    head = (
        f"from {duration(found.at_s)} after its opening on, {wave}, it is {way}: {percent(share)} {found.curve}, "
        f"{between} expected"
    )
    if found.cause is None:
        return f"{head}; no part of a wave by itself is so far off"
    return f"{head}; wave {found.cause.wave}: {_cause(found.cause)}"


def _cause(part: Part) -> str:
    longer, shorter, each = _CAUSES[part.what]
    if part.what == "opening_s" and part.wave == 0:
        each = "after the opening"
    return f"{longer if part.real > part.median else shorter}, {duration(part.real)} {each} ({_between(part)} expected)"


def _between(part: Part) -> str:
    low, high = duration(part.low), "never" if math.isinf(part.high) else duration(part.high)
    return low if low == high else f"{low} to {high}"


def _signed(error: float) -> str:
    return f"{'+' if error > 0 else '-' if error < 0 else ''}{percent(abs(error))}"


def _p(value: float) -> str:
    return f"{value:.2g}"
