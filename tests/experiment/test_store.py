"""The directory of an experiment: whole, locked, and known again."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pandas as pd
import pytest

from sim.experiment import ExperimentError
from sim.experiment.metrics import find
from sim.experiment.points import Point, Run, columns_of, content_hash, frame, identity
from sim.experiment.store import open_store
from tests.experiment.conftest import TWENTY_HOSTS

PATHS = ["rollouts.stable.terminal_at_s", "load.reports"]


@pytest.fixture
def about(twenty_hosts):
    return identity("test", twenty_hosts, find(twenty_hosts, PATHS))


@pytest.fixture
def point(twenty_hosts):
    return Point(twenty_hosts, {"rules.deferred": "strict", "hosts.default.reboot.max": 7})


def test_what_was_put_is_known_to_the_next(tmp_path, about, point):
    with open_store(tmp_path / "e", about) as store:
        assert store.known(Run(point, 0)) is None
        store.put(Run(point, 1), (2.5, None))
        store.put(Run(point, 0), (0.1, 7.0))
    with open_store(tmp_path / "e", about) as store:
        assert len(store) == 2
        assert store.known(Run(point, 1)) == (2.5, None)
        assert store.known(Run(point, 0)) == (0.1, 7.0)
        assert store.known(Run(Point(point.scenario, {}), 0)) is None


def test_a_run_is_kept_once_whatever_the_order_of_its_settings(tmp_path, about, point):
    again = Point(point.scenario, dict(reversed(point.settings.items())))
    with open_store(tmp_path / "e", about) as store:
        store.put(Run(point, 0), (1.0, 1.0))
        store.put(Run(again, 0), (2.0, 2.0))
    assert len((tmp_path / "e" / "runs.jsonl").read_text().splitlines()) == 1
    with open_store(tmp_path / "e", about) as store:
        assert store.known(Run(again, 0)) == (1.0, 1.0)


@pytest.mark.parametrize("kept", range(0, 60, 7))
def test_a_torn_last_line_is_cut_off(tmp_path, about, point, kept):
    with open_store(tmp_path / "e", about) as store:
        store.put(Run(point, 0), (1.0, None))
        store.put(Run(point, 1), (2.0, 3.0))
    journal = tmp_path / "e" / "runs.jsonl"
    first, second = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(first + second[:kept])
    with open_store(tmp_path / "e", about) as store:
        assert (store.known(Run(point, 0)), store.known(Run(point, 1))) == ((1.0, None), None)
        store.put(Run(point, 1), (2.0, 3.0))
    assert journal.read_bytes() == first + second


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("not json", "line 2"),
        ('{"point":{},"replication":0}', "line 2"),
        ('{"point":{},"replication":0,"values":[1.0]}', "expected 2 values, got 1"),
        ('{"point":{},"replication":7,"values":[1.0,2.0]}', "a run that is there already"),
    ],
)
def test_damage_is_told_with_its_line(tmp_path, about, point, line, said):
    with open_store(tmp_path / "e", about) as store:
        store.put(Run(Point(point.scenario), 7), (1.0, None))
    with (tmp_path / "e" / "runs.jsonl").open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(ExperimentError, match=said):
        open_store(tmp_path / "e", about)


def test_a_second_process_is_told_who_works_there(tmp_path, about):
    with (
        open_store(tmp_path / "e", about),
        pytest.raises(ExperimentError, match=rf"process {os.getpid()} is working on this experiment"),
    ):
        open_store(tmp_path / "e", about)
    open_store(tmp_path / "e", about).close()


def test_a_second_process_may_wait(tmp_path, about, point):
    found = []

    def second() -> None:
        with open_store(tmp_path / "e", about, wait=True) as store:
            found.append(store.known(Run(point, 0)))

    with open_store(tmp_path / "e", about) as store:
        thread = threading.Thread(target=second)
        thread.start()
        store.put(Run(point, 0), (1.0, 2.0))
        assert not found
    thread.join(timeout=30)
    assert found == [(1.0, 2.0)]


def test_a_changed_scenario_is_refused_key_by_key(tmp_path, load, about):
    open_store(tmp_path / "e", about).close()
    changed = load(
        TWENTY_HOSTS, rules__deferred="strict", until="3d", hosts__default__boot="{dist: exponential, mean: 5s}"
    )
    with pytest.raises(ExperimentError) as error:
        open_store(tmp_path / "e", identity("test", changed, find(changed, PATHS[:1])))
    lines = str(error.value).splitlines()
    assert "another directory" in lines[0]
    assert "until: was 7d, is 3d" in lines
    assert "rules.deferred: was converged, is strict" in lines
    assert "hosts.default.boot: was 1m, is not there" in lines
    assert "hosts.default.boot.dist: was not there, is exponential" in lines
    assert "metrics.1: was load.reports, is not there" in lines


def test_another_version_is_refused(tmp_path, about):
    open_store(tmp_path / "e", about).close()
    other = {**about, "versions": {**about["versions"], "numpy": "1.0"}}
    with pytest.raises(ExperimentError, match=r"versions.numpy: was .*, is 1.0"):
        open_store(tmp_path / "e", other)


def test_name_and_description_may_change(tmp_path, load, about):
    open_store(tmp_path / "e", about).close()
    renamed = load({**TWENTY_HOSTS, "name": "other", "description": "the same"})
    open_store(tmp_path / "e", identity("test", renamed, find(renamed, PATHS))).close()


@pytest.mark.parametrize("kind", ["file", "foreign", "result"])
def test_what_is_no_experiment_is_left_alone(tmp_path, about, kind):
    place = tmp_path / "e"
    if kind == "file":
        place.write_text("x")
    else:
        place.mkdir()
        (place / ("notes.txt" if kind == "foreign" else "summary.json")).write_text("x")
    with pytest.raises(ExperimentError, match="give a"):
        open_store(place, about)
    assert [one.name for one in tmp_path.iterdir()].count("e") == 1
    assert place.is_file() or len(list(place.iterdir())) == 1


def test_one_that_was_killed_while_it_was_set_up_is_set_up_again(tmp_path, about):
    place = tmp_path / "e"
    place.mkdir()
    (place / ".lock").write_text("")
    (place / "scenario.yaml").write_text("name: half")
    (place / ".experiment.json.abc.partial").write_text("{")
    with open_store(place, about, {"scenario.yaml": b"name: whole\n"}):
        pass
    assert (place / "scenario.yaml").read_text() == "name: whole\n"
    assert json.loads((place / "experiment.json").read_text())["kind"] == "test"


def test_the_draft_of_one_that_was_killed_while_it_wrote_is_cleared_away(tmp_path, about):
    place = tmp_path / "e"
    open_store(place, about).close()
    (place / "figures").mkdir()
    for draft in (place / ".table.parquet.abc.partial", place / "figures" / ".x.svg.abc.partial"):
        draft.write_text("half")
    (place / "notes.partial").write_text("mine")
    open_store(place, about).close()
    assert sorted(path.name for path in place.rglob("*.partial")) == ["notes.partial"]


def test_the_table_is_read_with_pandas_alone_and_is_the_same_to_the_byte(tmp_path, twenty_hosts):
    metrics = find(twenty_hosts, PATHS)
    rows = [
        (Run(Point(twenty_hosts, {"rules.deferred": rule, "tick": tick}), number), (float(number), None))
        for rule, tick in (("strict", 5), ("converged", 15))
        for number in range(3)
    ]
    files = []
    for place in (tmp_path / "a", tmp_path / "b"):
        with open_store(place, identity("test", twenty_hosts, metrics)) as store:
            store.write_table(columns_of(rows, metrics))
        files.append(place / "table.parquet")
    assert files[0].read_bytes() == files[1].read_bytes()
    read = pd.read_parquet(files[0])
    assert list(read.columns) == ["rules.deferred", "tick", "replication", *PATHS]
    assert read["rules.deferred"].tolist() == ["strict"] * 3 + ["converged"] * 3
    assert read["tick"].tolist() == [5] * 3 + [15] * 3
    assert read["replication"].tolist() == [0, 1, 2] * 2
    assert read[PATHS[0]].tolist() == [0.0, 1.0, 2.0] * 2
    assert read[PATHS[1]].isna().all()


def test_settings_of_several_kinds_are_text_in_the_table(twenty_hosts):
    given = ["15s", 60, None, True, {"dist": "constant", "value": 1}]
    rows = [(Run(Point(twenty_hosts, {"x": value}), 0), ()) for value in given]
    found = frame(columns_of(rows, []))["x"]
    assert found[:2].tolist() == ["15s", "60"]
    assert found[3:].tolist() == ["true", '{"dist":"constant","value":1}']
    assert found.isna().tolist() == [False, False, True, False, False]


def test_the_content_hash_is_of_what_runs_depend_on(load):
    base = content_hash(load(TWENTY_HOSTS))
    assert content_hash(load({**TWENTY_HOSTS, "name": "other", "description": "x"})) == base
    assert content_hash(load(TWENTY_HOSTS, seed=2)) != base
    assert content_hash(load(TWENTY_HOSTS, control_plane__plan_tick="16s")) != base


def test_the_content_hash_sees_artifacts_and_sample_files(tmp_path, load):
    demo = (Path(__file__).parents[2] / "scenarios" / "fleets" / "demo.resolved.json").read_text()
    (tmp_path / "fleet.json").write_text(demo)
    (tmp_path / "times.csv").write_text("seconds\n" + "\n".join(map(str, range(1, 400))))
    data = {
        "fleet": {"resolved": "fleet.json"},
        "hosts": {"default": {"activation": {"dist": "empirical", "file": "times.csv", "column": "seconds"}}},
    }
    base = content_hash(load(data))
    assert content_hash(load(data)) == base
    (tmp_path / "times.csv").write_text("seconds\n" + "\n".join(map(str, range(2, 401))))
    assert content_hash(load(data)) != base
    (tmp_path / "times.csv").write_text("seconds\n" + "\n".join(map(str, range(1, 400))))
    (tmp_path / "fleet.json").write_text(demo.replace('"maxInFlight": 2', '"maxInFlight": 3'))
    assert (tmp_path / "fleet.json").read_text() != demo
    assert content_hash(load(data)) != base
