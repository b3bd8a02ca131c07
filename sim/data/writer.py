"""Writing an event log as an SQLite file (spec page 7): the rows as they come, then the tables derived from them.

The file is written beside its place under another name, in one transaction, and takes its place when it is whole.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sim.data.log import SIMULATION, EventLog, LogError, Simulation
from sim.data.rows import Kind, Payload, encoder
from sim.data.times import rfc3339, to_nanoseconds
from sim.reducer.effects import RecordRolloutTransition, RemoteInsertQuarantine
from sim.reducer.events import RolloutOpened
from sim.reducer.payloads import ProbeResult
from sim.reducer.records import HostRecord

if TYPE_CHECKING:
    from sim.model.world import World

BATCH = 2000
"""Rows handed to SQLite at once."""
RECORD = HostRecord.__struct_fields__[:-2]
"""The fields of a host's record that are columns as they are: all but its probes and its count."""
TABLES = f"""
CREATE TABLE event_log(seq INTEGER PRIMARY KEY AUTOINCREMENT, ts TEXT NOT NULL, host_id TEXT, rollout_id TEXT,
    kind TEXT NOT NULL, payload TEXT NOT NULL);
CREATE TABLE rollouts(rollout_id TEXT PRIMARY KEY, channel TEXT NOT NULL, target_ref TEXT NOT NULL,
    state TEXT NOT NULL, current_wave INTEGER NOT NULL, opened_event_log_seq INTEGER,
    last_transition_event_log_seq INTEGER, opened_at TEXT NOT NULL, terminal_at TEXT, superseded_at TEXT);
CREATE TABLE quarantined_closures(channel TEXT NOT NULL, closure_hash TEXT NOT NULL, quarantined_at TEXT NOT NULL,
    triggering_event_log_seq INTEGER, PRIMARY KEY (channel, closure_hash));
CREATE TABLE host_rollout_records({", ".join(f"{name} TEXT" for name in RECORD)}, probes_json TEXT NOT NULL,
    last_event_seq INTEGER NOT NULL, PRIMARY KEY (rollout_id, hostname));
CREATE TABLE probe_failures(event_log_seq INTEGER, rollout_id TEXT NOT NULL, host_id TEXT NOT NULL,
    probe_name TEXT NOT NULL, control_id TEXT, framework TEXT, observed_at TEXT NOT NULL);
CREATE TABLE dispatch_queue(hostname TEXT NOT NULL, rollout_id TEXT NOT NULL, target_closure TEXT NOT NULL,
    soak_due_at TEXT, enqueued_at TEXT NOT NULL, PRIMARY KEY (hostname, rollout_id));
CREATE TABLE {SIMULATION}(key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


def check_log(path: str | Path) -> None:
    """Whether `new_log` may write there: nothing is there, or a log that it wrote itself; nothing is left behind.

    Raises:
        LogError: something else is there, a control plane's own log among it, or it cannot be written.
    """
    place = Path(path)
    if os.path.lexists(place):
        try:
            with EventLog(place) as log:
                ours = log.simulation is not None
        except LogError:
            ours = False
        if not ours:
            raise LogError(f"{path}: is there and is no log that this program wrote; give another name")
    with _spoken(path), tempfile.NamedTemporaryFile(prefix=f".{place.name}.", dir=place.resolve().parent):
        pass


@contextmanager
def new_log(path: str | Path, start: int) -> Iterator[LogWriter]:
    """A log that takes its place at the end of the `with` block; if that is left by an exception nothing is written.

    Args:
        start: the date of t = 0, in nanoseconds since 1970.

    Raises:
        LogError: see `check_log`.
    """
    check_log(path)
    place = Path(path).resolve()
    with _spoken(path):
        descriptor, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
        os.close(descriptor)
        draft = Path(name)
        try:
            writer = LogWriter(draft, start)
            try:
                yield writer
                writer.commit()
            finally:
                writer.database.close()
            mask = os.umask(0)
            os.umask(mask)
            draft.chmod(place.stat().st_mode if place.exists() else 0o666 & ~mask)
            os.replace(draft, place)
        except BaseException:
            draft.unlink()
            raise


class LogWriter:
    """Takes rows in order of time (`row`), then the world they came from (`finish`). `rows`: how many there are."""

    def __init__(self, path: Path, start: int):
        self.rows = 0
        self.database = sqlite3.connect(path, isolation_level=None)
        # nobody reads the draft, and one that is not finished is thrown away
        self.database.execute("PRAGMA journal_mode = OFF")
        self.database.execute("PRAGMA synchronous = OFF")
        self.database.executescript(TABLES)
        self.database.execute("BEGIN")
        self._start = start
        self._encode = encoder(start)
        self._cells: list[tuple[Any, ...]] = []
        self._failures: list[tuple[Any, ...]] = []
        self._opened: dict[str, int] = {}
        self._moved: dict[str, int] = {}
        self._quarantined: dict[tuple[str, str], tuple[str, int]] = {}

    def commit(self) -> None:
        """Write out what is still held back, to the disk."""
        self._flush()
        self.database.execute("COMMIT")
        self.database.execute("PRAGMA synchronous = FULL")
        self.database.execute("PRAGMA user_version = 1")  # a write, with which SQLite now flushes the file

    def row(self, at: float, host: str | None, rollout: str | None, kind: Kind, payload: Payload) -> None:
        """Append a row of time `at` (s)."""
        self.rows += 1
        ts = self._text(at)
        self._cells.append((self.rows, ts, host, rollout, kind, self._encode(payload)))
        match payload:
            case ProbeResult(status="fail"):
                seen = self._text(payload.observed_at)
                self._failures.append((self.rows, rollout, host, payload.probe_name, None, None, seen))
            case RolloutOpened():
                self._opened[payload.rollout_id] = self.rows
            case RecordRolloutTransition():
                self._moved[payload.rollout_id] = self.rows
            case RemoteInsertQuarantine():  # the row before is the report that led to it
                self._quarantined.setdefault((payload.channel, payload.closure), (str(ts), self.rows - 1))
        if len(self._cells) >= BATCH:
            self._flush()

    def finish(self, world: World, ended_at: float, simulation: Simulation) -> None:
        """Drop the rows after `ended_at` (s), which are not part of the run, and write the derived tables."""
        self._flush()
        last = self.database.execute(
            "SELECT seq FROM event_log WHERE ts <= ? ORDER BY seq DESC LIMIT 1", (self._text(ended_at),)
        ).fetchone()
        self.rows = 0 if last is None else last[0]
        self.database.execute("DELETE FROM event_log WHERE seq > ?", (self.rows,))
        self.database.execute("DELETE FROM probe_failures WHERE event_log_seq > ?", (self.rows,))
        self.database.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'event_log'", (self.rows,))
        self._insert("rollouts", self._rollouts(world))
        self._insert("quarantined_closures", ((*key, *value) for key, value in self._quarantined.items()))
        self._insert("host_rollout_records", self._records(world))
        self._insert("dispatch_queue", self._queue(world))
        about = msgspec.to_builtins(simulation)
        self._insert(SIMULATION, ((key, str(msgspec.json.encode(value), "utf-8")) for key, value in about.items()))

    def _rollouts(self, world: World) -> Iterator[tuple[Any, ...]]:
        for rollout in world.control_plane.rollouts:
            record = rollout.record
            name = record.rollout_id
            seqs = self._opened.get(name), self._moved.get(name)
            times = (self._text(at) for at in (record.opened_at, record.terminal_at, record.superseded_at))
            yield (name, record.channel, record.target_ref, record.state, record.current_wave, *seqs, *times)

    def _records(self, world: World) -> Iterator[tuple[Any, ...]]:
        for rollout in world.control_plane.rollouts:
            for number in rollout.hosts:
                record = rollout.mirrors[number]
                cells = (getattr(record, name) for name in RECORD)
                probes = {
                    name: self._dated(msgspec.to_builtins(entry)) for name, entry in sorted(record.probes.items())
                }
                text = str(msgspec.json.encode(probes), "utf-8")
                yield (*(self._text(c) if isinstance(c, float) else c for c in cells), text, record.last_event_seq)

    def _dated(self, entry: dict[str, Any]) -> dict[str, Any]:
        return {key: self._text(value) if isinstance(value, float) else value for key, value in entry.items()}

    def _queue(self, world: World) -> Iterator[tuple[Any, ...]]:
        """The dispatches that wait for their hosts, each as it was queued last."""
        plane = world.control_plane
        waiting = {
            (plane.rollouts[number].rollout_id, host.name) for host in world.hosts for number in host.slots or ()
        }
        if not waiting:
            return
        query = (
            "SELECT rollout_id, host_id, ts, payload, max(seq) FROM event_log WHERE kind = 'plan_action' AND "
            "host_id IS NOT NULL GROUP BY rollout_id, host_id"
        )
        for rollout_id, host, ts, payload, _ in self.database.execute(query).fetchall():
            if (rollout_id, host) in waiting:
                action = msgspec.json.decode(payload)
                yield host, rollout_id, action["target_closure"], action["soak_due_at"], ts

    def _text(self, at: float | None) -> str | None:
        return None if at is None else rfc3339(self._start + to_nanoseconds(at))

    def _flush(self) -> None:
        self._insert("event_log", self._cells)
        self._insert("probe_failures", self._failures)
        self._cells, self._failures = [], []

    def _insert(self, table: str, rows: Any) -> None:
        rows = list(rows)
        if rows:
            self.database.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)


@contextmanager
def _spoken(path: str | Path) -> Iterator[None]:
    """Turn what files can do wrong into a `LogError`."""
    try:
        yield
    except OSError as error:
        raise LogError(f"{path}: cannot be written: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise LogError(f"{path}: cannot be written: {error}") from error
