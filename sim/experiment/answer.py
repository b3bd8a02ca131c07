"""What a search for the value of a setting has found, as data and in words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sim.experiment import intervals
from sim.experiment.bisection import Ending
from sim.experiment.bottleneck import Bottleneck
from sim.experiment.goals import Goal
from sim.experiment.points import Columns, frame
from sim.experiment.ranges import Span
from sim.experiment.wording import as_given, columns, percent
from sim.result.words import counted
from sim.scenario.schema import Scenario

if TYPE_CHECKING:
    import pandas as pd

_MET = {"meets": True, "fails": False, "undecided": None}
PARTS_SHOWN = 3


class Candidate(NamedTuple):
    """A value that has been tried."""

    value: float
    """As a scenario takes it: durations in seconds, percentages as numbers."""
    runs: int
    verdict: Literal["meets", "fails", "undecided"]
    """Of the goals together; of a search with several, those that it is about at that value."""
    hits: tuple[int, ...]
    """Of each goal the runs that reached it."""

    def shares(self) -> list[float]:
        """Of each goal the share of the runs that reached it."""
        return [hits / self.runs for hits in self.hits]

    def estimates(self) -> list[tuple[float, tuple[float, float]]]:
        """Of each goal that share and its 95 % interval."""
        return [intervals.share(hits, self.runs) for hits in self.hits]


@dataclass(frozen=True)
class Capacity:
    """The smallest (or largest) value of a setting that meets service goals; `print` it."""

    scenario: Scenario
    values: Span
    largest: bool
    goals: list[Goal]
    confidence: float
    margin: float
    most: int
    """Runs after which a value is left undecided."""
    answer: float | None
    """As a scenario takes it: durations in seconds, percentages as numbers. None if no value meets the goals, or if it
    was interrupted before that was known."""
    ending: Ending
    tried: list[Candidate]
    """In the order of their values."""
    at_most: int
    """How many values could have been tried; the chance of an error is split over so many."""
    judged: Candidate
    """The answer, or, where there is none, the value that comes nearest to it."""
    neighbour: Candidate | None
    """The tried value before the answer, which fails."""
    binding: list[bool]
    """Of each goal, whether the answer would be further on without it."""
    surprises: list[tuple[float, float]]
    """Pairs of values of which the first meets and the second, from which more was to be expected, does not."""
    bottleneck: Bottleneck | None
    """What most of the time goes into at the value judged."""
    columns: Columns
    """The columns of `table`."""
    interrupted: bool

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per run in the order of trying: the value, the replication, and a column per metric; NaN where the run
        ended without reaching it."""
        return frame(self.columns)

    @property
    def runs(self) -> int:
        """How many there were, of all values together."""
        return len(self.columns["replication"])

    @property
    def summary(self) -> dict[str, Any]:
        """The plain data of spec page 10 that `capacity --json` prints."""
        narrow = self.bottleneck
        return {
            "scenario": self.scenario.name,
            "seed": self.scenario.seed,
            "find": self.values.path,
            "between": [self.values.at(0), self.values.at(self.values.size - 1)],
            "step": float(self.values.step),
            "largest": self.largest,
            "confidence": self.confidence,
            "margin": self.margin,
            "answer": self.answer,
            "unit": self.values.unit,
            "ending": self.ending,
            "at": self.judged.value,
            "goals": [
                {"goal": goal.text, "share": goal.share, "holds_with": share, "ci95": list(around), "binding": binds}
                for goal, binds, (share, around) in zip(self.goals, self.binding, self.judged.estimates(), strict=True)
            ],
            "tried": [
                {"value": one.value, "runs": one.runs, "met": _MET[one.verdict], "holds_with": one.shares()}
                for one in self.tried
            ],
            "bottleneck": None
            if narrow is None
            else {
                "what": narrow.what,
                "share": narrow.share,
                "of": "critical path" if narrow.finished else "hosts' time",
                "shares": dict(narrow.shares),
                "runs": narrow.runs,
            },
            "runs": self.runs,
            "monotone": not self.surprises,
            "interrupted": self.interrupted,
            "says": self.sentences,
        }

    @property
    def sentences(self) -> list[str]:
        """The answer, what binds, what the bottleneck is, and what speaks against it."""
        found = [self._answer(), self._binds(), self._bottleneck(), self._undecided(), self._order()]
        return [one for one in found if one]

    def describe(self) -> str:
        """In words: the answer, how many runs and why that was enough, and a table of the values tried."""
        first, *more = self.sentences
        several = len(self.goals) > 1
        return "\n".join(
            [
                f"{self.scenario.name}: {first}",
                *more,
                self.enough,
                *([f"goal {number}: {goal.said}" for number, goal in enumerate(self.goals, 1)] if several else []),
                "",
                *(f"  {line}" for line in columns(self.rows, left=0)),
                "",
                *self.footnotes,
            ]
        )

    def __str__(self) -> str:
        return self.describe()

    @property
    def enough(self) -> str:
        """How many runs there are, and why not more."""
        runs = f"{counted(self.runs, 'run')} of {counted(len(self.tried), 'value')}"
        return f"{runs}, seed {self.scenario.seed}: {self._why()}"

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The table of the values tried as text, its heads first."""
        several = len(self.goals) > 1
        heads = [f"goal {number}" for number in range(1, len(self.goals) + 1)] if several else ["met"]
        rows = [("value", "runs", *(head for one in heads for head in (one, "95 % interval")), "verdict")]
        for one in self.tried:
            cells = [
                cell
                for share, (low, high) in one.estimates()
                for cell in (percent(share), f"{percent(low)} to {percent(high)}")
            ]
            verdict = "the answer" if one.value == self.answer else one.verdict
            rows.append((self.values.said(one.value), f"{one.runs:,}", *cells, verdict))
        return rows

    @property
    def footnotes(self) -> list[str]:
        """What to know to read the table."""
        return ["Intervals are 95 %, Wilson's; the verdicts are those of a sequential test (a mixture of Wald's)."]

    def _answer(self) -> str:
        path, low, high = self.values.path, self._value(0), self._value(self.values.size - 1)
        which = "largest" if self.largest else "smallest"
        goals = " and ".join(goal.said for goal in self.goals)
        match self.ending:
            case "found":
                assert self.answer is not None
                return f"{self.values.said(self.answer)} is the {which} {path} from {low} to {high} with which {goals}"
            case "all" | "first":
                assert self.answer is not None
                here = self.values.said(self.answer)
                if self.ending == "all":
                    return (
                        f"with every {path} from {low} to {high}, {goals}; the {which} is the end of the range, {here}"
                    )
                return f"{here}, the end of the range, is the {which} {path} from {low} to {high} with which {goals}"
            case "none" | "apart":
                together = " together" if self.ending == "apart" else ""
                return f"no {path} from {low} to {high} is enough{together} for {goals}"
            case "interrupted":
                return f"interrupted: the {which} {path} from {low} to {high} with which {goals} is not known yet"

    def _binds(self) -> str:
        at = self.neighbour if self.answer is not None else self.judged
        if at is None or not any(self.binding):
            return ""
        where = self.values.said(at.value)
        held = [
            f"{goal.said}: at {where} it is so in {hits:,} of {counted(at.runs, 'run')}"
            for goal, hits, binds in zip(self.goals, at.hits, self.binding, strict=True)
            if binds
        ]
        return f"what {'binds' if self.answer is not None else 'fails'} is {', and '.join(held)}"

    def _bottleneck(self) -> str:
        narrow = self.bottleneck
        if narrow is None:
            return ""
        parts = [f"{what} {percent(share)}" for what, share in list(narrow.shares.items())[:PARTS_SHOWN]]
        of = "the critical path" if narrow.finished else "the hosts' time in rollouts that do not finish"
        where = self.values.said(self.judged.value)
        return f"the bottleneck at {where} is {parts[0]} of {of}" + (
            f", then {', '.join(parts[1:])}" if parts[1:] else ""
        )

    def _undecided(self) -> str:
        values = [self.values.said(one.value) for one in self.tried if one.verdict == "undecided"]
        if not values or self.interrupted:
            return ""
        return f"undecided after {self.most:,} runs, and taken not to meet: {', '.join(values)}"

    def _order(self) -> str:
        better = "smaller" if self.largest else "larger"
        if not self.surprises:
            return ""
        meets, fails = (self.values.said(value) for value in self.surprises[0])
        if self.ending == "first":
            other = "smallest" if self.largest else "largest"
            return f"{fails} does not meet: if {better} values do worse, look for the {other}"
        return f"not monotone: {meets} meets, {fails} does not; other values may meet, too, and a sweep shows which"

    def _why(self) -> str:
        if self.interrupted:
            return "interrupted; the same command with the same directory goes on"
        undecided = sum(one.verdict == "undecided" for one in self.tried)
        if undecided == len(self.tried):
            return f"not enough to decide on any of them; no value may have more than {self.most:,}"
        each = (1 - self.confidence) / self.at_most
        aside = f"shares within {as_given(self.margin)} of a goal's may go either way"
        short, others = (f"not enough to decide on {undecided:,} of them; ", "other ") if undecided else ("", "")
        return (
            f"{short}enough for {as_given(self.confidence)} confidence that no {others}verdict is wrong "
            f"({percent(each)} of error for each of at most {self.at_most}); {aside}"
        )

    def _value(self, place: int) -> str:
        return self.values.said(self.values.at(place))
