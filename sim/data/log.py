"""Reading an event log (spec page 7): the SQLite file of a control plane, or one that `export` wrote.

The file is opened for reading alone and nothing is left beside it. Rows stream in order of `seq`, so a log of any
length takes the same memory. What cannot be read is counted (`problems`) and passed over.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, suppress
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from sim.data.problems import Problems
from sim.data.rows import IGNORED, KINDS, Kind, Row, decoders
from sim.data.times import FAR, clock, nanoseconds

COLUMNS = ("seq", "ts", "host_id", "rollout_id", "kind", "payload")
SIMULATION = "simulation"
"""The table of (key, value as JSON) in which `export` keeps what a log cannot say; a real log has none."""
HEADER = b"SQLite format 3\0"
WRITE_AHEAD = 2
"""The value of a header's format bytes (18 and 19) with a write-ahead log."""


AGENT_EVENT = b"agent_event"


class Simulation(msgspec.Struct, frozen=True):
    """What `export` keeps of a run: the date of t = 0, the scenario as it was run (a file's name -> its content), and
    how it ended (`ended_at` in seconds). `every_pass`: whether each pass wrote its gate decisions."""

    start: str
    scenario: dict[str, str]
    seed: int
    replication: int
    fidelity: str
    end: str
    ended_at: float
    every_pass: bool


class LogError(Exception):
    """A log cannot be read, or written, at all; the message names the file and says why."""


class EventLog:
    """An open log. Use it in a `with` statement; `rows` may be called again and again.

    `start` is the time that counts as 0 (nanoseconds since 1970): what `export` wrote down, else the first row's. The
    numbers in `problems`, `counts` and `read` are of the last call of `rows`.
    """

    def __init__(self, path: str | Path):
        """Raises LogError: there is no event log, or it cannot be read."""
        self.path = Path(path)
        self.problems = Problems()
        self.counts: dict[str, int] = {}
        """Rows by kind, unusable ones too."""
        self.read = 0
        """How many rows there are, up to where the file can be read."""
        self._unread: str | None = None
        self._open = ExitStack()
        try:
            self._database = self._connect()
            self._check()
            self.simulation = self._simulation()
            self.start = self._start()
        except BaseException as error:
            self._open.close()
            if isinstance(error, sqlite3.Error):
                raise LogError(f"{self.path}: cannot be read as an SQLite file: {error}") from error
            raise

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._open.close()

    def distrust_simulation(self, why: str) -> None:
        """Read on as a real log: what the log says of the run it came from cannot be used."""
        self.simulation, self._unread = None, why
        self.start = self._start()

    def rows(self, kinds: Collection[Kind] = KINDS) -> Iterator[Row]:
        """The rows of these kinds in order of `seq`; others are counted alone.

        What is wrong is counted in `problems`, by kind: `payload` (no JSON, or not what its kind of row says), `time`,
        `kind` (none that a log has), `cell` (no text where text belongs), `missing` (row numbers that are not there),
        `doubled` (a number that was there already), `clock` (a row older than the one before, which is used all the
        same), `simulation` (what is known of the run cannot be read) and `file` (the rest of a damaged file).
        """
        self.problems = problems = Problems()
        counts: dict[str, int] = {}
        self.counts = counts
        self.read = 0
        if self._unread is not None:
            problems.add("simulation", None, self._unread)
        known = {kind.encode(): kind for kind in KINDS}
        names = {**known, **{kind.encode(): kind for kind in IGNORED}}
        decode = {kind.encode(): decoder for kind, decoder in decoders(self.start).items() if kind in kinds}
        called: dict[bytes | None, str | None] = {None: None}
        seconds = clock(self.start)
        last, latest = 0, -inf
        for seq, ts, host, rollout, kind, payload in self._cells():
            self.read += 1
            if seq != last + 1:
                if not isinstance(seq, int) or seq <= last:
                    problems.add("doubled", None, f"the number {_shown(seq)} comes after {last:,}")
                    continue
                before = "the log begins here" if last == 0 else f"the row before is {last:,}"
                problems.add("missing", seq, before, seq - last - 1)
            last = seq
            name = names.get(kind)
            if name is None:
                problems.add("kind", seq, f"no kind of row is called {_shown(kind)}")
                continue
            counts[name] = counts.get(name, 0) + 1
            decoder = decode.get(kind)
            if decoder is None:
                continue
            try:
                if host not in called:
                    called[host] = str(host, "utf-8")
                if rollout not in called:
                    called[rollout] = str(rollout, "utf-8")
                if kind == AGENT_EVENT and (host is None or rollout is None):
                    raise TypeError("an agent's event is of a host and a rollout")
                at = seconds(str(ts, "utf-8"))
                row = Row(seq, at, known[kind], called[host], called[rollout], decoder(payload))
            except msgspec.DecodeError as error:
                problems.add("payload", seq, f"{error}: {_shown(payload)}")
            except (TypeError, UnicodeDecodeError):
                cells = ", ".join(_shown(cell) for cell in (ts, host, rollout, payload))
                problems.add("cell", seq, f"expected text, got {cells}")
            except ValueError as error:
                problems.add("time", seq, str(error))
            else:
                if at < latest:
                    problems.add("clock", seq, f"{_shown(ts)} is before the row above")
                latest = at
                yield row

    def _cells(self) -> Iterator[tuple[Any, ...]]:
        """The cells of `event_log` as they are, text as bytes, up to where the file is damaged."""
        read: Any = None
        try:
            with closing(self._database.execute(f"SELECT {', '.join(COLUMNS)} FROM event_log ORDER BY seq")) as cursor:
                for row in cursor:
                    yield row
                    read = row[0]
        except sqlite3.Error as error:
            after = "at all" if read is None else f"after row {_shown(read)}"
            self.problems.add("file", None, f"cannot be read {after}: {error}")

    def _connect(self) -> sqlite3.Connection:
        """The file, or, if a process has left something beside it that belongs in it, a copy with that put in."""
        try:
            if not self.path.is_file():
                raise LogError(f"{self.path}: is {'no file' if self.path.exists() else 'not there'}")
            with self.path.open("rb") as file:
                header = file.read(20)
            path, options = self.path.absolute(), "mode=ro"
            beside = [path.with_name(path.name + end) for end in ("-wal", "-journal")]
            left = [one for one in beside if one.exists() and one.stat().st_size]
            if left:
                copy = Path(self._open.enter_context(tempfile.TemporaryDirectory())) / "log.db"
                shutil.copyfile(path, copy)
                for one in left:
                    shutil.copyfile(one, copy.with_name(copy.name + one.name.removeprefix(path.name)))
                path, options = copy, "mode=rw"
            elif WRITE_AHEAD in header[18:20]:
                options += "&immutable=1"  # else SQLite would make files beside it
        except OSError as error:
            raise LogError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        if not header.startswith(HEADER):
            raise LogError(f"{self.path}: is no SQLite file; an event log is the database of a control plane")
        database = sqlite3.connect(f"{path.as_uri()}?{options}", uri=True)
        self._open.enter_context(closing(database))
        database.text_factory = bytes  # whatever is in a cell can be told then
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA query_only = ON")
        database.execute("PRAGMA writable_schema = ON")  # else SQLite refuses the whole of a file that was cut off
        return database

    def _check(self) -> None:
        columns = [str(row[1], "utf-8", "replace") for row in self._database.execute("PRAGMA table_info(event_log)")]
        if not columns or not self._has("event_log"):
            raise LogError(f"{self.path}: holds no table event_log")
        missing = [column for column in COLUMNS if column not in columns]
        if missing:
            raise LogError(f"{self.path}: its table event_log lacks the column{'s' * (len(missing) > 1)} {missing}")

    def _has(self, table: str) -> bool:
        found = self._database.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,))
        return found.fetchone() is not None

    def _simulation(self) -> Simulation | None:
        """What `export` wrote down of the run; None in a real log."""
        if not self._has(SIMULATION):
            return None
        try:
            pairs = self._database.execute(f"SELECT key, value FROM {SIMULATION}").fetchall()
            found = {str(key, "utf-8"): msgspec.json.decode(value) for key, value in pairs}
            simulation = msgspec.convert(found, Simulation)
            nanoseconds(simulation.start)
        except (sqlite3.Error, TypeError, ValueError) as error:
            self._unread = f"the table {SIMULATION} cannot be used: {error}"
            return None
        return simulation

    def _start(self) -> int:
        if self.simulation is not None:
            return nanoseconds(self.simulation.start)
        start = None
        for row in self._cells():
            with suppress(TypeError, ValueError):
                at = nanoseconds(str(row[1], "utf-8"))
                if start is not None and abs(at - start) < FAR:
                    break
                start = at  # the first, unless the next is far from it: its clock was not set yet
        if start is None:
            raise LogError(f"{self.path}: its table event_log holds no row with a time")
        return start


def _shown(cell: object) -> str:
    """A cell, shortened, for a message."""
    text = str(cell, "utf-8", "replace") if isinstance(cell, bytes) else repr(cell)
    return text if len(text) <= 80 else f"{text[:80]}..."
