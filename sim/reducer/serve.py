"""The project's reducer as a program: `python -m sim.reducer.serve` (spec page 10, The reducer protocol).

The other side of the protocol for who writes a program of their own, and a yardstick for it; `main(mine)` makes such a
program of a reducer in Python. Reads batches from standard input and answers them on standard output until the input
ends. A line that is no batch, or a case that makes no sense, ends it with a message on standard error and exit code 2.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

import sim
from sim.reducer.errors import VectorError
from sim.reducer.protocol import BUILT_IN, Reducer
from sim.reducer.vectors import HostStep, RolloutStep, answer_to, expected_of
from sim.reducer.wire import HELLO, VERSION, Batch, Hello, shown

_hello = msgspec.json.Decoder(Hello)
_batch = msgspec.json.Decoder(Batch)
_step = msgspec.json.Decoder(HostStep | RolloutStep)
_anything = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


class BadLine(Exception):
    """A line that is not of the protocol; the message says which and why."""


def serve(lines: Iterable[bytes], write: Callable[[bytes], object], reducer: Reducer = BUILT_IN) -> None:
    """Answer every line with one line.

    Raises:
        BadLine: a line, or a case in it, makes no sense; nothing is written for it.
    """
    for number, line in enumerate(lines, 1):
        try:
            write((_batch_answered(line, reducer) if number > 1 else _greeted(line, reducer)) + b"\n")
        except (BadLine, VectorError) as error:
            raise BadLine(f"line {number}: {error}") from None


def _greeted(line: bytes, reducer: Reducer) -> bytes:
    expected = f'expected {{"hello":"{HELLO}","version":{VERSION}}}'
    given = _decoded(line, _hello, expected)
    if given.hello != HELLO:
        raise BadLine(f"{expected}, got another hello: {shown(given.hello)!r}")
    if given.version != VERSION:
        raise BadLine(f"version {given.version} of the protocol is asked for; this program speaks version {VERSION}")
    name = f"nixfleet-sim {sim.__version__}" if reducer is BUILT_IN else type(reducer).__name__
    return _encoder.encode(Hello(HELLO, VERSION, name))


def _batch_answered(line: bytes, reducer: Reducer) -> bytes:
    batch = _decoded(line, _batch, 'expected {"id":number,"cases":[…]}')
    results = []
    for place, case in enumerate(batch.cases, 1):
        try:
            results.append(_answered(case, reducer))
        except (BadLine, VectorError) as error:
            raise BadLine(f"batch {batch.id}, case {place}: {error}") from None
    return _encoder.encode({"id": batch.id, "results": results})


def _answered(case: msgspec.Raw, reducer: Reducer) -> object:
    try:
        # steps, which are nearly all cases, straight from their bytes
        step = _step.decode(case)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        # another kind, or something is wrong, which the plainer way knows to tell
        return expected_of(_decoded(case, _anything, "expected a case"), reducer)
    return answer_to(step, reducer)


def _decoded(line: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[Any], expected: str) -> Any:
    try:
        return decoder.decode(line)
    except RecursionError:
        raise BadLine("nested too deep") from None
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise BadLine(f"{expected}: {error}") from None


def main(reducer: Reducer = BUILT_IN) -> int:
    """The program; its exit code."""
    out = sys.stdout.buffer

    def write(line: bytes) -> None:
        out.write(line)
        out.flush()

    try:
        serve(sys.stdin.buffer, write, reducer)
    except BadLine as error:
        print(f"sim.reducer.serve: {shown(str(error), 1000)}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # who asked has gone: there is nobody to tell, and nothing to flush when the interpreter ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
