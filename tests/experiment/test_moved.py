"""Whether a metric has moved: sizes, directions, and how often luck alone seems to be a change."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from scipy import stats

from sim.experiment.metrics import Kind
from sim.experiment.moved import ALPHA, change, holm

TIME = Kind("s", "less")
THROUGHPUT = Kind("hosts/h", "more", -np.inf)
COUNT = Kind("count")


def test_nothing_has_moved() -> None:
    for paired in (True, False):
        found = change([1.0, 2.0, 4.0], [1.0, 2.0, 4.0], TIME, paired=paired)
        assert (found.relative, found.p) == (0.0, 1.0)
        assert not found.exceeds(0.0)
    assert change([None, None], [None, None], TIME, paired=True).p == 1.0


def test_a_shift_is_certain_where_the_luck_is_the_same_and_hidden_where_it_is_not() -> None:
    was = [100.0, 160.0, 90.0, 130.0, 250.0]
    later = [value + 7.5 for value in was]
    assert change(was, later, TIME, paired=True).p == 0.0
    assert change(was, later, TIME, paired=False).p > 0.5
    assert change(was, later, TIME, paired=True).relative == pytest.approx(7.5 / 146)


def test_values_that_never_vary() -> None:
    assert change([3.0, 3.0], [4.0, 4.0], TIME, paired=False).p == 0.0
    assert change([3.0, 3.0], [3.0, 3.0], TIME, paired=False).p == 1.0


def test_the_tests_are_those_of_the_field() -> None:
    random = np.random.default_rng(5)
    was, now = random.gamma(4, 10, 10), random.gamma(4, 14, 10)
    paired = change(was.tolist(), now.tolist(), TIME, paired=True).p
    assert paired == pytest.approx(stats.ttest_1samp(now - was, 0).pvalue)
    welch = change(was.tolist(), now.tolist(), TIME, paired=False).p
    assert welch == pytest.approx(stats.ttest_ind(was, now, equal_var=False).pvalue)


@pytest.mark.parametrize(("kind", "direction"), [(TIME, 1), (THROUGHPUT, -1)])
def test_which_way(kind: Kind, direction: int) -> None:
    was, more = [10.0, 11.0, 12.0], [20.0, 21.0, 22.0]
    assert change(was, more, kind, paired=True).way(kind) == ("worse" if direction > 0 else "better")
    assert change(more, was, kind, paired=True).way(kind) == ("better" if direction > 0 else "worse")
    assert change(was, more, COUNT, paired=True).way(COUNT) == "other"


@pytest.mark.parametrize("kind", [TIME, THROUGHPUT])
def test_runs_that_do_not_get_there_any_more(kind: Kind) -> None:
    was = [10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0]
    found = change(was, [None] * 10, kind, paired=True)
    assert (found.was, found.is_now, found.reached, found.relative) == (14.0, None, (1.0, 0.0), None)
    # of all ways to share out ten that got there among twenty runs, two part them like this
    assert found.p == pytest.approx(2 * 2 / comb(20, 10))
    assert found.exceeds(0.99)
    assert found.way(kind) == "worse"
    assert change([None] * 10, was, kind, paired=True).way(kind) == "better"


def test_the_share_tells_where_the_median_does_not() -> None:
    was = [5.0] * 10
    found = change(was, [5.0] * 6 + [None] * 4, TIME, paired=True)
    assert (found.was, found.is_now, found.relative) == (5.0, 5.0, 0.0)
    assert found.exceeds(0.39)
    assert not found.exceeds(0.41)
    assert found.way(TIME) == "worse"


def test_from_nothing_to_something_exceeds_any_tolerance() -> None:
    found = change([0.0, 0.0], [3.0, 5.0], Kind("hosts", "less"), paired=True)
    assert (found.was, found.is_now, found.relative) == (0.0, 4.0, None)
    assert found.exceeds(100.0)


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("censored", [True, False])
def test_luck_alone_fails_no_more_checks_than_it_says(paired: bool, censored: bool) -> None:
    random = np.random.default_rng(3)
    checks, alarms = 400, 0
    for _ in range(checks):
        chances = []
        for _ in range(20):
            was, now = random.lognormal(3, 0.5, (2, 10)).tolist()
            if censored:
                was, now = ([None if one > 40 else one for one in values] for values in (was, now))
            chances.append(change(was, now, TIME, paired=paired).p)
        alarms += min(holm(chances)) < ALPHA
    # as many as a true rate of ALPHA passes in all but one of a thousand tests
    assert alarms <= stats.binom.ppf(0.999, checks, ALPHA)
