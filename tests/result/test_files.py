"""Saving and reading back: everything comes back, nothing is ever written half, nothing foreign is overwritten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import sim
from sim.result import Result, ResultError, check_target, files, read, save
from sim.result.frames import NAMES

SCENARIO = """
name: two waves
fleet:
  generate:
    channels: {c: {hosts: 20, policy: p}}
    policies: {p: {waves: [{percent: 10, soak: 5m}, {percent: 100, soak: 10m}]}}
    disruption_budgets: [{selector: {all: true}, max_in_flight: 5}]
"""
FRAMES = [name for name in NAMES if name != "events"]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    path = tmp_path_factory.mktemp("scenario") / "scenario.yaml"
    path.write_text(SCENARIO)
    return sim.run(sim.load(path), seed=5)


def test_everything_comes_back(result: Result, tmp_path: Path) -> None:
    save(result, tmp_path / "deep" / "out")
    found = read(tmp_path / "deep" / "out")
    assert found.summary == result.summary
    for name in FRAMES:
        pd.testing.assert_frame_equal(getattr(found, name), getattr(result, name), check_exact=True)
    assert found.scenario.seed == 5
    assert found.scenario == result.scenario
    about = json.loads((tmp_path / "deep" / "out" / "version.json").read_text())
    assert about["nixfleet-sim"] == sim.__version__
    assert set(about["files"]) == {path.name for path in (tmp_path / "deep" / "out").iterdir()}


def test_the_saved_scenario_repeats_the_run(result: Result, tmp_path: Path) -> None:
    save(result, tmp_path / "out")
    again = sim.run(sim.load(tmp_path / "out" / "scenario.yaml"))
    pd.testing.assert_frame_equal(again.transitions, result.transitions, check_exact=True)


def test_events_are_stored_where_recorded_and_else_come_from_another_run(result: Result, tmp_path: Path) -> None:
    recorded = sim.run(result.scenario, record_events=True)
    save(recorded, tmp_path / "with")
    save(result, tmp_path / "without")
    assert not (tmp_path / "without" / "events.parquet").exists()
    stored, repeated = read(tmp_path / "with"), read(tmp_path / "without")
    assert stored.has_events
    assert not repeated.has_events
    pd.testing.assert_frame_equal(stored.events, recorded.events)
    pd.testing.assert_frame_equal(repeated.events, recorded.events)
    assert isinstance(stored.events["detail"].iloc[0], dict)


def test_a_result_is_replaced_whole(result: Result, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    save(result, target)
    save(sim.run(result.scenario, seed=6, record_events=True), target)
    save(sim.run(result.scenario, seed=7), target)
    assert read(target).summary["seed"] == 7
    assert not (target / "events.parquet").exists()
    assert os.listdir(tmp_path) == ["out"]
    assert target.stat().st_mode & 0o777 == 0o777 & ~files._umask()


def test_a_link_is_followed(result: Result, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    save(result, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert read(tmp_path / "real").summary == result.summary


def test_without_an_exchange_of_names(result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    for _ in range(2):
        save(result, tmp_path / "out")
    assert read(tmp_path / "out").summary == result.summary
    assert os.listdir(tmp_path) == ["out"]


def test_what_is_not_a_result_is_left_alone(result: Result, tmp_path: Path) -> None:
    for place, what in ((tmp_path / "file", "a file"), (tmp_path / "full", "not empty")):
        if place.name == "full":
            place.mkdir()
            (place / "thesis.txt").write_text("mine")
        else:
            place.write_text("mine")
        for attempt in (lambda place=place: save(result, place), lambda place=place: check_target(place)):
            with pytest.raises(ResultError, match=what):
                attempt()
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"
    save(result, tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(ResultError, match=r"notes\.txt"):
        save(result, tmp_path / "out")
    assert (tmp_path / "out" / "notes.txt").exists()


def test_a_place_that_cannot_be_written(result: Result, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    for place in (tmp_path / "file" / "out", tmp_path / "round", "/proc/out", "/dev/null/out", "bad\0name"):
        with pytest.raises(ResultError, match="cannot write"):
            check_target(place)
        with pytest.raises(ResultError, match="cannot write"):
            save(result, place)


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    check_target(tmp_path / "not" / "yet" / "there")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("step", range(14))
def test_a_save_that_breaks_leaves_the_old_content(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The disk is full from the n-th file on, or (the last ones) nothing goes wrong at all."""
    target = tmp_path / "out"
    save(result, target)
    new = sim.run(result.scenario, seed=6)
    flushed = []
    flush = files._flush

    def full(path: Path) -> None:
        if len(flushed) == step:
            raise OSError(28, "No space left on device")
        flushed.append(path)
        flush(path)

    monkeypatch.setattr(files, "_flush", full)
    try:
        save(new, target)
    except ResultError as error:
        assert "No space left" in str(error)
        assert read(target).summary["seed"] == 5
        pd.testing.assert_frame_equal(read(target).transitions, result.transitions)
    else:
        assert read(target).summary["seed"] == 6
    assert os.listdir(tmp_path) == ["out"]


KILLED = """
import os, signal, sys
import sim
from sim.result import files, read, save
calls = 0
flush = files._flush
def killed(path):
    global calls
    calls += 1
    if calls == {calls}:
        os.kill(os.getpid(), signal.SIGKILL)
    flush(path)
files._flush = killed
exchange = files._exchange
def after(one, other):
    done = exchange(one, other)
    if {calls} == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return done
files._exchange = after
save(sim.run(sim.load({scenario!r}), seed=6), {target!r})
"""


@pytest.mark.parametrize(("calls", "seed"), [(3, 5), (9, 5), (0, 6)])
def test_a_killed_save_leaves_the_old_content_or_the_new(result: Result, tmp_path: Path, calls: int, seed: int) -> None:
    target = tmp_path / "out"
    save(result, target)
    code = KILLED.format(calls=calls, scenario=str(target / "scenario.yaml"), target=str(target))
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(sim.__file__).parents[1], check=False)
    assert done.returncode == -9
    found = read(target)
    assert found.summary["seed"] == seed
    assert all(len(getattr(found, name)) for name in FRAMES)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("summary.json", b"{", "cannot read"),
        ("summary.json", b"[]", "expected an object"),
        ("summary.json", b"\xff\xfe", "cannot read"),
        ("scenario.yaml", b"name: [", "cannot read"),
        ("transitions.parquet", b"PAR1 not quite", "cannot read"),
        ("hosts.parquet", None, "cannot read"),
        ("version.json", None, "half-written: it has summary.json, but version.json is missing"),
        ("version.json", b'{"format": 99, "nixfleet-sim": "9.0", "files": []}', "later format"),
    ],
)
def test_a_damaged_result_is_told(
    result: Result, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    save(result, tmp_path / "out")
    path = tmp_path / "out" / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(ResultError, match=message):
        found = read(tmp_path / "out")
        for frame in FRAMES:
            getattr(found, frame)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("hosts", lambda frame: frame.drop(columns="wave"), "expected a column 'wave' of Int64, got none"),
        ("rollouts", lambda frame: frame.assign(opened_at="noon"), "a column 'opened_at' of float64, got str"),
        ("events", lambda frame: frame.assign(cp_at=None), "a column 'cp_at' of float64, got object"),
        ("events", lambda frame: frame.assign(detail=3), "a column 'detail' of str, got int64"),
        ("events", lambda frame: frame.drop(columns="detail"), "a column 'detail' of str, got none"),
    ],
)
def test_a_foreign_frame_is_told(
    result: Result,
    tmp_path: Path,
    name: str,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    message: str,
) -> None:
    save(sim.run(result.scenario, record_events=True), tmp_path / "out")
    path = tmp_path / "out" / f"{name}.parquet"
    change(pd.read_parquet(path)).to_parquet(path)
    with pytest.raises(ResultError, match=f"cannot read .*{name}.parquet: .*{message}"):
        getattr(read(tmp_path / "out"), name)


def test_frames_without_rows_come_back(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_text(f"{SCENARIO}\nreleases: []\n")
    nothing = sim.run(sim.load(path), record_events=True)
    save(nothing, tmp_path / "out")
    found = read(tmp_path / "out")
    for name in NAMES:
        pd.testing.assert_frame_equal(getattr(found, name), getattr(nothing, name), check_exact=True)


def test_reading_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="no result"):
        read(tmp_path)
    with pytest.raises(ResultError, match="there is no such directory"):
        read(tmp_path / "missing")
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match="no directory"):
        read(tmp_path / "file")
