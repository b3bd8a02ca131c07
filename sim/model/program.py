"""A reducer that is a program of its own: started, spoken to, and ended (spec page 10, The reducer protocol).

A program may hang, die, or say anything. Whatever it does is a `ReducerError` with its last words on standard error;
nothing here waits longer than the time limit, and what is ended here ends with all that it has started.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from select import POLLIN, POLLOUT, poll
from threading import Thread, current_thread, main_thread
from types import FrameType
from typing import Any, Self

import msgspec

from sim.reducer.errors import ReducerError
from sim.reducer.wire import HELLO, VERSION, Answer, Hello, shown

TIMEOUT = 10.0
"""Seconds for an answer, unless told otherwise."""
LONGEST = 1 << 26
"""Bytes of a line that are read before it is taken to have no end."""
LAST_WORDS = 5
"""Lines of its standard error that are shown."""
GRACE = 1.0
"""Seconds that a program has to end by itself once its input has ended."""

LOOK_EVERY = 0.1
"""Seconds between two calls of `while_waiting`."""

_CHUNK = 1 << 16
_encoder = msgspec.json.Encoder()
_hello = msgspec.json.Decoder(Hello)
_answer = msgspec.json.Decoder(Answer)


class Program:
    """A reducer program, to be used as a context: it runs inside, and has ended after it.

    Args:
        command: the program and its arguments as one would type them; no shell takes part.
        timeout: seconds it may take for one answer.
    """

    def __init__(self, command: str, timeout: float = TIMEOUT):
        self.command = command
        self.timeout = timeout
        self.name = ""
        """What it calls itself."""
        self.batches = 0
        """How many batches it has answered."""
        self.cases = 0
        """How many cases were in them."""
        self.while_waiting: Callable[[], None] = _nothing
        """Called every so often while an answer is awaited; what it raises ends the waiting."""
        self._unread = bytearray()
        self._said = bytearray()
        self._started = False

    def __enter__(self) -> Self:
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise ReducerError(f"the reducer {_quoted(self.command)} is no command: {error}") from None
        if not words:
            raise ReducerError("the command of the reducer is empty; give a program and its arguments")
        try:
            with _undisturbed():
                self._start(words)
            self._greet()
        except BaseException:
            if self._started:
                self._kill()
            raise
        return self

    def _start(self, words: list[str]) -> None:
        try:
            # in a session of its own: a Ctrl-C is meant for us, who then end it; and what it starts ends with it
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or str(error)
            raise ReducerError(f"the reducer {_quoted(words[0])} cannot be started: {reason}") from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        for pipe in (self._in, self._out):
            os.set_blocking(pipe, False)
        self._answers, self._both = poll(), poll()
        self._answers.register(self._out, POLLIN)
        self._both.register(self._out, POLLIN)
        self._both.register(self._in, POLLOUT)
        # a thread, so that the program never waits for somebody to read what it says
        self._listener = Thread(target=self._listen, args=(self._process.stderr.fileno(),), daemon=True)
        self._listener.start()
        self._started = True

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._kill()
            return
        if self._process.returncode is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
        self._kill()

    def ask(self, cases: Sequence[bytes]) -> list[Any]:
        """Its results for cases that are JSON, as decoded JSON.

        Raises:
            ReducerError: it has not answered, or with something else, and is ended; or it has ended before.
        """
        if self._process.returncode is not None:
            raise ReducerError(f"the reducer {_quoted(self.command)} has ended and can be asked no more")
        self.batches += 1
        self.cases += len(cases)
        number = self.batches
        line = self._exchange(b'{"id":%d,"cases":[%b]}\n' % (number, b",".join(cases)))
        answer: Answer = self._decoded(line, _answer, '{"id":number,"results":[…]}')
        if answer.id != number:
            raise self._failed(f"answered batch {answer.id} where {number} was asked")
        if len(answer.results) != len(cases):
            raise self._failed(f"gave {len(answer.results):,} results for a batch of {len(cases):,} cases")
        return answer.results

    def _greet(self) -> None:
        line = self._exchange(_encoder.encode(Hello(HELLO, VERSION)) + b"\n")
        expected = f'{{"hello":"{HELLO}","version":{VERSION},"name":…}}'
        hello = self._decoded(line, _hello, expected)
        if hello.hello != HELLO:
            raise self._failed(f"greeted with {_quoted(hello.hello)}; expected {expected}")
        if hello.version != VERSION:
            raise self._failed(f"speaks version {hello.version} of the protocol; expected version {VERSION}")
        self.name = hello.name or self.command

    # -- lines

    def _exchange(self, line: bytes) -> bytes:
        """Write a line and read one."""
        until = time.monotonic() + self.timeout
        rest = memoryview(line)
        while rest:
            try:
                rest = rest[os.write(self._in, rest) :]
            except BlockingIOError:
                # it may be writing, too, and go on reading only when that is taken
                for pipe, _ in self._waited(self._both, until):
                    if pipe == self._out:
                        self._read()
            except BrokenPipeError:
                raise self._died() from None
        end = self._unread.find(b"\n")
        while end < 0:
            seen = len(self._unread)
            self._waited(self._answers, until)
            self._read()
            end = self._unread.find(b"\n", seen)
        answer = bytes(self._unread[:end])
        del self._unread[: end + 1]
        return answer

    def _waited(self, pipes: poll, until: float) -> list[tuple[int, int]]:
        ready: list[tuple[int, int]] = []
        while not ready and (left := until - time.monotonic()) > 0.0:
            ready = pipes.poll(min(left, LOOK_EVERY) * 1000.0)
            if not ready:
                self.while_waiting()
        if not ready:
            raise self._failed(
                f"did not answer within {self.timeout:g} s", "does it flush its output after every line?"
            )
        return ready

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(self._out, _CHUNK)
            if not chunk:
                raise self._died()
            self._unread += chunk
        if len(self._unread) > LONGEST:
            raise self._failed(f"wrote a line of more than {LONGEST >> 20} MiB")

    def _decoded(self, line: bytes, decoder: msgspec.json.Decoder[Any], expected: str) -> Any:
        try:
            return decoder.decode(line)
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
            reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
            raise self._failed(
                f"wrote {_quoted(line.decode(errors='replace'))}; expected {expected}: {shown(reason)}"
            ) from None

    # -- its end

    def _died(self) -> ReducerError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE)
        with contextlib.suppress(BlockingIOError):
            self._unread += os.read(self._out, _CHUNK)
        wrote = f" wrote {_quoted(self._unread.decode(errors='replace'))} and" if self._unread else ""
        code = self._process.returncode
        if code is None:
            return self._failed(f"{wrote} closed its standard output before it had answered".lstrip())
        how = f"was ended by {_signal(-code)}" if code < 0 else f"ended with exit code {code}"
        return self._failed(f"{wrote} {how} before it had answered".lstrip())

    def _failed(self, what: str, *more: str) -> ReducerError:
        """End the program, and say what it did wrong, with its last words."""
        self._kill()
        words = [line for line in self._said.decode(errors="replace").splitlines() if line.strip()][-LAST_WORDS:]
        if words:
            more = (*more, "its last words on standard error:", *(f"  {shown(line)}" for line in words))
        return ReducerError(f"the reducer {_quoted(self.command)} {what}", *more)

    def _kill(self) -> None:
        process = self._process
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._listener.join(GRACE)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        assert process.stderr is not None
        if not self._listener.is_alive():  # else somebody who left its session holds the other end, and may keep it
            process.stderr.close()

    def _listen(self, pipe: int) -> None:
        while chunk := os.read(pipe, _CHUNK):
            self._said += chunk
            del self._said[:-4096]


def _nothing() -> None:
    pass


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a Ctrl-C wait until the end of the block: between the start of a program and the note that it runs, it would
    leave the program behind."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or current_thread() is not main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        before(*came[0])


def _quoted(text: str) -> str:
    return f"'{shown(text.rstrip(), 80)}'"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
