"""The sequential test of a share: its errors hold however often it is asked, and it needs few runs."""

from __future__ import annotations

import math
import random

import pytest

from sim.experiment.sequential import ShareTest, least_runs

REPEATS = 2_000


def decided(share: float, seed: int, *, error: float = 0.05) -> ShareTest:
    test, draws = ShareTest(0.9, 0.05, error, error), random.Random(seed)
    while test.verdict is None:
        test.add(draws.random() < share)
    return test


@pytest.mark.parametrize(("share", "wrong"), [(0.95, "fails"), (0.85, "meets")])
def test_at_the_ends_of_the_zone_it_errs_no_more_than_it_says(share: float, wrong: str) -> None:
    errors = sum(decided(share, seed).verdict == wrong for seed in range(REPEATS))
    # 4 standard deviations of a count with this error at most
    assert errors <= REPEATS * 0.05 + 4 * math.sqrt(REPEATS * 0.05 * 0.95)
    assert errors > 0  # it is not so careful that it wastes runs


def test_in_the_zone_it_decides_too() -> None:
    assert {decided(0.9, seed).verdict for seed in range(50)} == {"meets", "fails"}


def test_far_away_it_needs_few_runs() -> None:
    assert [decided(0.0, seed).runs for seed in range(3)] == [2, 2, 2]
    assert decided(1.0, 0).runs == least_runs(0.9, 0.05, 0.05)
    # Wald's test with the same errors and nothing beyond the zone takes 27 runs without a miss
    assert least_runs(0.9, 0.05, 0.05) < math.log(1 / 0.05) / math.log(0.95 / 0.85)


def test_all_runs_wanted_one_that_misses_fails() -> None:
    test = ShareTest(1.0, 0.02, 0.01, 0.01)
    test.add(True)
    assert test.verdict is None
    test.add(False)
    assert test.verdict == "fails"


def test_the_zone_stays_between_nothing_and_all() -> None:
    assert (ShareTest(0.99, 0.05, 0.1, 0.1).low, ShareTest(0.99, 0.05, 0.1, 0.1).high) == (0.94, 0.995)
    assert (ShareTest(0.02, 0.05, 0.1, 0.1).low, ShareTest(0.02, 0.05, 0.1, 0.1).high) == (0.01, pytest.approx(0.07))


def test_a_verdict_stays() -> None:
    test = ShareTest(0.5, 0.1, 0.05, 0.05)
    while test.verdict is None:
        test.add(True)
    runs = test.runs
    for _ in range(100):
        test.add(False)
    assert (test.verdict, test.runs, test.hits) == ("meets", runs + 100, runs)
