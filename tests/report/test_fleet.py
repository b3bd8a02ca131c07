"""What the scripts draw from: columns that unpack to the frames, hosts per state at any time as the timeline has."""

from __future__ import annotations

import base64

import numpy as np
import pandas as pd
import pytest

from sim.reducer.records import STATES
from sim.report import fleet as module
from sim.report import hosts as table_module
from sim.report.fleet import fleet
from sim.report.hosts import SHOWN, host_table
from sim.report.packed import NEVER, Names, lengths, numbers, ticks_per_second, times


def unpacked(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype="<u4")


def states_at(grid: dict, rollout: dict, seconds: float) -> list[str]:
    """The state of each host at a time, by the rule of the script."""
    tick = int(np.ceil(seconds * grid["rate"] - 1e-6))
    found = []
    entered = {state: unpacked(rollout["columns"][state]) for state in STATES if state in rollout["columns"]}
    for place in range(sum(rollout["sizes"])):
        state, since = "Pending", 0
        for name in STATES:
            if name in entered and entered[name][place] <= tick and entered[name][place] >= since:
                state, since = name, entered[name][place]
        found.append(state)
    return found


def counts_of(timeline, rollout_id: str, at: float) -> dict[str, int]:
    rows = timeline[(timeline["rollout_id"] == rollout_id) & (timeline["at"] <= at)]
    return rows.iloc[-1][list(STATES)].astype(int).to_dict()


@pytest.mark.parametrize(
    "name", ["plain", "deferred", "reverted", "superseded", "unchanged", "unlisted", "bad-release"]
)
def test_the_grid_has_at_every_time_the_states_of_the_timeline(run_of, name):
    run, names = run_of(name), Names()
    grid = fleet(run, names)
    assert [one["id"] for one in grid["rollouts"]] == run.rollouts["rollout_id"].tolist()
    for rollout in grid["rollouts"]:
        timeline = run.timeline
        changes = timeline.loc[timeline["rollout_id"] == rollout["id"], "at"].to_numpy()
        slider = unpacked(rollout["moments"]) / grid["rate"]
        # at the instant of a change, and at positions of the slider
        for at in (*changes[:: max(len(changes) // 9, 1)], *slider[:: max(len(slider) // 9, 1)], grid["ended"]):
            at = min(max(float(at), rollout["stages"][0][0]), grid["ended"])
            states = states_at(grid, rollout, at)
            # a tick is a millisecond, and what comes within it counts
            late = np.ceil(at * grid["rate"]) / grid["rate"]
            assert {state: states.count(state) for state in STATES} == counts_of(timeline, rollout["id"], late)
    frame = run.hosts
    for rollout in grid["rollouts"]:
        end = states_at(grid, rollout, grid["ended"])
        hosts = [names.all()[number] for number in unpacked(rollout["columns"]["hosts"])]
        mine = frame[frame["rollout_id"] == rollout["id"]].set_index("host")
        assert dict(zip(hosts, end, strict=True)) == mine["state"].to_dict()
        waves = np.repeat(rollout["waves"], rollout["sizes"])
        said = {host: "in no wave" if pd.isna(wave) else f"wave {wave}" for host, wave in mine["wave"].items()}
        assert [said[host] for host in hosts] == list(waves)


def test_the_stages_of_a_rollout_are_told(run_of):
    grid = fleet(run_of("superseded"), Names())
    waves, rollouts = run_of("superseded").waves, run_of("superseded").rollouts.set_index("rollout_id")
    for rollout in grid["rollouts"]:
        opened = waves[(waves["rollout_id"] == rollout["id"]) & waves["opened_at"].notna()]
        expected = [(wave["opened_at"], f"wave {wave['wave']} is open") for wave in opened.to_dict("records")]
        for column, words in (("terminal_at", "finished"), ("superseded_at", "superseded")):
            if pd.notna(rollouts[column][rollout["id"]]):
                expected.append((rollouts[column][rollout["id"]], words))
        assert rollout["stages"] == sorted(expected)


def test_the_slider_goes_from_change_to_change(run_of):
    run = run_of("superseded")
    grid = fleet(run, Names())
    superseded = run.rollouts.set_index("rollout_id")["superseded_at"]
    for rollout in grid["rollouts"]:
        waves = run.waves[run.waves["rollout_id"] == rollout["id"]]
        changes = run.timeline.loc[run.timeline["rollout_id"] == rollout["id"], "at"]
        ends = [superseded[rollout["id"]], grid["ended"]]
        expected = {
            int(np.ceil(at * grid["rate"])) for at in (*changes, *waves["opened_at"], *ends) if not np.isnan(at)
        }
        assert unpacked(rollout["moments"]).tolist() == sorted(expected)


def test_of_more_changes_than_positions_each_position_has_as_many(run_of, monkeypatch):
    monkeypatch.setattr(module, "MOST_POSITIONS", 20)
    run = run_of("bad-release")
    grid = fleet(run, Names())
    [rollout] = grid["rollouts"]
    moments = unpacked(rollout["moments"])
    stages = {int(np.ceil(at * grid["rate"])) for at, _ in rollout["stages"]}
    assert stages <= set(moments.tolist())
    assert 20 <= len(moments) <= 20 + len(stages) + 1
    columns = [unpacked(text) for state, text in rollout["columns"].items() if state != "hosts"]
    changes = np.unique(np.concatenate(columns))
    between = np.histogram(changes[changes != NEVER], bins=[*moments, NEVER])[0]
    assert between.max() <= -(-len(changes) // 19)


def test_the_slider_ends_with_the_run(run_of):
    for name in ("plain", "at once over", "months", "laptops"):
        grid = fleet(run_of(name), Names())
        for rollout in grid["rollouts"]:
            assert unpacked(rollout["moments"])[-1] == np.ceil(grid["ended"] * grid["rate"])


@pytest.mark.parametrize("name", ["deferred", "bad-release"])
def test_shares_are_the_cells_added_up(run_of, monkeypatch, name):
    run, names = run_of(name), Names()
    cells = fleet(run, names)["rollouts"][0]
    monkeypatch.setattr(module, "MOST_CELLS", 5)
    grid = fleet(run, Names())
    [shares] = grid["rollouts"]
    assert shares["kind"] == "shares"
    assert (shares["waves"], shares["sizes"]) == (cells["waves"], cells["sizes"])
    moments = unpacked(shares["moments"])
    many = len(moments)
    assert moments.tolist() == unpacked(cells["moments"]).tolist()
    columns = {state: unpacked(text).reshape(-1, many) for state, text in shares["columns"].items()}
    group = np.repeat(np.arange(len(cells["sizes"])), cells["sizes"])
    for position in range(0, many, many // 7):
        states = np.array(states_at(grid, cells, moments[position] / grid["rate"]))
        for number in range(len(cells["sizes"])):
            for state in STATES:
                drawn = columns[state][number, position] if state in columns else 0
                assert drawn == (states[group == number] == state).sum()


def test_rollouts_that_would_make_the_page_too_large_are_left_out_and_counted(run_of, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 1)
    grid = fleet(run_of("superseded"), Names())
    assert [one["id"] for one in grid["rollouts"]] == ["c@r3"]
    assert grid["left_out"] == 2


# -- the table of hosts


def test_the_table_of_hosts_holds_the_frame(run_of):
    run, names = run_of("deferred"), Names()
    table, first = host_table(run, names)
    columns = {key: unpacked(text) for key, text in table["data"].items()}
    frame = run.hosts.set_index("host")
    assert table["rows"] == table["of"] == len(frame)
    for row in range(len(frame)):
        host = names.all()[columns["host"][row]]
        is_ = frame.loc[host]
        assert columns["wave"][row] == is_["wave"]
        assert STATES[columns["state"][row]] == is_["state"]
        assert columns["deferred"][row] == round(is_["deferred_s"] * table["rate"])
        assert columns["converged"][row] == round(is_["converged_at"] * table["rate"])
        assert first[row][0] == host
    assert [row[0] for row in first] == run.hosts.sort_values("converged_at", ascending=False)["host"].tolist()


def test_hosts_that_did_not_converge_come_first_the_longest_blocked_before_others(run_of):
    run = run_of("horizon")
    _, first = host_table(run, Names())
    hosts = run.hosts
    missing = hosts[hosts["converged_at"].isna()].sort_values(["blocked_s", "host"], ascending=[False, True])
    assert [row[0] for row in first[: len(missing)]] == missing["host"].tolist()
    assert {row[4] for row in first[: len(missing)]} == {"never"}


def test_of_too_many_rows_those_that_say_most_are_held(run_of, monkeypatch):
    monkeypatch.setattr(table_module, "MOST_OF_A_ROLLOUT", 10)
    run, names = run_of("superseded"), Names()
    table, _ = host_table(run, names)
    assert (table["rows"], table["of"], table["noun"]) == (30, 120, "row")
    columns = {key: unpacked(text) for key, text in table["data"].items()}
    assert np.bincount(columns["rollout"]).tolist() == [10, 10, 10]
    frame = run.hosts[run.hosts["rollout_id"] == "c@r3"].sort_values("converged_at", ascending=False)
    held = [names.all()[number] for number in columns["host"][columns["rollout"] == 2]]
    assert held == frame["host"].head(10).tolist()


def test_the_first_rows_are_in_the_page(page_of, run_of):
    rows = page_of("bad-release").one("table", id="host-table").rows()[1:]
    assert len(rows) == SHOWN
    assert page_of("bad-release").one("output", id="rows-shown").text() == "the first 200 of 500 hosts"
    assert page_of("plain").one("output", id="rows-shown").text() == "all 40 hosts"
    assert page_of("superseded").one("output", id="rows-shown").text() == "all 120 rows"
    assert page_of("one host").one("output", id="rows-shown").text() == "1 host"


# -- packing


def test_numbers_come_back():
    assert unpacked(numbers([0, 7, -1, NEVER - 1])).tolist() == [0, 7, NEVER, NEVER - 1]
    assert unpacked(times([0.0, 1.0001, np.nan], 1_000.0)).tolist() == [0, 1_001, NEVER]
    assert unpacked(lengths([0.0004, 1.0006, np.nan], 1_000.0)).tolist() == [0, 1_001, NEVER]
    assert unpacked(times([], 1_000.0)).tolist() == []


def test_a_tick_is_a_millisecond_where_that_can_be_written():
    assert ticks_per_second(49 * 86_400) == 1_000
    assert ticks_per_second(50 * 86_400) == 100
    assert ticks_per_second(10 * 365 * 86_400) == 10


def test_a_name_is_kept_once():
    names = Names()
    assert unpacked(names.column(["a", "b", "a"])).tolist() == [0, 1, 0]
    assert unpacked(names.column(["b", "c"])).tolist() == [1, 2]
    assert names.all() == ["a", "b", "c"]
