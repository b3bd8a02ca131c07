"""A result as a directory (spec page 9, `--out`): `summary.json`, a Parquet file per frame, `scenario.yaml` with every
default filled in and the files it refers to, and `version.json`, which also lists what belongs to the result.

A directory is written beside its final place under another name and then takes that place in one step, so a run that
is killed leaves the old content or the new; what can stay behind is a directory `.NAME.….partial`, safe to delete.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import sim
from sim.result.frames import NAMES, kinds
from sim.result.result import Result
from sim.result.versions import LIBRARIES, versions
from sim.scenario.loader import load
from sim.scenario.problems import ScenarioError
from sim.scenario.write import bundle

FORMAT = 1


class ResultError(Exception):
    """A result cannot be written to, or read from, a place; the message names it and says why."""


def save(result: Result, directory: str | Path) -> None:
    """Write a result; a result that is there already is replaced, anything else is not.

    Raises:
        ResultError: the place holds something else, or cannot be written.
    """
    target = _checked(directory)
    with _spoken(f"cannot write {directory}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
        try:
            _write(result, draft)
            draft.chmod(0o777 & ~_umask())
            _put_in_place(draft, target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def check_target(directory: str | Path) -> None:
    """Whether `save` could write there, found out by trying; nothing is left behind.

    Raises:
        ResultError: as `save` would.
    """
    target = _checked(directory)
    above = target.parent
    while not above.exists():
        above = above.parent
    with (
        _spoken(f"cannot write {directory}"),
        tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=above),
    ):
        pass


def read(directory: str | Path) -> Result:
    """Read a result that `save` wrote; frames are read when first looked at.

    Raises:
        ResultError: there is no result, it is of a later format, or it cannot be read.
    """
    place = Path(directory)
    about = _about(place)
    if about is None:
        raise ResultError(f"cannot read {directory}: {_what_is_there(place)}")
    if about["format"] > FORMAT:
        raise ResultError(
            f"cannot read {directory}: it was written by nixfleet-sim {about.get('nixfleet-sim')}, in a later format"
        )
    missing = [name for name in about["files"] if not (place / name).is_file()]
    if missing:
        raise ResultError(f"cannot read {directory}: the result is not whole, {_missing(missing)}; {_RENEW}")
    with _spoken(f"cannot read {place / 'summary.json'}"):
        found = json.loads((place / "summary.json").read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("expected an object")
    with _spoken(f"cannot read {directory}"):
        scenario = load(place / "scenario.yaml")

    def frame(name: str) -> pd.DataFrame | None:
        if name == "events" and not (place / "events.parquet").exists():
            return None
        path = place / f"{name}.parquet"
        with _spoken(f"cannot read {path}"):
            return _read_frame(path, name)

    reducer = about.get("reducer")
    return Result(scenario, lambda: found, frame, reducer if isinstance(reducer, str) else None)


def written_by(directory: str | Path) -> dict[str, Any]:
    """What wrote the result in a directory: its `nixfleet-sim`, `python` and `libraries`.

    Raises:
        ResultError: there is no result.
    """
    about = _about(Path(directory))
    if about is None:
        raise ResultError(f"cannot read {directory}: {_what_is_there(Path(directory))}")
    return {key: about.get(key) for key in ("nixfleet-sim", "python", "libraries")}


def _write(result: Result, draft: Path) -> None:
    files: dict[str, Callable[[Path], object]] = {}
    for name in NAMES:
        if name != "events" or result.has_events:
            files[f"{name}.parquet"] = partial(_write_frame, frame=getattr(result, name))
    text = json.dumps(result.summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    files["summary.json"] = lambda path: path.write_text(text, encoding="utf-8")
    for name, content in bundle(result.scenario).items():
        files[name] = partial(Path.write_bytes, data=content)
    about = {
        "format": FORMAT,
        "nixfleet-sim": sim.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "libraries": {name: found for name, found in versions().items() if name in LIBRARIES},
        "files": sorted([*files, "version.json"]),
    }
    if result.reducer is not None:
        about["reducer"] = result.reducer
    files["version.json"] = lambda path: path.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    for name, write in files.items():
        path = draft / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
        # a rename may reach the disk before what it names does
        _flush(path)
    _flush(draft)


def _write_frame(path: Path, frame: pd.DataFrame) -> None:
    if "detail" in frame:
        frame = frame.assign(detail=pd.Series([json.dumps(detail) for detail in frame["detail"]], dtype="str"))
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path, compression="zstd")


def _read_frame(path: Path, name: str) -> pd.DataFrame:
    # not the path: a directory of that name would be read as a table in parts
    with path.open("rb") as file:
        frame: pd.DataFrame = pq.read_table(file).to_pandas()
    expected = kinds(name)
    if name == "events":
        expected["detail"] = expected["what"]  # as JSON
    for column, kind in expected.items():
        if column not in frame or frame[column].dtype != kind:
            got = f"{frame[column].dtype}" if column in frame else "none"
            raise ValueError(f"expected a column {column!r} of {kind}, got {got}; save the result anew")
    if name == "events":
        frame["detail"] = pd.Series([json.loads(detail) for detail in frame["detail"]], dtype="object")
    return frame


def _checked(directory: str | Path) -> Path:
    """The place a result is to go to, symbolic links followed, if nothing else is there."""
    with _spoken(f"cannot write {directory}"):
        # a link that leads to itself; `resolve` raises a RuntimeError there, or nothing, as the Python is
        with suppress(FileNotFoundError):
            os.stat(directory)
        target = Path(directory).resolve()
        if target.exists() and not target.is_dir():
            raise ResultError(f"cannot write {directory}: it is a file; give a directory")
        if target.parent == target:
            raise ResultError(f"cannot write {directory}: it is the root directory")
        if not target.exists():
            return target
        there = _contents(target)
        about = _about(target)
        if there and about is None:
            raise ResultError(f"cannot write {directory}: it is not empty and holds no result; give another directory")
        others = sorted(there - set(about["files"])) if about is not None else []
        if others:
            shown = ", ".join(others[:3]) + (" …" if len(others) > 3 else "")
            raise ResultError(
                f"cannot write {directory}: it holds other files beside a result ({shown}), which would be lost; "
                "move them or give another directory"
            )
        return target


def _contents(directory: Path) -> set[str]:
    return {
        str((Path(above) / name).relative_to(directory)) for above, _, names in os.walk(directory) for name in names
    } | {f"{entry.name}/" for entry in directory.iterdir() if entry.is_dir() and not any(entry.iterdir())}


def _about(directory: Path) -> dict[str, Any] | None:
    """What `version.json` says; None where the directory holds no result."""
    try:
        found = json.loads((directory / "version.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or "nixfleet-sim" not in found or not isinstance(found.get("format"), int):
        return None
    names = found.get("files")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return found


_RENEW = "copy the whole directory, or run the scenario again with --out"


def _what_is_there(place: Path) -> str:
    """Why a place whose `version.json` cannot be read is no result, and what to do."""
    if not place.exists():
        return "there is no such directory"
    if not place.is_dir():
        return "it is no directory"
    own = ("summary.json", "scenario.yaml", *(f"{name}.parquet" for name in NAMES))
    parts = [name for name in own if (place / name).is_file()]
    if (place / "version.json").exists():
        return f"its version.json is half-written, or is none that a result has; {_RENEW}"
    if parts:
        return f"the result is half-written: it has {parts[0]}, but version.json is missing; {_RENEW}"
    return "no result is there; `run SCENARIO --out DIR` writes one"


def _missing(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more} {'is' if len(names) == 1 else 'are'} missing"


def _put_in_place(draft: Path, target: Path) -> None:
    """Give `draft` the name `target` in one step; what was there has then the name of the draft."""
    try:
        os.rename(draft, target)  # there is nothing, or an empty directory
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if not _exchange(draft, target):
            # no exchange on this system: between the two renames the old content has the name `aside` only
            aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
            os.rename(target, aside)
            try:
                os.rename(draft, target)
            except OSError:
                os.rename(aside, target)
                raise
            shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step, as Linux and macOS can; False where the system or the file system cannot."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            done = library.renamex_np(os.fsencode(one), os.fsencode(other), 2)
        else:
            done = library.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2)
    except (OSError, AttributeError):
        return False
    if done == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV):
        return False
    raise OSError(number, os.strerror(number), str(other))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def _spoken(what: str) -> Iterator[None]:
    """Turn what files and their contents can do wrong into a `ResultError`."""
    try:
        yield
    except OSError as error:
        raise ResultError(f"{what}: {error.strerror or error}") from error
    except (ValueError, RecursionError, KeyError, pa.ArrowException, ScenarioError) as error:
        raise ResultError(f"{what}: {error}") from error
