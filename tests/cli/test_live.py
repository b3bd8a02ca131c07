"""What only a terminal shows, and Ctrl-C: the command as a process, its standard error on a pseudo-terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from sim.cli.interrupts import Interrupts
from sim.result import read
from tests.cli.test_watch import COMMANDS, QUICK, SO_FAR

PATIENCE = 40.0
SIMULATED = b" simulated "
KEPT = ("PATH", "HOME", "PYTHONPATH", "PYTHONWARNINGS", "LANG", "LC_ALL")


class Terminal:
    """A process with its standard error, and its output if wanted, on a terminal of 90 columns."""

    def __init__(self, command: list[str], *, out: bool, environment: dict[str, str]):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 0, 0))
        self.terminal = ours
        self.seen = b""
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs if out else subprocess.PIPE,
            stderr=theirs,
            start_new_session=True,
            env={**{key: os.environ[key] for key in KEPT if key in os.environ}, **environment},
        )
        os.close(theirs)

    def read(self, until: bytes = b"", seconds: float = PATIENCE) -> None:
        """Until these bytes, or to the end."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and not (until and until in self.seen):
            if select.select([self.terminal], [], [], 0.05)[0]:
                try:
                    new = os.read(self.terminal, 65536)
                except OSError:  # the other side is closed
                    new = b""
                if not new:
                    break
                self.seen += new
        assert until in self.seen

    def end(self) -> tuple[int, str, str]:
        """Exit code, what the terminal got, what the pipe got."""
        self.read()
        # a command that goes on after Ctrl-C would never close its pipe
        out, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, self.seen.decode(), (out or b"").decode()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        os.close(self.terminal)


@pytest.fixture
def start(command):
    started = []

    def run(*arguments: object, out: bool = True, environment: dict[str, str] | None = None) -> Terminal:
        environment = environment or {"TERM": "xterm-256color"}
        started.append(Terminal([*command, *map(str, arguments)], out=out, environment=environment))
        return started[-1]

    yield run
    for one in started:
        one.close()


def test_the_live_view(start, long: Path) -> None:
    run = start("run", long)
    run.read(b"setting up the fleet")
    run.read(b"in wave 0, the last is 1")
    run.process.send_signal(signal.SIGINT)
    code, seen, _ = run.end()
    assert code == 130
    assert re.search(r"\d+ events, [\d,]+/s", seen)
    assert re.search(r"Pending +[\d,]+ ", seen)
    assert "stable@r1: in wave 0, the last is 1" in seen
    # the view is taken away and the cursor is back before the result is printed
    view, _, result = seen.rpartition("\x1b[?25h")
    assert SIMULATED.decode() in view
    assert "0 of 1 rollout finished, 1 still going on" in result
    assert "Interrupted at " in result
    assert "Traceback" not in seen


def test_quiet_shows_none(start, small: Path) -> None:
    code, seen, _ = start("run", small, "--quiet").end()
    assert code == 0
    assert "setting up" not in seen
    assert "\x1b[?25l" not in seen


def test_the_view_is_on_standard_error(start, small: Path) -> None:
    code, seen, out = start("run", small, out=False).end()
    assert code == 0
    assert "setting up the fleet" in seen
    assert out.startswith("small: the rollout finished")
    assert "finished" not in seen


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "xterm"}])
def test_colours_are_for_terminals_that_have_them(start, small: Path, environment: dict[str, str]) -> None:
    code, seen, _ = start("run", small, environment=environment).end()
    assert code == 0
    coloured = environment == {"TERM": "xterm"}
    assert ("\x1b[1;32m" in seen or "\x1b[32m" in seen) == coloured
    assert ("\x1b[" in seen) == (environment["TERM"] != "dumb")


def test_ctrl_c_gives_what_is_known(start, long: Path, tmp_path: Path) -> None:
    run = start("run", long, "--json", "--out", tmp_path / "out", out=False)
    run.read(SIMULATED)
    interrupted = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    code, seen, out = run.end()
    assert time.monotonic() - interrupted < 10
    assert code == 130
    assert "Traceback" not in seen
    summary = json.loads(out)
    assert summary["end"] == "interrupted"
    assert summary["events"]["simulated"] > 0
    assert summary["rollouts"][0]["states"]["Converged"] == 0
    assert read(tmp_path / "out").summary == summary


def test_impatience(start, long: Path) -> None:
    """Ctrl-C again and again: it ends, without a traceback, whatever it is at."""
    run = start("run", long)
    run.read(SIMULATED)
    ends = time.monotonic() + PATIENCE
    while run.process.poll() is None and time.monotonic() < ends:
        run.process.send_signal(signal.SIGINT)
        run.read(b"", 0.02)
    code, seen, _ = run.end()
    assert code == 130
    assert "Traceback" not in seen


def test_ctrl_c_while_the_fleet_is_set_up(start, long: Path) -> None:
    run = start("run", long, "--set", "fleet.generate.channels.stable.hosts=200000")
    run.read(b"setting up the fleet")
    run.process.send_signal(signal.SIGINT)
    code, seen, _ = run.end()
    assert code == 130
    assert "Traceback" not in seen


def test_ctrl_c_in_another_command(start, tmp_path: Path) -> None:
    """`conform` that waits for a case: exit code 130 and not a word."""
    pipe = tmp_path / "cases"
    os.mkfifo(pipe)
    run = start("conform", pipe, out=False)
    with open(pipe, "wb"):  # opens once the command reads
        run.process.send_signal(signal.SIGINT)
        code, seen, out = run.end()
    assert (code, seen.replace("^C", ""), out) == (130, "", "")


@pytest.mark.parametrize("workers", [1, 2])
def test_replicate_shows_its_progress_and_what_is_known_after_ctrl_c(start, small: Path, workers: int) -> None:
    run = start("replicate", small, "-n", 100_000, "--workers", workers, out=False)
    run.read(b" of 100,000 runs, ")
    run.read("±".encode())
    run.process.send_signal(signal.SIGINT)
    code, seen, out = run.end()
    assert code == 130
    assert re.search(r"left, rollouts\.stable\.time_to", seen.replace("\r", "").replace("\n", ""))
    assert seen.endswith(("\x1b[?25h", "\x1b[2K"))
    assert "Traceback" not in seen
    assert out.startswith("small: rollouts.stable.time_to_converged_s.p99 is ")
    assert re.search(r"^\d+ runs, seed 1: interrupted; ", out, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_experiment_says_how_far_it_is_and_what_comes_of_it(start, small: Path, tmp_path: Path, name: str) -> None:
    places = {"SCENARIO": small, "OUT": tmp_path / "out", "BASELINE": tmp_path / "baseline.json"}
    words = [places.get(word, word) for word in COMMANDS[name]]
    code, seen, _ = start(*words, *QUICK, out=False).end()
    assert code == 0
    shown = " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", " ", seen).split())
    assert ": the first run ..." in shown
    assert SO_FAR.search(shown)
    # an estimate with its interval: a mean, or a share
    assert re.search(r" \d[\d.]* ± [\d.]+ | \d+ % as asked \(\d", shown)


@pytest.mark.parametrize("workers", [1, 2])
def test_replicate_ends_at_once_in_the_middle_of_its_first_run(start, long: Path, workers: int) -> None:
    run = start("replicate", long, "--workers", workers, out=False)
    run.read(b"the first run ...")
    run.process.send_signal(signal.SIGINT)
    code, seen, out = run.end()
    assert (code, out) == (130, "")
    assert "Traceback" not in seen


def test_ctrl_c_that_an_import_swallows_is_heard_at_the_next_look() -> None:
    def leave(number: int, frame: object) -> None:
        raise SystemExit(130)

    before = signal.signal(signal.SIGINT, leave)
    try:
        with Interrupts() as interrupts:
            with contextlib.suppress(SystemExit):
                signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                interrupts.look()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_leaves_no_baseline(start, long: Path, tmp_path: Path, workers: int) -> None:
    file = tmp_path / "baseline.json"
    run = start("bench", "record", file, long, "--workers", workers, out=False)
    run.read(b"the first run ...")
    run.process.send_signal(signal.SIGINT)
    code, seen, out = run.end()
    assert (code, out) == (130, "")
    assert "Traceback" not in seen
    assert not file.exists()
