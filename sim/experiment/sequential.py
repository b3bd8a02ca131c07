"""Whether a share of runs is high enough, asked after every run, with a bound on how often the answer is wrong.

Two one-sided sequential tests at once, each a mixture of Wald's probability ratios ("Sequential Tests of Statistical
Hypotheses", 1945; the mixture is Robbins', 1970). To meet, the runs have to speak against every share up to `low`; to
fail, against every share from `high` on. Each ratio has a mean of at most 1 where what it speaks against is true, so by
Ville's inequality the chance that it ever reaches 1/error is at most that error, however often one looks. Half the
weight is on the other end of the zone between `low` and `high`, so that a share in there is decided, too, one way or
the other; the rest is beyond it, so that a share far away is decided in few runs.
"""

from __future__ import annotations

import math
from typing import Literal

Verdict = Literal["meets", "fails"]

_BEYOND = (0.5, 1.0)
"""How far from the zone to a share of 1 the other alternatives are, for one that meets."""
_BELOW = (0.75, 0.25)
"""What of the zone's lower end the other alternatives are, for one that fails."""


class ShareTest:
    """A share of runs against a wanted one: fed the outcomes of one run after the other until it has decided."""

    def __init__(self, share: float, margin: float, error_meets: float, error_fails: float):
        """`share`: what is wanted. `margin`: how near to it a share may go either way; where it would reach beyond 0 or
        1, half the way there. `error_meets`: chance to say `meets` of a share below; `error_fails`: and the
        other way round."""
        self.low = share - min(margin, share / 2)
        self.high = share + min(margin, (1 - share) / 2)
        self.hits = 0
        self.runs = 0
        self.verdict: Verdict | None = None
        self._enough = -math.log(error_meets), -math.log(error_fails)
        above = (self.high, *(self.high + (1 - self.high) * part for part in _BEYOND))
        below = (self.low, *(self.low * part for part in _BELOW))
        self._meets = [_Ratio(one, self.low) for one in above]
        self._fails = [_Ratio(one, self.high) for one in below]

    def add(self, hit: bool) -> None:
        """One more run; after the verdict runs only count."""
        self.runs += 1
        self.hits += hit
        if self.verdict is not None:
            return
        misses = self.runs - self.hits
        if _mixture(self._meets, self.hits, misses) >= self._enough[0]:
            self.verdict = "meets"
        elif _mixture(self._fails, self.hits, misses) >= self._enough[1]:
            self.verdict = "fails"


def least_runs(share: float, margin: float, error: float) -> int:
    """How many runs it takes to say of a share that it meets, if all of them do."""
    test = ShareTest(share, margin, error, error)
    while test.verdict is None:
        test.add(True)
    return test.runs


class _Ratio:
    """The logarithm of how much likelier outcomes are under one share than under another."""

    def __init__(self, share: float, than: float):
        self._hit = math.log(share / than)
        self._miss = _log(1 - share) - _log(1 - than)

    def of(self, hits: int, misses: int) -> float:
        # without a miss an impossible one says nothing
        return hits * self._hit + (misses * self._miss if misses else 0.0)


def _log(share: float) -> float:
    # 1e-300 stands for zero, so that no infinity is taken from another
    return math.log(max(share, 1e-300))


def _mixture(ratios: list[_Ratio], hits: int, misses: int) -> float:
    """The logarithm of the mixture: half of the first, the rest of the others alike."""
    first, *others = (one.of(hits, misses) for one in ratios)
    weighted = [first - math.log(2), *(one - math.log(2 * len(others)) for one in others)]
    most = max(weighted)
    return most + math.log(sum(math.exp(one - most) for one in weighted))
