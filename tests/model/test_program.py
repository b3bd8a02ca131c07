"""A reducer that is a program, and everything that may go wrong with it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sim.model.program import Program
from sim.reducer.errors import ReducerError

MISBEHAVES = Path(__file__).parent.parent / "programs" / "misbehaves.py"
CASE = b'{"kind":"host_step"}'


def program(how: str, timeout: float = 20.0) -> Program:
    return Program(shlex.join([sys.executable, "-S", "-E", str(MISBEHAVES), how]), timeout)


def asked(how: str, cases: int = 2, timeout: float = 20.0) -> list[str]:
    """The lines of the error with which a program ends that is asked twice."""
    spoken_to = program(how, timeout)
    with pytest.raises(ReducerError) as caught, spoken_to:
        for _ in range(2):
            spoken_to.ask([CASE] * cases)
    ended(spoken_to)
    lines = [str(line) for line in caught.value.args]
    assert all(line.isprintable() for line in lines)
    assert lines[0].startswith("the reducer '")
    return lines


def ended(program: Program) -> None:
    """It is no more, and no zombie either."""
    with pytest.raises(ChildProcessError):
        os.waitpid(program._process.pid, os.WNOHANG)
    assert not program._listener.is_alive()


def test_one_that_does_as_it_should() -> None:
    with program("nothing") as spoken_to:
        assert spoken_to.name == "misbehaves"
        for batch in range(1, 4):
            assert spoken_to.ask([CASE] * batch) == [{"error": "IllegalForState"}] * batch
    ended(spoken_to)
    assert spoken_to._process.returncode == 0
    assert (spoken_to.batches, spoken_to.cases) == (3, 6)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("dies at once", "ended with exit code 1 before it had answered"),
        ("dies", "ended with exit code 1 before it had answered"),
        ("dies in the middle of a line", """wrote '{"id": 1,' and ended with exit code 3 before it had answered"""),
        ("is killed", "was ended by SIGTERM before it had answered"),
        ("says something else first", r"wrote 'Welcome to my reducer \x1b[31mv2'; expected {"),
        ("wrong version", "speaks version 2 of the protocol; expected version 1"),
        ("another hello", "greeted with 'good morning'; expected {"),
        ("greets with a list", "wrote '[1]'; expected {"),
        ("garbage", r"wrote '\x1b[2Jno JSON \x00'; expected {"),
        ("no text", "wrote '��'; expected {"),
        ("nested deep", "expected {"),
        ("wrong id", "answered batch 2 where 1 was asked"),
        ("too few results", "gave 1 results for a batch of 2 cases"),
        ("too many results", "gave 3 results for a batch of 2 cases"),
        ("no results", "missing required field `results`"),
        ("an empty line", "wrote ''; expected {"),
        ("a huge line", "wrote a line of more than 64 MiB"),
        ("two answers", "answered batch 1 where 2 was asked"),
    ],
)
def test_one_that_does_something_else(how: str, said: str) -> None:
    assert said in asked(how)[0]


@pytest.mark.parametrize("how", ["hangs at once", "hangs", "hangs in the middle of a line", "closes its output"])
def test_one_that_does_not_answer(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.model.program.GRACE", 0.1)
    began = time.monotonic()
    said = asked(how, timeout=0.4)
    assert "within 0.4 s" in said[0] or "closed its standard output before it had answered" in said[0]
    assert time.monotonic() - began < 30  # the program would sleep for a minute


def test_one_that_does_not_read_what_is_too_much_for_a_pipe() -> None:
    assert "did not answer within 0.4 s" in asked("does not read", cases=100_000, timeout=0.4)[0]


def test_a_batch_and_an_answer_larger_than_a_pipe() -> None:
    with program("nothing") as spoken_to:
        assert len(spoken_to.ask([CASE] * 50_000)) == 50_000


def test_its_last_words() -> None:
    assert asked("dies at once")[1:] == ["its last words on standard error:", "  cannot find my configuration"]
    assert asked("dies")[-1] == r"  \x1b]0;title\x07 out of ideas"


def test_whatever_it_says_on_standard_error_does_not_hold_it_up() -> None:
    with program("writes much to standard error") as spoken_to:
        assert spoken_to.ask([CASE]) == [{"error": "IllegalForState"}]


def test_what_it_has_started_ends_with_it() -> None:
    spoken_to = program("leaves a child behind")
    with pytest.raises(ReducerError, match="enough"), spoken_to:
        spoken_to.ask([CASE])
        raise ReducerError("enough")
    ended(spoken_to)  # and nobody holds the standard error that the child had, too


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("'half a quote", "is no command: No closing quotation"),
        ("./no-such-program --fast", "'./no-such-program' cannot be started: No such file or directory"),
        ("/", "'/' cannot be started: Permission denied"),
        ("a\0b", "cannot be started"),
    ],
)
def test_a_command_that_is_none(command: str, said: str) -> None:
    with pytest.raises(ReducerError, match=said), Program(command):
        pass


def test_it_can_be_asked_no_more_when_it_has_ended() -> None:
    with program("nothing") as spoken_to:
        pass
    with pytest.raises(ReducerError, match="has ended"):
        spoken_to.ask([CASE])


def test_no_shell_takes_part(tmp_path: Path) -> None:
    with pytest.raises(ReducerError), Program(f"/bin/echo $(touch {tmp_path}/x) > {tmp_path}/y"):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("moment", ["_start", "_listen"])
def test_a_ctrl_c_while_it_starts_ends_it(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Where Python would raise it: before the program is known to run, and when its listener does."""
    spoken_to = program("hangs at once")
    popen, thread_start = subprocess.Popen.__init__, threading.Thread.start

    def started(process: subprocess.Popen[bytes], *args: Any, **kwargs: Any) -> None:
        popen(process, *args, **kwargs)
        signal.raise_signal(signal.SIGINT)

    def listening(thread: threading.Thread) -> None:
        thread_start(thread)
        signal.raise_signal(signal.SIGINT)

    if moment == "_start":
        monkeypatch.setattr(subprocess.Popen, "__init__", started)
    else:
        monkeypatch.setattr(threading.Thread, "start", listening)
    with pytest.raises(KeyboardInterrupt), spoken_to:
        pytest.fail("it goes on")
    ended(spoken_to)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
