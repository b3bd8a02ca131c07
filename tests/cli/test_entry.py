"""What all commands share: help, version, usage errors, pipes that break, disks that are full, what is imported."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import sim

COMMANDS = ("run", "check", "conform", "init", "schema")


def test_version(cli) -> None:
    assert cli("--version") == (0, f"nixfleet-sim {sim.__version__}\n", "")


def test_the_installed_command(process) -> None:
    script = Path(sys.executable).parent / "nixfleet-sim"
    if not script.exists():
        pytest.skip("not installed")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"nixfleet-sim {sim.__version__}\n"


def test_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "sim.cli", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"nixfleet-sim {sim.__version__}\n"


def test_help_names_the_commands_and_has_examples(cli) -> None:
    code, out, err = cli("--help")
    assert (code, err) == (0, "")
    assert "Examples:" in out
    for command in COMMANDS:
        assert f"\n  {command} " in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(cli, command: str) -> None:
    code, out, err = cli(command, "--help")
    assert (code, err) == (0, "")
    assert f"Usage: nixfleet-sim {command}" in out
    assert "Examples:\n    nixfleet-sim " in out


@pytest.mark.parametrize("arguments", [("--help",), *((command, "--help") for command in COMMANDS)])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    code = "import sys; from sim.cli.main import execute; execute(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pandas", "pydantic", "simpy", "scipy", "pyarrow", "rich", "msgspec", "yaml"}
    assert heavy.isdisjoint(done.stderr.split())


def test_conform_imports_no_more_than_it_needs() -> None:
    code = "import sys; from sim.cli.main import execute; execute(sys.argv[1:]); print(*sys.modules)"
    vectors = Path(__file__).parent.parent / "vectors" / "plan.jsonl.gz"
    done = subprocess.run([sys.executable, "-c", code, "conform", vectors], capture_output=True, text=True, check=True)
    assert {"numpy", "pandas", "simpy", "scipy", "pyarrow", "rich"}.isdisjoint(done.stdout.split())


@pytest.mark.slow
def test_help_is_quick() -> None:
    """At most twelve times an interpreter that does nothing; the best of several, as others use the machine too."""

    def seconds(*arguments: str) -> float:
        took = []
        for _ in range(7):
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
            took.append(time.perf_counter() - started)
        return min(took)

    assert seconds("-m", "sim.cli", "--help") <= 12 * seconds("-c", "pass")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fly",), "No such command 'fly'"),
        (("run",), "Missing argument 'SCENARIO'"),
        (("check",), "Missing argument"),
        (("conform",), "Missing argument"),
        (("init",), "Missing argument 'FILE'"),
        (("run", "x.yaml", "--fast"), "No such option"),
        (("run", "x.yaml", "--seed", "many"), "'--seed'"),
        (("run", "x.yaml", "--replication", "-1"), "'--replication'"),
        (("run", "x.yaml", "--set", "rules.deferred"), "expected KEY=VALUE"),
        (("run", "x.yaml", "--set", "=strict"), "expected KEY=VALUE"),
        (("run", "x.yaml", "y.yaml"), "y.yaml"),
    ],
)
def test_a_wrong_command_line(cli, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert "--help" in err


def test_no_command_is_help(cli) -> None:
    code, out, err = cli()
    assert code == 2
    assert "Usage: nixfleet-sim" in out + err


def test_nobody_reads_the_output(command, small: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*command, "run", small, "--json", "--quiet"], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_nobody_reads_the_errors(command, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*command, "run", tmp_path / "nowhere"], stdout=subprocess.PIPE, stderr=writing, check=False)
    os.close(writing)
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_the_disk_is_full(command) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*command, "schema"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "Error: cannot write the output: No space left on device\n"


def test_closed_streams(command) -> None:
    done = subprocess.run(["sh", "-c", '"$@" >&- 2>&-', "sh", *command, "schema"], check=False)
    assert done.returncode == 0


def test_a_poor_encoding(process, small: Path) -> None:
    code, out, err = process("run", small, "--quiet", "--set", "name=fl\u00f6tte", PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "")
    assert out.startswith("fl\\xf6tte: the rollout finished")


def test_a_terminal_that_claims_no_columns(process, small: Path) -> None:
    said = process("run", small, "--quiet", COLUMNS="0")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("small: ")


def test_names_do_not_steer_the_terminal(cli, small: Path) -> None:
    out = cli("run", small, "--quiet", "--set", 'name="a\\e[2Jb"').out
    assert out.startswith("a\\x1b[2Jb: ")
    assert "\x1b" not in out
