"""`bench record` and `bench check`: what they print where, their files, exit codes, and every way to get them wrong."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

from sim.experiment import check
from sim.experiment.baseline import read

P50 = "rollouts.stable.time_to_converged_s.p50"
SLOW = ("--set", "hosts.default.activation=10m")


@pytest.fixture
def baseline(cli, small: Path, tmp_path: Path) -> Path:
    file = tmp_path / "baseline.json"
    said = cli("bench", "record", file, small, "-n", 4, "--workers", 1, "--no-speed")
    assert said == (0, f"{file}: 9 metrics of 1 scenario, 4 runs\n", "")
    return file


def test_nothing_moved(cli, baseline: Path) -> None:
    code, out, err = cli("bench", "check", baseline, "--workers", 1)
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == [
        f"{baseline}: as it was, all 9 metrics",
        f"4 runs of 1 scenario, recorded with nixfleet-sim {read(baseline).versions['nixfleet-sim']}",
    ]


def test_something_is_worse(cli, baseline: Path) -> None:
    code, out, err = cli("bench", "check", baseline, "--workers", 1, *SLOW)
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert re.search(r": \d of 9 metrics are worse", lines[0])
    assert lines[3].split() == ["scenario", "metric", "unit", "was", "is", "change", "known", "by"]
    [row] = [line.split() for line in lines if P50 in line]
    assert row[:3] == ["small", P50, "min"]
    assert row[-2:] == ["worse", "statistics"]


def test_its_page(cli, baseline: Path, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    plain = cli("bench", "check", baseline, "--workers", 1, *SLOW)
    said = cli("bench", "check", baseline, "--workers", 1, *SLOW, "--report", target)
    assert (said.code, said.out) == (1, plain.out)
    assert said.err.endswith(f"wrote {target}\n")
    text = target.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert f"{P50}: was " in text.replace("<wbr>", "")
    # before anything runs
    missing = cli("bench", "check", baseline, "--report", tmp_path / "missing" / "page.html")
    assert (missing.code, missing.out) == (2, "")
    assert "there is no directory" in missing.err
    assert "expected a name that ends in .html" in cli("bench", "check", baseline, "--report", baseline).err


def test_no_scheduler(cli, baseline: Path, small: Path) -> None:
    for arguments in (("record", baseline, small), ("check", baseline)):
        code, out, err = cli("bench", *arguments, "--dask", "nonsense")
        assert (code, out) == (2, "")
        assert "dask" in err


def test_another_seed_passes(cli, baseline: Path) -> None:
    code, out, _ = cli("bench", "check", baseline, "--workers", 1, "--seed", 77)
    assert code == 0
    assert "  small: other seed than recorded" in out.splitlines()


def test_json_and_nothing_else(process, baseline: Path) -> None:
    code, out, err = process("bench", "check", str(baseline), "--workers", "1", "--json", *SLOW)
    assert (code, err) == (1, "")
    found = json.loads(out, parse_constant=lambda word: pytest.fail(word))
    settings = {"hosts.default.activation": "10m"}
    expected = check(baseline, settings=settings, workers=1).summary
    assert found == json.loads(json.dumps(expected))
    assert found["ok"] is False
    assert {one["kind"] for one in found["moved"]} == {"statistics"}
    assert all({"scenario", "metric", "was", "is", "worse", "kind"} <= one.keys() for one in found["moved"])


def test_json_of_a_record(cli, small: Path, tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    options = ("-n", 2, "--workers", 1, "--no-speed", "--json", "--metric", P50, "--seed", 5, "--until", "1d")
    code, out, _ = cli("bench", "record", file, small, *options)
    assert code == 0
    assert json.loads(out) == {"file": str(file), "scenarios": ["small.yaml"], "runs": 2, "metrics": 1}
    assert read(file).settings == {"seed": 5, "until": "1d"}
    assert list(read(file).scenarios["small.yaml"].metrics) == [P50]


# -- for a comment and for a CI server


def test_markdown(cli, baseline: Path, tmp_path: Path) -> None:
    file = tmp_path / "comment.md"
    code, out, err = cli("bench", "check", baseline, "--workers", 1, "--markdown", file, *SLOW)
    assert (code, err) == (1, f"wrote {file}\n")
    assert out.splitlines()[0].endswith(" worse")
    lines = file.read_text().splitlines()
    assert lines[0].startswith("### ")
    table = [line for line in lines if line.startswith("|")]
    assert table[0] == "| scenario | metric | unit | was | is | change |  | known by |"
    assert {line.count("|") for line in table} == {9}
    assert any(line.startswith(r"| small | rollouts.stable.time\_to\_converged\_s.p50 | min | ") for line in table)
    for options in (["--markdown"], ["--markdown", "-"], ["--markdown", "--workers", 1]):
        code, out, err = cli("bench", "check", baseline, "--workers", 1, *SLOW, *options)
        assert (code, out, err) == (1, file.read_text(), "")


def test_junit(cli, baseline: Path, tmp_path: Path) -> None:
    file = tmp_path / "report.xml"
    assert cli("bench", "check", baseline, "--workers", 1, "--junit", file, "--quiet", *SLOW).code == 1
    root = xml.parse(file).getroot()
    [suite] = root
    assert (root.tag, suite.tag, suite.get("name")) == ("testsuites", "testsuite", "small")
    cases = {case.get("name"): case for case in suite}
    assert len(cases) == len(suite) == 10
    failed = [name for name, case in cases.items() if case.find("failure") is not None]
    assert P50 in failed
    assert "reverted" not in " ".join(failed)
    assert cases[P50].find("failure").get("message").startswith("worse: was ")
    assert cases["trajectory"].find("skipped").get("message") == "statistics alone: other settings than recorded"
    for element in (root, suite):
        counts = {"tests": "10", "failures": str(len(failed)), "errors": "0", "skipped": "1"}
        assert {name: element.get(name) for name in counts} == counts
    assert cli("bench", "check", baseline, "--workers", 1, "--junit", file).code == 0
    assert xml.parse(file).getroot().get("failures") == "0"


def test_names_mean_nothing_in_either(cli, tmp_path: Path, small: Path) -> None:
    odd = tmp_path / 'a|b<i>&"\x01.yaml'
    small.rename(odd)
    baseline = tmp_path / "b.json"
    assert cli("bench", "record", baseline, odd, "-n", 4, "--workers", 1, "--no-speed", "--metric", P50).code == 0
    report, comment = tmp_path / "r.xml", tmp_path / "c.md"
    code, out, _ = cli("bench", "check", baseline, "--workers", 1, "--junit", report, "--markdown", comment, *SLOW)
    assert code == 1
    assert "\x01" not in out
    assert xml.parse(report).getroot()[0].get("name") == 'a|b<i>&"�'
    [row] = [line for line in comment.read_text().splitlines() if "p50" in line]
    assert row.startswith('| a\\|b&lt;i&gt;&amp;"')


# -- wrong


def test_wrong_input(cli, small: Path, baseline: Path, tmp_path: Path) -> None:
    def refused(*arguments: object) -> str:
        code, out, err = cli("bench", *arguments)
        assert (code, out) == (2, "")
        return err

    foreign = tmp_path / "foreign.json"
    foreign.write_text("{}")
    assert "there is no baseline" in refused("check", tmp_path / "gone.json")
    assert "is no baseline" in refused("check", foreign)
    assert "is no baseline" in refused("record", foreign, small)
    assert "did you mean" in refused("record", tmp_path / "b.json", small, "--metric", "rollouts.stable.terminal_at")
    assert "expected a percentage" in refused("check", baseline, "--tolerance", "much")
    assert "both print" in refused("check", baseline, "--json", "--markdown")
    assert "expected a file in a directory that is there" in refused("check", baseline, "--junit", tmp_path)
    assert "expected a file" in refused("check", baseline, "--markdown", tmp_path / "there" / "c.md")
    before = baseline.read_bytes()
    for option in ("--markdown", "--junit"):
        assert "is the baseline, and would be lost" in refused("check", baseline, option, baseline)
    assert baseline.read_bytes() == before
    assert "did you mean 'deferred'?" in refused("check", baseline, "--set", "rules.defered=strict")
    assert "-n" in refused("record", tmp_path / "b.json", small, "-n", 1)
    small.unlink()
    assert "names the scenario small.yaml, and there is no" in refused("check", baseline)
