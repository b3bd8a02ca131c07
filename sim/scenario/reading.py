"""Files as data: YAML with the line of every value, JSON artifacts, a column of a CSV. Nothing in a file is ever run.

A scenario file is read as YAML of the JSON kind: mappings, lists, text, numbers, true and false, null; keys are text,
as written. JSON is YAML, so a scenario may be JSON, too.
"""

from __future__ import annotations

import csv
import io
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from sim.reducer.artifact import FleetArtifact, parse_artifact
from sim.reducer.errors import FleetError
from sim.scenario.problems import Path as Place
from sim.scenario.problems import Problem, ScenarioError
from sim.scenario.units import parse_duration, shown

DEEPEST = 64
"""How deep a scenario file may nest."""
MOST_NODES = 500_000
"""How many values a scenario file may hold once its aliases are written out."""


MOST_VALUES = 100_000
"""How many values of a CSV file are taken: they are written into the scenario when it is saved."""


class Lines:
    """The line of every value of a file, by its place: a tuple of keys and indices."""

    def __init__(self) -> None:
        self._of: dict[Place, int] = {}

    def note(self, place: Place, line: int) -> None:
        """The value at `place` is written on `line`."""
        self._of[place] = line

    def of(self, place: Place) -> int | None:
        """The line of a place, or of what encloses it where the file does not have it."""
        while place not in self._of and place:
            place = place[:-1]
        return self._of.get(place)

    def has(self, place: Place) -> bool:
        """Whether the file has such a place."""
        return place in self._of


def read_text(path: Path) -> str:
    """A text file as UTF-8.

    Raises:
        ScenarioError: it cannot be read.
    """
    try:
        if stat.S_ISCHR(path.stat().st_mode):
            raise ScenarioError([Problem(str(path), None, "", "expected a file, got a device")])
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ScenarioError([Problem(str(path), line, "", "expected UTF-8 text; this byte is none")]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ScenarioError([Problem(str(path), None, "", f"cannot be read: {reason}")]) from None


def read_yaml(text: str, file: str) -> tuple[Any, Lines, list[Problem]]:
    """The data of a YAML text, the lines of its values, and what it holds that a scenario cannot (read as null).

    Raises:
        ScenarioError: it is no YAML, or nests too deep.
    """
    text = _without_surrogates(text)
    try:
        for depth, line in _depths(text):
            if depth > DEEPEST:
                raise ScenarioError([Problem(file, line, "", f"nested deeper than {DEEPEST} levels")])
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        # what lacks its end is marked behind the last line
        place = min(mark.line, text.rstrip().count("\n")) + 1 if mark else None
        raise ScenarioError([Problem(file, place, "", f"is no YAML: {said}")]) from None
    except (yaml.YAMLError, ValueError) as error:
        before = text.encode(errors="replace")[: getattr(error, "position", 0)]
        line = before.count(b"\n") + 1
        said = str(getattr(error, "reason", error)).splitlines()[0]
        raise ScenarioError([Problem(file, line, "", f"is no YAML: {said}")]) from None
    builder = _Builder(file)
    data = None if node is None else builder.build(node, (), 0)
    return data, builder.lines, builder.problems


_PAIR = re.compile(r"\\\\|\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


def _without_surrogates(text: str) -> str:
    """JSON writes a character beyond 16 bits as two escapes, which YAML does not know: as one of YAML's."""
    if not text.lstrip().startswith("{") or not _PAIR.search(text):
        return text
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return text

    def one(pair: re.Match[str]) -> str:
        if pair[1] is None:
            return pair[0]
        return f"\\U{0x10000 + ((int(pair[1], 16) & 0x3FF) << 10) + (int(pair[2], 16) & 0x3FF):08X}"

    return _PAIR.sub(one, text)


def _depths(text: str) -> Iterator[tuple[int, int]]:
    """The depth after every opening of a list or mapping, with its line; no node is built, so none nests."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            assert event.start_mark is not None  # only an event made by hand has none
            yield depth, event.start_mark.line + 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """Plain values as JSON has them, and YAML 1.1's words for true and false. No dates, no sexagesimal numbers."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way


_YAML = "tag:yaml.org,2002:"
PLAIN = {
    f"{_YAML}{tag}": (re.compile(rf"(?:{pattern})\Z"), begins)
    for tag, pattern, begins in (
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF|yes|Yes|YES|no|No|NO", list("tTfFoOyYnN")),
        ("int", r"[-+]?[0-9]+", list("-+0123456789")),
        (
            "float",
            r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
            list("-+.0123456789"),
        ),
    )
}
"""What is no text without quotes: per tag the pattern, and the characters that it begins with."""
for _tag, (_pattern, _begins) in PLAIN.items():
    _Loader.add_implicit_resolver(_tag, _pattern, _begins)


class _Builder:
    """Makes data of nodes. Aliases are written out, up to `MOST_NODES` values in all."""

    def __init__(self, file: str):
        self.file = file
        self.lines = Lines()
        self.problems: list[Problem] = []
        self._left = MOST_NODES

    def build(self, node: yaml.Node, place: Place, depth: int) -> Any:
        if not self.lines.has(place):
            self.lines.note(place, node.start_mark.line + 1)
        line = self.lines.of(place) or 1  # that of the key, where there is one
        self._left -= 1
        if self._left < 0 or depth > DEEPEST:
            # an alias to what holds it, or aliases of aliases: written out, the file has no end, or nearly so
            raise ScenarioError([Problem(self.file, line, "", "its aliases, written out, are too much to read")])
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place, line)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_YAML}seq":
            return [self.build(item, (*place, index), depth + 1) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_YAML}map":
            return self._mapping(node, place, depth)
        self._tell(line, place, f"expected plain data, got the tag {_short(node.tag)}")
        return None

    def _mapping(self, node: yaml.MappingNode, place: Place, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._tell(line, place, "expected text as a key")
                continue
            key = str(key_node.value)
            inner = (*place, key)
            if key in found:
                self._tell(line, inner, f"is given twice, first on line {self.lines.of(inner)}")
                continue
            self._writable(key, line, inner)
            self.lines.note(inner, line)
            found[key] = self.build(value_node, inner, depth + 1)
        return found

    def _scalar(self, node: yaml.ScalarNode, place: Place, line: int) -> Any:
        text = str(node.value)
        if node.tag == f"{_YAML}str":
            self._writable(text, line, place)
            return text
        # a tag may be written out, before a text that does not go with it
        if node.tag not in PLAIN or not PLAIN[node.tag][0].match(text):
            self._tell(line, place, f"expected plain data, got the tag {_short(node.tag)}")
            return None
        match node.tag.removeprefix(_YAML):
            case "null":
                return None
            case "bool":
                return text.lower() in ("true", "on", "yes")
            case "int":
                return int(text) if len(text) <= 40 else float(text)
            case _:
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))

    def _writable(self, text: str, line: int, place: Place) -> None:
        try:
            text.encode()
        except UnicodeEncodeError:
            self._tell(line, place[:-1], "holds half a surrogate pair, which is no text")

    def _tell(self, line: int, place: Place, message: str) -> None:
        self.problems.append(Problem(self.file, line, ".".join(map(str, place)), message))


def _short(tag: str) -> str:
    return f"!!{tag.removeprefix(_YAML)}" if tag.startswith(_YAML) else tag


def read_artifact(path: Path, text: str | None = None) -> tuple[FleetArtifact, list[str]]:
    """The fleet of an artifact file, and a warning for every older spelling. `text` is its text if known already.

    Raises:
        ScenarioError: it cannot be read, is no JSON, or no artifact of this schema version.
    """
    decoded = read_json(path, text)
    try:
        return parse_artifact(decoded)
    except FleetError as error:
        place, _, message = str(error).partition(": ")
        raise ScenarioError([Problem(str(path), None, place, message)]) from None


def read_json(path: Path, text: str | None = None) -> Any:
    """The data of a JSON file. `text` is its text if known already.

    Raises:
        ScenarioError: it cannot be read or is no JSON.
    """
    text = read_text(path) if text is None else text
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise ScenarioError([Problem(str(path), None, "", "nested too deep")]) from None
    except msgspec.DecodeError as error:
        said = str(error)
        at = re.search(r"\(byte (\d+)\)", said)
        line = text.encode()[: int(at[1])].count(b"\n") + 1 if at else None
        said = re.sub(r"\s*\(byte \d+\)", "", said).removeprefix("JSON is malformed: ")
        raise ScenarioError([Problem(str(path), line, "", f"is no JSON: {said}")]) from None


def read_column(folder: Path | None, file: str, column: str) -> list[float]:
    """The durations (s) of one column of a CSV file with a header line.

    Raises:
        ValueError: there is no such file or column, or a value is no duration; the message names the place.
    """
    path = (folder or Path()) / file
    try:
        text = read_text(path)
    except ScenarioError as error:
        raise ValueError(f"{file}: {error.problems[0].message}") from None
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [name.strip() for name in next(rows, [])]
        if column not in header:
            known = ", ".join(header[:8]) or "none"
            raise ValueError(f"expected a column {column!r} in {file}; its columns are {known}")
        place = header.index(column)
        values = []
        for row in rows:
            if not row:
                continue
            cell = row[place].strip() if place < len(row) else ""
            try:
                values.append(parse_duration(cell))
            except ValueError as error:
                raise ValueError(f"{file}, line {rows.line_num}, column {column}: {error}") from None
    except csv.Error as error:
        raise ValueError(f"{file}, line {rows.line_num}: {error}") from None
    if len(values) > MOST_VALUES:
        raise ValueError(f"expected at most {MOST_VALUES:,} values in {file}, got {len(values):,}; a sample will do")
    if not values:
        raise ValueError(f"expected values in {file}, got only the header {shown(column)}")
    return values
