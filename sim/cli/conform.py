"""`conform`: conformance vectors (spec page 8) against the reducers."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import typer

from sim.cli.console import complain_of, put, put_json
from sim.cli.json_diff import deep, json_diff, same
from sim.cli.options import Json, ReducerCmd, ReducerTimeout, reducer_of

if TYPE_CHECKING:
    from sim.model.remote import Remote

HELP = """Run conformance vectors against the reducers, the planner and the projection.

VECTORS are files of one JSON case a line, plain or gzipped. The first failures are shown as diffs (- expected,
+ got); the last line is `N passed, M failed`. Exit code 1 if a case failed, 2 if one cannot be read. With
--reducer-cmd a program of yours answers the cases; the README says how it is spoken to.

\b
Examples:
  nixfleet-sim conform vectors/*.jsonl.gz
  nixfleet-sim conform --json vectors/plan.jsonl
  nixfleet-sim conform vectors/*.jsonl.gz --reducer-cmd ./my-reducer
"""
SHOWN = 5
"""Failures and unreadable cases told in full."""
BATCH, BATCH_BYTES = 100, 1 << 18
"""Cases, and bytes of cases, that a program is sent at a time."""


class _Unreadable(Exception):
    """A case or the rest of a file cannot be read; the message says why."""


class _Case(NamedTuple):
    """A case: where it stands, what is given, what is expected, and what the project's own reducers answer."""

    file: Path
    line: int | None
    given: dict[str, Any]
    expect: Any
    ours: Any


def conform(
    vectors: Annotated[list[Path], typer.Argument(metavar="VECTORS...", help="Files of cases, .jsonl or .jsonl.gz.")],
    reducer_cmd: ReducerCmd = None,
    reducer_timeout: ReducerTimeout = None,
    as_json: Json = False,
) -> None:
    """Compare what the vectors expect with what the reducers answer."""
    passed = failed = 0
    failures: list[dict[str, Any]] = []
    problems: list[dict[str, Any]] = []
    with reducer_of(reducer_cmd, reducer_timeout) as reducer:
        for case, got in _answered(_readable(vectors, problems), reducer):
            if same(case.expect, got):
                passed += 1
                continue
            failed += 1
            if len(failures) < SHOWN:
                place = {"file": str(case.file), "line": case.line, "kind": case.given["kind"]}
                failures.append({**place, "expect": case.expect, "got": got})
                if not as_json:
                    _show(failures[-1])
    if failed > len(failures) and not as_json:
        put(f"... and {failed - len(failures):,} more failed")
        put("")
    _complain(problems)
    if as_json:
        put_json({"passed": passed, "failed": failed, "failures": failures, "problems": problems})
    else:
        put(f"{passed} passed, {failed} failed")
    raise typer.Exit(2 if problems else 1 if failed else 0)


def _readable(vectors: list[Path], problems: list[dict[str, Any]]) -> Iterator[_Case]:
    """The cases of the files; what cannot be read is a problem."""
    for file in vectors:
        cases = 0
        for line, case in _cases(file):
            cases += 1
            try:
                yield _case(file, line, case)
            except _Unreadable as error:
                problems.append({"file": str(file), "line": line, "message": str(error)})
        if not cases:
            problems.append({"file": str(file), "line": None, "message": "no case in it; expected one a line"})


def _cases(file: Path) -> Iterator[tuple[int | None, Any]]:
    """The cases of a file with their lines; in place of what cannot be read an `_Unreadable`."""
    number: int | None = None
    try:
        with open(file, "rb") as raw:
            zipped = raw.peek(2)[:2] == b"\x1f\x8b"
            stream = cast(IO[bytes], gzip.GzipFile(fileobj=raw) if zipped else raw)
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, _decoded(line)
    except (OSError, EOFError, zlib.error) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        yield (None if number is None else number + 1), _Unreadable(f"cannot be read: {reason}")


def _decoded(line: bytes) -> Any:
    def no_number(word: str) -> None:
        raise ValueError(f"{word} is no JSON number")

    try:
        return json.loads(line.decode(), parse_constant=no_number)
    except RecursionError:
        return _Unreadable("nested too deep")
    except ValueError as error:
        return _Unreadable(f"expected a JSON object a line: {error}")


def _case(file: Path, line: int | None, case: Any) -> _Case:
    """A case that our own reducers can read, whoever is to answer it."""
    from sim.reducer.errors import VectorError
    from sim.reducer.vectors import expected_of

    if isinstance(case, _Unreadable):
        raise case
    if not isinstance(case, Mapping):
        raise _Unreadable("expected an object")
    if "expect" not in case:
        raise _Unreadable("`expect` is missing")
    given = {key: value for key, value in case.items() if key != "expect"}
    expect: Any = case["expect"]
    try:
        got: Any = expected_of(given)
    except VectorError as error:
        raise _Unreadable(str(error)) from None
    except Exception as error:
        # the reducers never raise by contract: one that does has failed the case, not the command
        got = {"raised": f"{type(error).__name__}: {error}"}
    if deep([expect, got]):
        raise _Unreadable("nested too deep")
    return _Case(file, line, given, expect, got)


def _answered(cases: Iterable[_Case], reducer: Remote | None) -> Iterator[tuple[_Case, Any]]:
    """What the cases get: from the project's own reducers, or from a program, a batch at a time."""
    if reducer is None:
        for case in cases:
            yield case, case.ours
        return
    batch: list[_Case] = []
    requests: list[bytes] = []
    for case in cases:
        batch.append(case)
        requests.append(json.dumps(case.given, separators=(",", ":")).encode())
        if len(batch) == BATCH or sum(map(len, requests)) > BATCH_BYTES:
            yield from zip(batch, _results(reducer, requests), strict=True)
            batch, requests = [], []
    if batch:
        yield from zip(batch, _results(reducer, requests), strict=True)


def _results(reducer: Remote, requests: list[bytes]) -> list[Any]:
    return ["nested too deep" if deep(result) else result for result in reducer.program.ask(requests)]


def _show(failure: dict[str, Any]) -> None:
    put(f"{failure['file']}:{failure['line']}: {failure['kind']} failed (- expected, + got)")
    for line in json_diff(failure["expect"], failure["got"]):
        put(f"  {line}")
    put("")


def _complain(problems: list[dict[str, Any]]) -> None:
    if not problems:
        return
    lines = []
    for problem in problems[:SHOWN]:
        place = problem["file"] if problem["line"] is None else f"{problem['file']}:{problem['line']}"
        lines.append(f"{place}: {problem['message']}")
    if len(problems) > SHOWN:
        lines.append(f"... and {len(problems) - SHOWN:,} more")
    complain_of(f"{len(problems):,} cases or files cannot be read", lines)
