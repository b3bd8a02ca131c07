"""`report`: the file it writes, and every way in which it cannot."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

import sim
from sim.report import report
from sim.result import read, run, save


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A small saved run."""
    path = tmp_path / "small.yaml"
    path.write_text("fleet: {generate: {channels: {c: {hosts: 5, policy: p}}, policies: {p: {}}}}")
    save(run(sim.load(path)), tmp_path / "saved")
    return tmp_path / "saved"


def test_it_writes_the_page(cli, saved, tmp_path):
    target = tmp_path / "page.html"
    said = cli("report", saved, "-o", target)
    assert said == (0, "", f"wrote {target}\n")
    text = target.read_text()
    versions = json.loads((saved / "version.json").read_text())
    assert text == report(read(saved), made_by=versions)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "saved", "small.yaml"]


def test_json_is_the_file_and_its_size(cli, saved, tmp_path):
    target = tmp_path / "page.html"
    said = cli("report", saved, "--output", target, "--json", "--quiet")
    assert said.code == 0
    assert json.loads(said.out) == {"file": str(target), "bytes": target.stat().st_size}
    assert said.err == ""


def test_quiet_says_nothing(cli, saved, tmp_path):
    assert cli("report", saved, "-o", tmp_path / "page.html", "--quiet") == (0, "", "")


def test_against_another_run(cli, saved, tmp_path):
    target = tmp_path / "page.html"
    assert cli("report", saved, "--against", saved, "-o", target).code == 0
    assert 'id="comparison"' in target.read_text()


def test_nothing_is_simulated_again(cli, saved, tmp_path, monkeypatch):
    monkeypatch.setattr("sim.result.result.simulate", lambda *_, **__: pytest.fail("it simulates"))
    assert cli("report", saved, "-o", tmp_path / "page.html").code == 0


def test_an_earlier_page_is_replaced_in_one_step(cli, saved, tmp_path, monkeypatch):
    target = tmp_path / "page.html"
    target.write_text("before")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", full)
        said = cli("report", saved, "-o", target)
    assert said.code == 2
    assert "cannot be written: No space left on device" in said.err
    assert target.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "saved", "small.yaml"]
    assert cli("report", saved, "-o", target).code == 0
    assert target.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("page.txt", "expected a name that ends in .html"),
        ("saved/summary.json", "expected a name that ends in .html"),
        ("missing/page.html", "there is no directory"),
        ("taken.html", "is there and is no file"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_before_there_is_work(cli, saved, tmp_path, monkeypatch, output, words):
    (tmp_path / "taken.html").mkdir()
    monkeypatch.setattr("sim.result.read", lambda *_: pytest.fail("it reads first"))
    said = cli("report", saved, "-o", tmp_path / output)
    assert said.code == 2
    assert words in said.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written(cli, saved, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    said = cli("report", saved, "-o", closed / "page.html")
    assert said.code == 2
    assert "cannot be written: Permission denied" in said.err


def test_a_file_name_is_needed(cli, saved):
    said = cli("report", saved)
    assert said.code == 2
    assert "--output" in said.err


# -- directories that hold no whole result


@pytest.mark.parametrize("as_other", [False, True])
def test_a_foreign_directory(cli, saved, tmp_path, as_other):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "notes.txt").write_text("mine")
    arguments = [saved, "--against", foreign] if as_other else [foreign]
    said = cli("report", *arguments, "-o", tmp_path / "page.html")
    assert said.code == 2
    assert said.err == f"Error: cannot read {foreign}: no result is there; `run SCENARIO --out DIR` writes one\n"
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    "name",
    [f"{frame}.parquet" for frame in ("hosts", "transitions", "waves", "rollouts", "gates", "timeline", "load")]
    + ["summary.json", "scenario.yaml", "version.json"],
)
@pytest.mark.parametrize("how", ["missing", "empty", "cut"])
def test_a_half_written_directory(cli, saved, tmp_path, name, how):
    place = saved / name
    content = place.read_bytes()
    place.unlink()
    if how != "missing":
        place.write_bytes(b"" if how == "empty" else content[: len(content) // 2])
    said = cli("report", saved, "-o", tmp_path / "page.html")
    assert said.code == 2
    assert str(saved) in said.err
    assert not (tmp_path / "page.html").exists()


def test_a_result_of_an_earlier_version_that_lacks_a_number_names_it(cli, saved, tmp_path):
    summary = json.loads((saved / "summary.json").read_text())
    del summary["rollouts"][0]["exposure"]
    (saved / "summary.json").write_text(json.dumps(summary))
    assert "summary.rollouts.exposure" in _said_of_version_0_0_3(cli, saved, tmp_path)


def test_a_result_of_an_earlier_version_that_lacks_a_column_names_it(cli, saved, tmp_path):
    frame = pd.read_parquet(saved / "hosts.parquet")
    frame.drop(columns="failing_s").to_parquet(saved / "hosts.parquet")
    assert "expected a column 'failing_s'" in _said_of_version_0_0_3(cli, saved, tmp_path)


def _said_of_version_0_0_3(cli, saved, tmp_path):
    about = json.loads((saved / "version.json").read_text())
    (saved / "version.json").write_text(json.dumps(about | {"nixfleet-sim": "0.0.3"}))
    said = cli("report", saved, "-o", tmp_path / "page.html")
    assert said.code == 2
    assert f"cannot report on {saved}, which nixfleet-sim 0.0.3 wrote" in said.err
    return said.err


def test_a_result_of_another_version_that_holds_all_is_read(cli, saved, tmp_path):
    about = json.loads((saved / "version.json").read_text())
    (saved / "version.json").write_text(json.dumps(about | {"nixfleet-sim": "0.0.9"}))
    target = tmp_path / "page.html"
    assert cli("report", saved, "-o", target).code == 0
    assert "nixfleet-sim 0.0.9" in target.read_text()


def test_a_result_in_a_later_format_names_the_version(cli, saved, tmp_path):
    about = json.loads((saved / "version.json").read_text())
    (saved / "version.json").write_text(json.dumps(about | {"nixfleet-sim": "9.1", "format": 99}))
    said = cli("report", saved, "-o", tmp_path / "page.html")
    assert said.code == 2
    assert "written by nixfleet-sim 9.1, in a later format" in said.err


def test_a_summary_that_is_something_else(cli, saved, tmp_path):
    (saved / "summary.json").write_text('{"rollouts": 5}')
    said = cli("report", saved, "-o", tmp_path / "page.html")
    assert said.code == 2
    assert str(saved) in said.err


# -- pages of experiments

EXPERIMENTS = {
    "replicate": ("-n", 2),
    "compare": ("-n", 2, "--b", "control_plane.plan_tick=60s"),
    "capacity": (
        *("--find", "control_plane.plan_tick", "--between", "5s", "60s", "--margin", "10%", "--confidence", "80%"),
        *("--goal", "rollouts.c.terminal_at_s <= 1d"),
    ),
    "sweep": ("-n", 2, "--vary", "control_plane.plan_tick=15s,60s"),
}


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A small scenario."""
    path = tmp_path / "small.yaml"
    path.write_text("fleet: {generate: {channels: {c: {hosts: 5, policy: p}}, policies: {p: {}}}}")
    return path


@pytest.mark.parametrize("command", EXPERIMENTS)
def test_an_experiment_writes_its_page_besides(cli, given, tmp_path, command):
    target, out = tmp_path / "page.html", tmp_path / "out"
    arguments = [command, given, *EXPERIMENTS[command], "--workers", 1, "--out", out]
    plain = cli(*arguments)
    assert plain.code == 0
    said = cli(*arguments, "--report", target)
    assert (said.code, said.out) == (0, plain.out)
    # where runs take long there are lines before it that say how far they are
    [kept] = plain.err.splitlines()[-1:]
    assert said.err.endswith(f"{kept}\nwrote {target}\n")
    text = target.read_text()
    assert text.startswith("<!DOCTYPE html>")
    # the same again, to the byte, beside the runs that are kept, and nothing said of it
    assert cli(*arguments, "--report", out / "page.html", "--quiet", "--json").err == ""
    assert (out / "page.html").read_text() == text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "page.html", "small.yaml"]


@pytest.mark.parametrize("command", EXPERIMENTS)
def test_a_page_goes_into_a_directory_that_the_experiment_makes(cli, given, tmp_path, command):
    out = tmp_path / "new" / "out"
    said = cli(command, given, *EXPERIMENTS[command], "--workers", 1, "--out", out, "--report", out / "page.html")
    assert said.code == 0
    assert (out / "page.html").exists()


@pytest.mark.parametrize("command", EXPERIMENTS)
@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("small.yaml", "'--report': "),
        ("page.txt", "expected a name that ends in .html"),
        ("missing/page.html", "there is no directory"),
        ("taken.html", "is there and is no file"),
    ],
)
def test_a_page_that_cannot_be_written_is_told_before_anything_runs(
    cli, given, tmp_path, monkeypatch, command, output, words
):
    (tmp_path / "taken.html").mkdir()
    monkeypatch.setattr("sim.scenario.loader.load", lambda *_: pytest.fail("it reads first"))
    out = tmp_path / "out"
    said = cli(command, given, *EXPERIMENTS[command], "--out", out, "--report", tmp_path / output)
    assert said.code == 2
    assert words in said.err
    assert not out.exists()


def test_a_page_that_cannot_be_written_in_the_end_loses_no_answer(cli, given, tmp_path, monkeypatch):
    target = tmp_path / "page.html"
    target.write_text("before")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    said = cli("replicate", given, "-n", 2, "--workers", 1, "--report", target)
    assert said.code == 2
    assert said.out.startswith("small: ")
    assert said.err == f"Error: {target}: cannot be written: No space left on device\n"
    assert target.read_text() == "before"


RENEW = "copy the whole directory, or run the scenario again with --out"


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (
            lambda place: (place / "version.json").unlink(),
            f"the result is half-written: it has summary.json, but version.json is missing; {RENEW}",
        ),
        (
            lambda place: (place / "version.json").write_text('{"format": 1, "nixfle'),
            f"its version.json is half-written, or is none that a result has; {RENEW}",
        ),
        (
            lambda place: (place / "version.json").write_text('{"name": "another program"}'),
            f"its version.json is half-written, or is none that a result has; {RENEW}",
        ),
        (
            lambda place: (place / "gates.parquet").unlink(),
            f"the result is not whole, gates.parquet is missing; {RENEW}",
        ),
        (
            lambda place: [path.unlink() for path in place.glob("*.parquet")],
            f"the result is not whole, gates.parquet, hosts.parquet, load.parquet and 4 more are missing; {RENEW}",
        ),
    ],
)
def test_what_is_missing_of_a_result_is_said(cli, saved, tmp_path, harm, words):
    place = tmp_path / "copy"
    shutil.copytree(saved, place)
    harm(place)
    for command in (["report", place, "-o", tmp_path / "page.html"], ["trace", place, "c-0"]):
        said = cli(*command)
        assert (said.code, said.out) == (2, "")
        assert said.err == f"Error: cannot read {place}: {words}\n"
    assert not (tmp_path / "page.html").exists()
