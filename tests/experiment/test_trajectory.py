"""Trajectories: small, the same for the same run, and telling where another run parts from them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pandas as pd
import pytest

import sim
from sim.experiment import ExperimentError
from sim.experiment.trajectory import MOST_MARKS, Parting, Trajectory, parting, trajectory, trimmed
from sim.scenario.schema import Scenario


@pytest.fixture
def moves(twenty_hosts: Scenario) -> pd.DataFrame:
    """Sixty transitions."""
    return sim.run(twenty_hosts).transitions


def named(row: pd.Series) -> tuple[str, ...]:
    return row["rollout_id"], row["host"], row["from"], row["to"]


def names(found: Parting) -> tuple[str | None, ...]:
    return found.rollout_id, found.host, found.source, found.target


def changed(moves: pd.DataFrame, place: int, **values: object) -> pd.DataFrame:
    other = moves.copy()
    for column, value in values.items():
        other.loc[place, column] = value
    return other


def test_the_same_run_does_not_part(twenty_hosts: Scenario, moves: pd.DataFrame) -> None:
    again = sim.run(twenty_hosts).transitions
    for rows in (0, 7, 500):
        kept = trajectory(moves, rows)
        assert kept == trajectory(again, rows)
        assert parting(kept, again) is None
    assert parting(trimmed([trajectory(moves)])[0], again) is None


def test_other_luck_parts(twenty_hosts: Scenario, moves: pd.DataFrame) -> None:
    other = sim.run(twenty_hosts, replication=1).transitions
    found = parting(trajectory(moves), other)
    assert found is not None
    number = next(k for k in range(len(moves)) if not moves.iloc[k].equals(other.iloc[k]))
    assert (found.number, found.up_to) == (number + 1, number + 1)


@pytest.mark.parametrize("clock", ["at", "cp_at"])
def test_one_tick_is_enough(moves: pd.DataFrame, clock: str) -> None:
    later = changed(moves, 30, **{clock: moves.loc[30, clock] + 2**-20})
    found = parting(trajectory(moves), later)
    assert found is not None
    assert (found.number, found.up_to, names(found)) == (31, 31, named(moves.loc[30]))
    assert found.was == (moves.loc[30, "at"], moves.loc[30, "cp_at"])
    assert found.is_now == (later.loc[30, "at"], later.loc[30, "cp_at"])


def test_a_time_that_was_never_known_differs_from_one_that_was(moves: pd.DataFrame) -> None:
    unknown = changed(moves, 5, cp_at=np.nan)
    assert parting(trajectory(unknown), unknown) is None
    found = parting(trajectory(unknown), moves)
    assert found is not None
    assert found.was == (moves.loc[5, "at"], None)


def test_a_transition_that_is_not_made_any_more(moves: pd.DataFrame) -> None:
    found = parting(trajectory(moves), moves.drop(30).reset_index(drop=True))
    assert found is not None
    assert (found.number, names(found), found.is_now, found.unknown) == (31, named(moves.loc[30]), None, False)
    assert found.was == (moves.loc[30, "at"], moves.loc[30, "cp_at"])


def test_a_transition_that_was_not_made_then(moves: pd.DataFrame) -> None:
    found = parting(trajectory(moves.drop(30).reset_index(drop=True)), moves)
    assert found is not None
    assert (found.number, names(found), found.was, found.unknown) == (31, named(moves.loc[30]), None, False)
    # of a run of which only the first rows are kept it may have come later
    found = parting(trajectory(moves.drop(30).reset_index(drop=True), 40), moves)
    assert found is not None
    assert (found.number, found.was, found.unknown) == (31, None, True)


@pytest.mark.parametrize("rows", [0, 20, 500])
def test_a_run_that_goes_on(moves: pd.DataFrame, rows: int) -> None:
    found = parting(trajectory(moves.head(50), rows), moves)
    assert found is not None
    assert (found.number, found.up_to, names(found), found.was) == (51, 51, named(moves.loc[50]), None)


def test_a_run_that_ends_early(moves: pd.DataFrame) -> None:
    found = parting(trajectory(moves), moves.head(50))
    assert found is not None
    assert (found.number, names(found), found.is_now) == (51, named(moves.loc[50]), None)
    found = parting(trajectory(moves, 0), moves.head(50))
    assert found is not None
    assert found.number <= 51 <= found.up_to


@pytest.mark.parametrize("place", range(0, 60, 7))
def test_beyond_the_rows_the_marks_enclose_it(moves: pd.DataFrame, place: int) -> None:
    later = changed(moves, place, at=moves.loc[place, "at"] + 1.0)
    found = parting(trajectory(moves, 0), later)
    assert found is not None
    assert found.number <= place + 1 <= found.up_to
    assert found.up_to - found.number < 4 == 64 // MOST_MARKS
    assert found.unknown
    assert names(found) == named(moves.loc[found.number - 1])


def test_no_transitions(moves: pd.DataFrame) -> None:
    none = trajectory(moves.head(0))
    assert parting(none, moves.head(0)) is None
    found = parting(none, moves)
    assert found is not None
    assert (found.number, names(found), found.was) == (1, named(moves.loc[0]), None)


def test_little_is_kept(load: Callable[..., Scenario], twenty_hosts: Scenario) -> None:
    many = sim.run(sim.load("scenarios/superseded.yaml")).transitions
    assert len(many) == 2700
    kept = trajectory(many)
    assert len(kept.marks.split()) <= MOST_MARKS
    assert len(msgspec.json.encode(kept)) < 5_000


def test_rows_are_kept_of_the_first_runs_alone(moves: pd.DataFrame) -> None:
    run = trajectory(moves)
    first, second, third, fourth = trimmed([run] * 4, 150)
    assert first.first == second.first == run.first
    assert third.first == fourth.first == ""
    assert first.marks == second.marks == ""
    assert len(third.marks.split()) > 1
    assert all(parting(one, moves) is None for one in (first, second, third))
    cut = trimmed([trajectory(moves, 10), trajectory(moves, 10)], 10)
    assert [bool(one.first) for one in cut] == [True, False]
    assert parting(cut[0], moves) is None


@pytest.mark.parametrize("first", ["?", "AAAA", "eJyrVkrLLypVslIyVKoFABq3A4E="])
def test_damage_is_told(moves: pd.DataFrame, first: str) -> None:
    run = trajectory(moves)
    with pytest.raises(ExperimentError, match="damaged"):
        parting(msgspec.structs.replace(run, first=first), moves)
    with pytest.raises(ExperimentError, match="marks"):
        parting(Trajectory(60, "0", ""), moves)
