"""`check`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

CLEAN = {
    "schemaVersion": 1,
    "hosts": {"a": {"system": "x86_64-linux", "channel": "c", "closureHash": "h"}},
    "channels": {
        "c": {
            "rolloutPolicy": "p",
            "reconcileIntervalMinutes": 30,
            "signingIntervalMinutes": 60,
            "freshnessWindow": 180,
        }
    },
    "rolloutPolicies": {"p": {"strategy": "staged", "waves": [], "onHealthFailure": "halt"}},
}


def write(path: Path, data: object) -> Path:
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    return write(tmp_path / "clean.json", CLEAN)


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A warning: a budget that matches nobody."""
    budget = {"selector": {"tags": ["db"]}, "maxInFlight": 1}
    return write(tmp_path / "odd.json", {**CLEAN, "disruptionBudgets": [budget]})


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """An error: a host of an unknown channel."""
    host = {"system": "x86_64-linux", "channel": "beta", "closureHash": "h"}
    return write(tmp_path / "wrong.json", {**CLEAN, "hosts": {**CLEAN["hosts"], "b": host}})


def test_nothing_to_say(cli, clean: Path, small: Path) -> None:
    assert cli("check", clean, small) == (0, "2 files: 0 errors, 0 warnings\n", "")


def test_a_warning_is_no_failure(cli, odd: Path) -> None:
    code, out, err = cli("check", odd)
    assert (code, err) == (0, "")
    first, last = out.splitlines()
    assert first.startswith(f"{odd}: warning: disruptionBudgets")
    assert last == "1 file: 0 errors, 1 warning"


def test_an_error_is(cli, wrong: Path, odd: Path) -> None:
    code, out, err = cli("check", odd, wrong)
    assert (code, err) == (1, "")
    assert f"\n{wrong}: error: hosts.b" in out
    assert out.endswith("\n2 files: 1 error, 1 warning\n")


def test_a_file_that_cannot_be_used_wins(cli, wrong: Path, clean: Path, tmp_path: Path) -> None:
    code, out, err = cli("check", tmp_path / "nowhere.yaml", wrong, clean)
    assert code == 2
    assert err.startswith(f"Error: {tmp_path / 'nowhere.yaml'}: ")
    assert out.endswith("3 files: 1 error, 0 warnings; 1 could not be used\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "empty"),
        ("[1, 2]", "expected"),
        ("name: [", "YAML"),
        ("{name: x, fleet: {generate: {}}, speed: 3}", "speed"),
        ('{"schemaVersion": 2, "hosts": {}, "channels": {}}', "schemaVersion"),
        ('{"schemaVersion": 1, "hosts": {}', ""),
        ("\ufffe", ""),
    ],
)
def test_what_is_no_scenario_and_no_artifact(cli, tmp_path: Path, content: str, said: str) -> None:
    path = write(tmp_path / "file.yaml", content)
    code, out, err = cli("check", path)
    assert code == 2
    assert str(path) in err
    assert said in err
    assert out == "1 file: 0 errors, 0 warnings; 1 could not be used\n"


def test_a_directory_and_bytes(cli, tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    code, _, err = cli("check", tmp_path, tmp_path / "bytes")
    assert code == 2
    assert err.count("Error: ") == 2


def test_all_problems_of_a_file_are_told(cli, tmp_path: Path) -> None:
    path = write(tmp_path / "two.yaml", "name: x\nuntil: soon\nfleet: {resolved: nowhere.json}\n")
    code, _, err = cli("check", path)
    assert code == 2
    first, *rest = err.splitlines()
    assert first == f"Error: {path} cannot be used"
    assert [line.split(":")[1] for line in rest] == ["2", "3"]


def test_json(cli, wrong: Path, odd: Path, small: Path, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.yaml"
    code, out, err = cli("check", "--json", odd, small, wrong, missing)
    assert code == 2
    found = json.loads(out)
    assert (found["errors"], found["warnings"]) == (1, 1)
    files = found["files"]
    assert [(one["file"], one["kind"]) for one in files] == [
        (str(odd), "artifact"),
        (str(small), "scenario"),
        (str(wrong), "artifact"),
        (str(missing), None),
    ]
    assert [len(one["lints"]) for one in files] == [1, 0, 1, 0]
    assert files[2]["lints"][0].keys() == {"severity", "place", "text"}
    assert [len(one["problems"]) for one in files] == [0, 0, 0, 1]
    assert files[3]["problems"][0].keys() == {"file", "line", "path", "message"}
    assert str(missing) in err


@pytest.mark.parametrize(
    "text", [json.dumps(CLEAN), "fleet: {generate: {channels: {c: {hosts: 1, policy: p}}, policies: {p: {}}}}"]
)
def test_a_pipe_is_read_once(cli, text: str) -> None:
    reader, writer = os.pipe()
    with open(reader, "rb"):
        os.write(writer, text.encode())
        os.close(writer)
        assert cli("check", f"/dev/fd/{reader}") == (0, "1 file: 0 errors, 0 warnings\n", "")
