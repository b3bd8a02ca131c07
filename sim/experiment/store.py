"""Where the values of finished runs are kept: in memory, and if asked in a directory, from which a killed experiment
goes on.

The directory holds `experiment.json`, by which the experiment is known again; `runs.jsonl`, a line per finished run in
the order of finishing; `table.parquet`, the table, once the experiment has ended; and the scenario. A line is one
write, so a process that is killed leaves whole lines and at most one torn one at the end, which the next to open the
directory cuts off. One process at a time: it holds a lock, which the system takes away from it whatever ends it.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from sim.experiment.errors import ExperimentError
from sim.experiment.points import Columns, Run, Values

FORMAT = 1
ABOUT, RUNS, TABLE, LOCK = "experiment.json", "runs.jsonl", "table.parquet", ".lock"
CHANGES_SHOWN = 8


class Store:
    """The finished runs of an experiment, at most one of a point and replication."""

    def __init__(self) -> None:
        """In memory alone; see `open_store`."""
        self.directory: Path | None = None
        self._values: dict[tuple[str, int], Values] = {}
        self._journal: int | None = None
        self._lock: int | None = None

    def __len__(self) -> int:
        return len(self._values)

    def known(self, run: Run) -> Values | None:
        """The values of a run, None if it has not finished yet."""
        return self._values.get((run.point.key, run.replication))

    def put(self, run: Run, values: Values) -> None:
        """Keep a finished run's values. Of a run that is there already the first values stay."""
        key = (run.point.key, run.replication)
        if key in self._values:
            return
        self._values[key] = values
        if self._journal is not None:
            row = {"point": run.point.settings, "replication": run.replication, "values": values}
            line = msgspec.json.encode(row) + b"\n"
            if os.write(self._journal, line) != len(line):
                raise ExperimentError(f"{self.directory}: no room left to write; make some and give the command again")

    def has_table(self, table: Columns) -> bool:
        """Whether the directory has this very table."""
        place = None if self.directory is None else self.directory / TABLE
        return place is not None and place.exists() and place.read_bytes() == _parquet(table)

    def write_table(self, table: Columns) -> None:
        """Put the experiment's table into the directory, if there is one and it has another."""
        if self.directory is not None and not self.has_table(table):
            self.write(TABLE, _parquet(table))

    def write(self, name: str | Path, content: bytes) -> None:
        """Put another file into the directory, if there is one, in one step."""
        if self.directory is not None:
            replace_file(self.directory / name, content)

    def close(self) -> None:
        """Let others have the directory."""
        if self._journal is not None:
            os.fsync(self._journal)
            os.close(self._journal)
            self._journal = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_store(
    directory: str | Path | None,
    identity: Mapping[str, Any],
    files: Mapping[str, bytes] | None = None,
    *,
    wait: bool = False,
) -> Store:
    """The store of an experiment in a directory, made if it is not there; in memory if `directory` is None.

    Args:
        identity: what must be the same for the experiment to go on, as JSON data.
        files: what else to put there at the start, such as the scenario.
        wait: wait while another process works there.

    Raises:
        ExperimentError: the directory holds something else, another experiment or one of a changed scenario, or another
            process works there.
    """
    store = Store()
    if directory is None:
        return store
    place = Path(directory)
    store.directory = place
    given = {"format": FORMAT, **json.loads(msgspec.json.encode(identity))}
    _check(place, files or {})
    place.mkdir(parents=True, exist_ok=True)
    store._lock = _locked(place, wait)
    try:
        if (place / ABOUT).exists():
            _compare(place, given)
            # what a process that was killed while it wrote a file has left; nobody else writes here now
            for draft in place.rglob(".*.partial"):
                draft.unlink()
        else:
            for name, content in (files or {}).items():
                replace_file(place / name, content)
            # last: what it names is there
            replace_file(place / ABOUT, json.dumps(given, indent=2).encode() + b"\n")
        store._values = _read(place / RUNS, len(given.get("metrics", [])))
        store._journal = os.open(place / RUNS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    except BaseException:
        store.close()
        raise
    return store


def _check(place: Path, files: Mapping[str, bytes]) -> None:
    if place.exists() and not place.is_dir():
        raise ExperimentError(f"{place}: it is a file; give a directory for the experiment")
    if not place.exists() or (place / ABOUT).exists():
        return
    # one that was killed while it was set up left some of these
    ours = {LOCK, *files}
    foreign = sorted(one.name for one in place.iterdir() if one.name not in ours and not one.name.endswith(".partial"))
    if foreign:
        raise ExperimentError(
            f"{place}: it is not empty and holds no experiment ({', '.join(foreign[:3])}"
            f"{', …' if len(foreign) > 3 else ''}); give another directory"
        )


def _locked(place: Path, wait: bool) -> int:
    descriptor = os.open(place / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
    except BaseException as error:
        holder = os.read(descriptor, 20).decode(errors="replace")
        os.close(descriptor)
        if not isinstance(error, BlockingIOError):
            raise
        who = f"process {holder}" if holder else "another process"
        raise ExperimentError(
            f"{place}: {who} is working on this experiment; wait for it (--wait), or give another directory"
        ) from None
    return descriptor


def _compare(place: Path, given: Mapping[str, Any]) -> None:
    try:
        stored = json.loads((place / ABOUT).read_bytes())
    except ValueError as error:
        raise ExperimentError(f"{place / ABOUT} is damaged: {error}; give another directory") from None
    if stored == given:
        return
    before, after = dict(_flat(stored, ())), dict(_flat(given, ()))
    changes = [
        f"{'.'.join(key)}: was {_shown(before, key)}, is {_shown(after, key)}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]
    more = len(changes) - CHANGES_SHOWN
    shown = [*changes[:CHANGES_SHOWN], *([f"... and {more:,} more"] if more > 0 else [])]
    head = f"{place} holds another experiment, or one of a scenario that has changed since; give another directory."
    raise ExperimentError("\n".join([head, *shown]))


def _flat(data: Any, before: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else None
    if inside is None:
        # the scenario's own keys are told as its file has them
        yield before[1:] if before[0] == "scenario" else before, data
    else:
        for key, value in inside:
            yield from _flat(value, (*before, str(key)))


def _shown(flat: Mapping[tuple[str, ...], Any], key: tuple[str, ...]) -> str:
    if key not in flat:
        return "not there"
    text = json.dumps(flat[key]) if not isinstance(flat[key], str) else flat[key]
    return text if len(text) <= 60 else f"{text[:57]}..."


class _Row(msgspec.Struct):
    point: dict[str, Any]
    replication: int
    values: tuple[float | None, ...]


def _read(path: Path, width: int) -> dict[tuple[str, int], Values]:
    """The finished runs of a journal, its torn last line cut off."""
    if not path.exists():
        return {}
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with open(path, "r+b") as stream:
            stream.truncate(whole)
    decoder = msgspec.json.Decoder(_Row)
    found: dict[tuple[str, int], Values] = {}
    for number, line in enumerate(content[:whole].splitlines(), start=1):
        try:
            row = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ExperimentError(
                f"{path}, line {number}: {error}; delete the line to have its run done again"
            ) from None
        key = (msgspec.json.encode(row.point, order="deterministic").decode(), row.replication)
        if len(row.values) != width or key in found:
            why = "a run that is there already" if key in found else f"expected {width} values, got {len(row.values)}"
            raise ExperimentError(f"{path}, line {number}: {why}; delete the line")
        found[key] = row.values
    return found


def _parquet(table: Columns) -> bytes:
    # here, and from buffers: `pa.array` loads pandas, to see whether it is given some, and that takes longer than a
    # finished experiment may take to answer
    import pyarrow as pa
    import pyarrow.parquet as pq

    def array(column: NDArray[Any] | list[str | None]) -> pa.Array:
        kind, bits, *data = _buffers(column)
        given = [None if one is None else pa.py_buffer(one) for one in (bits, *data)]
        return pa.Array.from_buffers(
            pa.large_string() if kind is None else pa.from_numpy_dtype(kind), len(column), given
        )

    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays([array(one) for one in table.values()], list(table)), sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _buffers(column: NDArray[Any] | list[str | None]) -> tuple[Any, ...]:
    """A column as Arrow has it: the type of its numbers (None for text), a bit for each value: is it there (None
    if all are), and the values, of text their ends before them."""
    if isinstance(column, list):
        texts = [(one or "").encode() for one in column]
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        return None, _bits(np.array([one is not None for one in column])), ends, b"".join(texts)
    if column.dtype == np.float64:
        return column.dtype, _bits(~np.isnan(column)), column
    return column.dtype, None, _bits(column) if column.dtype == np.bool_ else column


def _bits(flags: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.packbits(flags, bitorder="little")


def replace_file(path: Path, content: bytes) -> None:
    """Give a file its content in one step."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(draft, 0o666 & ~mask)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
