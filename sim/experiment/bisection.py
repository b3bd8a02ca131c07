"""The first of many values at which goals are met, from noisy runs, with a bound on how often the answer is wrong.

Pure: the values are places, from the one that is wanted most to the one that is wanted least, and runs are sequences of
outcomes, one per goal. What is tried and for how long follows from the outcomes alone.

At each value the sequential test of `sim.experiment.sequential` decides. The chance of any wrong decision is split over
the most values that can be tried, and at one value over the goals, so that by the union bound all decisions together
are right with the confidence asked for, shares within the margin of their goals aside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from typing import Literal

from sim.experiment.sequential import ShareTest, Verdict, least_runs

Outcome = tuple[bool, ...]
"""Of one run: which of the goals it reaches."""
Runs = Callable[[int, int], Generator[Outcome, None, None]]
"""(place, first) -> the outcomes of the runs of a value from replication `first` on, as many as there may be."""
Ending = Literal["found", "all", "first", "none", "apart", "interrupted"]
"""How a search ended: with a value inside the range; with the first value where those looked at beyond it meet, too, or
where not all do; without one, because the last value does not meet either, or because goals that are each met somewhere
are not met together; or somebody interrupted it."""
CHECKS = 2
"""Values looked at besides those of the bisection, only to see whether it was right to take the order for granted."""


class Tried:
    """A value that has been tried, and what is known of it."""

    def __init__(self, place: int, tests: Sequence[ShareTest]):
        self.place = place
        self.tests = list(tests)
        self.runs = 0
        self.exhausted = False
        """Whether it has had as many runs as it may have."""

    def verdict(self, goals: Sequence[int] | None = None) -> Verdict | None:
        """Of these goals together, all if None: None where it is not decided."""
        found = [self.tests[goal].verdict for goal in (range(len(self.tests)) if goals is None else goals)]
        if "fails" in found:
            return "fails"
        return "meets" if all(one == "meets" for one in found) else None

    def settled(self, goals: Sequence[int] | None = None) -> bool:
        """Whether it is done with: decided for these goals together, or run as often as may be."""
        return self.exhausted or self.verdict(goals) is not None


class Search:
    """A search; `find` carries it out, and what it has found is there also after an interruption."""

    def __init__(self, size: int, shares: Sequence[float], runs: Runs, *, confidence: float, margin: float):
        """`size`: how many values, at least two. `shares`: of each goal the share of runs that is to reach it."""
        self.size = size
        self.goals = list(range(len(shares)))
        self.at_most = most_tried(size)
        self.answer: int | None = None
        self.ending: Ending = "interrupted"
        self.wanted: list[int] = self.goals
        """The goals that the first value does not meet: those that more of it is to bring about."""
        self.tried: dict[int, Tried] = {}
        """By place, in the order of trying."""
        self._runs = runs
        self._shares = list(shares)
        self._margin = margin
        self._error = (1 - confidence) / self.at_most

    def find(self) -> None:
        """Look for the first value that meets all goals."""
        first, end = self._look(0, each=True), self.size - 1
        if first.verdict() == "meets":
            self._first_meets(end)
            return
        self.wanted = [goal for goal in self.goals if first.tests[goal].verdict != "meets"]
        if self._look(end, self.wanted).verdict(self.wanted) == "meets":
            below, place = 0, end
            while place - below > 1:
                middle = (below + place) // 2
                if self._look(middle, self.wanted).verdict(self.wanted) == "meets":
                    place = middle
                else:
                    below = middle
            met = self._look(place).verdict() == "meets"
            self.answer, self.ending = (place, "found") if met else (None, "apart")
        else:
            below, self.ending = end, "none"
        self._check(below)

    @property
    def surprises(self) -> list[tuple[int, int]]:
        """Pairs of tried places that are the wrong way round: the first meets, the second, wanted less, fails."""
        known = [(place, self.tried[place].verdict(self.wanted)) for place in sorted(self.tried)]
        return [
            (here, there)
            for number, (here, verdict) in enumerate(known)
            for there, other in known[number + 1 :]
            if (verdict, other) == ("meets", "fails")
        ]

    @property
    def neighbour(self) -> Tried | None:
        """The last tried value before the answer."""
        before = [place for place in self.tried if self.answer is not None and place < self.answer]
        return self.tried[max(before)] if before else None

    @property
    def bracket(self) -> tuple[int, int] | None:
        """Between which places the answer is so far: the first fails, the second meets. None if there are none such."""
        meets = [place for place, one in self.tried.items() if one.verdict(self.wanted) == "meets"]
        if not meets:
            return None
        fails = [place for place, one in self.tried.items() if place < min(meets) and one.settled(self.wanted)]
        return (max(fails), min(meets)) if fails else None

    @property
    def judged(self) -> Tried:
        """The value that the answer is about: itself; or, where there is none, the one that comes nearest to it."""
        if self.answer is not None:
            return self.tried[self.answer]
        meets = [place for place, one in self.tried.items() if one.verdict(self.wanted) == "meets"]
        if self.ending == "apart" and meets:
            return self.tried[min(meets)]
        return self.tried.get(self.size - 1) or next(iter(self.tried.values()))

    @property
    def binding(self) -> list[bool]:
        """Of each goal, whether the answer would be nearer to the first value without it."""
        at = self.neighbour if self.answer is not None else self.judged
        if at is None or self.ending in ("interrupted", "all", "first"):
            return [False for _ in self.goals]
        verdicts = [test.verdict for test in at.tests]
        if self.ending == "apart":
            return [goal in self.wanted or verdicts[goal] != "meets" for goal in self.goals]
        least: Verdict | None = "fails" if "fails" in verdicts else None
        return [goal in self.wanted and verdict == least for goal, verdict in enumerate(verdicts)]

    def _first_meets(self, end: int) -> None:
        self.answer, self.ending = 0, "first"
        others = dict.fromkeys((end, end // 2))
        if all(place == 0 or self._look(place).verdict() == "meets" for place in others):
            self.ending = "all"

    def _check(self, below: int) -> None:
        """Look where none is expected to meet, in the middle of the widest gaps between those tried."""
        for _ in range(CHECKS):
            places = [place for place in sorted(self.tried) if place <= below]
            width, left = max(((b - a, a) for a, b in pairwise(places)), default=(0, 0))
            if width < 2:
                return
            place = left + width // 2
            if self._look(place, self.wanted).verdict(self.wanted) != "meets":
                continue
            if self._look(place).verdict() == "meets":
                self.answer, self.ending = place, "found"
                return

    def _look(self, place: int, goals: Sequence[int] | None = None, *, each: bool = False) -> Tried:
        """Run a value until these goals (all if None) are decided: `each` of them, or as soon as one fails."""
        asked = self.goals if goals is None else list(goals)
        one = self.tried.setdefault(place, Tried(place, list(self._tests())))
        if one.exhausted or _decided(one, asked, each):
            return one
        with closing(self._runs(place, one.runs)) as outcomes:
            for outcome in outcomes:
                one.runs += 1
                for test, hit in zip(one.tests, outcome, strict=True):
                    test.add(hit)
                if _decided(one, asked, each):
                    return one
        one.exhausted = True
        return one

    def _tests(self) -> Iterator[ShareTest]:
        for share in self._shares:
            yield ShareTest(share, self._margin, *errors(self._error, len(self.goals)))


def most_tried(size: int) -> int:
    """The most values that a search among `size` tries: both ends, those of the bisection, and the checks."""
    return min(2 + math.ceil(math.log2(max(size - 1, 1))) + CHECKS, size)


def errors(error: float, goals: int) -> tuple[float, float]:
    """The chances of a goal's test to be wrong, by saying `meets` and `fails`, for one value to be judged wrongly at
    most so often: one that fails is taken for one that meets only if the test of a failing goal errs, the other way
    round if the test of any goal does."""
    return error, error / goals


def least_runs_of(size: int, share: float, *, confidence: float, margin: float) -> int:
    """How many runs a value needs at least to be seen to reach a goal."""
    return least_runs(share, margin, (1 - confidence) / most_tried(size))


def _decided(one: Tried, goals: Sequence[int], each: bool) -> bool:
    if each:
        return all(one.tests[goal].verdict is not None for goal in goals)
    return one.verdict(goals) is not None
