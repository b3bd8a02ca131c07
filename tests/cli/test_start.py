"""`init` and `schema`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest
import yaml

ARTIFACT = {
    "schemaVersion": 1,
    "hosts": {"a": {"system": "x86_64-linux", "channel": "c"}},
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


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    (tmp_path / "fleet").mkdir()
    path = tmp_path / "fleet" / "fleet.resolved.json"
    path.write_text(json.dumps(ARTIFACT))
    return path


def test_what_is_written_can_be_run(cli, tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    code, out, err = cli("init", path)
    assert (code, out) == (0, "")
    assert err == f"wrote {path}; next: nixfleet-sim run {path}\n"
    assert cli("check", path).code == 0
    assert cli("run", path).code == 0
    assert os.listdir(tmp_path) == ["new.yaml"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_around_an_artifact(cli, artifact: Path, tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    assert cli("init", path, "--from", artifact).code == 0
    code, out, _ = cli("run", path)
    assert code == 0
    assert "c@r1: finished" in out


def test_nothing_is_overwritten_unless_asked(cli, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("precious")
    path.chmod(0o640)
    code, out, err = cli("init", path)
    assert (code, out) == (2, "")
    assert "is there already" in err
    assert "--force" in err
    assert path.read_text() == "precious"
    assert cli("init", path, "--force").code == 0
    assert path.read_text() != "precious"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_is_followed(cli, tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("")
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    assert cli("init", tmp_path / "link.yaml", "--force").code == 0
    assert (tmp_path / "link.yaml").is_symlink()
    assert (tmp_path / "real.yaml").read_text()


@pytest.mark.parametrize(
    ("target", "said"),
    [(".", "is no file"), ("missing/new.yaml", "mkdir -p"), ("/dev/null", "is no file"), ("/proc/new.yaml", "/proc/")],
)
def test_a_place_that_will_not_do(cli, tmp_path: Path, target: str, said: str) -> None:
    code, out, err = cli("init", tmp_path / target, "--force")
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"schemaVersion": 3}'])
def test_an_artifact_that_cannot_be_used(cli, tmp_path: Path, content: str | None) -> None:
    artifact = tmp_path / "fleet.json"
    if content is not None:
        artifact.write_text(content)
    code, out, err = cli("init", tmp_path / "new.yaml", "--from", artifact)
    assert (code, out) == (2, "")
    assert str(artifact) in err
    assert not (tmp_path / "new.yaml").exists()


def test_a_write_that_fails_leaves_the_old(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, _, err = cli("init", path, "--force")
    assert code == 2
    assert err == f"Error: {path}: cannot be written: No space left on device\n"
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["mine.yaml"]


def test_the_schema_takes_what_init_writes(cli, tmp_path: Path) -> None:
    code, out, err = cli("schema")
    assert (code, err) == (0, "")
    schema = json.loads(out)
    jsonschema.Draft202012Validator.check_schema(schema)
    cli("init", tmp_path / "new.yaml")
    jsonschema.validate(yaml.safe_load((tmp_path / "new.yaml").read_text()), schema)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
