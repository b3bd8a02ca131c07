"""Ways to run the command: in this process, which is quick, or as users do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from sim.cli.main import execute

ROOT = Path(__file__).parent.parent.parent
# a test run that was started in the background ignores Ctrl-C, and so would what it starts
START = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from sim.cli.main import main; main()"


class Said(NamedTuple):
    """What a command ended with."""

    code: int
    out: str
    err: str


Cli = Callable[..., Said]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs the command line in this process."""

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        code = execute([str(argument) for argument in arguments])
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def command() -> list[str]:
    """The command line as a process: append the arguments."""
    return [sys.executable, "-c", START]


@pytest.fixture
def process(command: list[str]) -> Cli:
    """Runs the command line as a process of its own, its output in pipes."""

    def run(*arguments: object, **environment: str) -> Said:
        done = subprocess.run(
            [*command, *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            cwd=ROOT,
            env={**os.environ, **environment},
            check=False,
        )
        assert "Traceback" not in done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    return run


SMALL = {
    "name": "small",
    "seed": 1,
    "fleet": {
        "generate": {
            "channels": {"stable": {"hosts": 20, "policy": "p", "name": "{channel}-{index}"}},
            "policies": {"p": {"waves": [{"percent": 10, "soak": "5m"}, {"percent": 100, "soak": "10m"}]}},
        }
    },
}
LONG = {
    "name": "long",
    "until": "30d",
    "fidelity": "full",
    "fleet": {
        "generate": {
            "channels": {"stable": {"hosts": 2000, "policy": "p"}},
            "policies": {"p": {"waves": [{"percent": 1, "soak": "20d"}, {"percent": 100, "soak": "25d"}]}},
        }
    },
}
"""Hours of work."""


def _file(folder: Path, data: dict[str, object]) -> Path:
    path = folder / f"{data['name']}.yaml"
    path.write_text(json.dumps(data))
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A scenario of a moment, without lints, in which all goes well."""
    return _file(tmp_path, SMALL)


@pytest.fixture
def stalling(tmp_path: Path) -> Path:
    """Its first wave, stable-0 and stable-1, never gets through: activations fail there."""
    return _file(
        tmp_path,
        {
            **SMALL,
            "name": "stalling",
            "hosts": {
                "overrides": [{"match": {"hosts": ["stable-0"]}, "activation_failure": 1.0}],
            },
        },
    )


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A scenario that takes far longer than any test waits."""
    return _file(tmp_path, LONG)
