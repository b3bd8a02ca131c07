"""README.md against the project: its commands print what it shows, its snippets run, its tables name what there is.

Each section (a heading of level two or three) is run by itself, its blocks in order, in a directory of its own that
holds `scenarios/`, `docs/` and `tests/vectors/`. `console` blocks are commands with their output, `python` blocks are
run, and a `text` block is what the `python` block above it prints, a `yaml` block is a scenario, and in a `yml` block,
the file of a CI, the commands of ours must succeed. In an output, a line `...` stands for any lines, and `...` at the
end of a line for the rest of that line.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
import yaml

import sim
import sim.plot
from sim.cli.main import execute
from sim.result.frames import NAMES as FRAMES
from sim.scenario.distributions import NAMES as DISTRIBUTIONS
from sim.scenario.schema import ControlPlane, HostSettings, Rules, Scenario

ROOT = Path(__file__).parents[1]
SLOW = ("hundred-thousand", "bench record")
"""What takes more than a few seconds."""


class Block(NamedTuple):
    """A fenced block: its language, its lines, the number of the first, and whether it follows the one before it."""

    kind: str
    lines: list[str]
    number: int
    follows: bool


class Section(NamedTuple):
    """What is under one heading, without what is under those below it."""

    title: str
    text: str
    blocks: list[Block]


def sections() -> Iterator[Section]:
    title, text, blocks = "", [], []
    kind, body, begun, last = None, [], 0, -1
    for number, line in enumerate([*(ROOT / "README.md").read_text().splitlines(), "## "], start=1):
        if kind is not None:
            if line == "```":
                blocks.append(Block(kind, body, begun, last == len(text)))
                kind, last = None, len(text)
            else:
                body.append(line)
        elif line.startswith("```"):
            kind, body, begun = line[3:], [], number + 1
        elif line.startswith(("## ", "### ")):
            yield Section(title, "\n".join(text), blocks)
            title, text, blocks, last = line.lstrip("#").strip(), [], [], -1
        elif line.strip():
            text.append(line)
    assert kind is None, "a block is not closed"


SECTIONS = {section.title: section for section in sections()}
WITH_BLOCKS = [
    pytest.param(
        section,
        id=re.sub(r"\W+", "-", section.title).strip("-"),
        marks=[pytest.mark.slow]
        if any(word in line for word in SLOW for block in section.blocks for line in block.lines)
        else [],
    )
    for section in SECTIONS.values()
    if any(block.kind != "sh" for block in section.blocks)
]


# -- running a section


def shows(shown: list[str], real: str, where: str) -> None:
    """Fail unless the output is what is shown of it."""
    lines = [line.rstrip() for line in real.splitlines()]
    said = f"README.md, {where}, does not show what is printed:\n{real}"
    pieces: list[list[str]] = [[]]
    for line in shown:
        if line == "...":
            pieces.append([])
        else:
            pieces[-1].append(line)
    at = 0
    for number, piece in enumerate(pieces):
        ends = range(at + len(piece), len(lines) + 1)
        if number == 0:
            ends = ends[:1]
        if number == len(pieces) - 1:
            ends = ends[-1:] if len(lines) in ends else range(0)
        end = next((end for end in ends if all(map(same, piece, lines[end - len(piece) : end]))), None)
        assert end is not None, f"{said}\nwhere it shows\n" + "\n".join(piece or ["(nothing more)"])
        at = end


def same(shown: str, real: str) -> bool:
    """Whether a line is the one shown, or begins as it does."""
    return real.startswith(shown.removesuffix("...")) if shown.endswith("...") else real == shown.rstrip()


def commands(block: Block) -> Iterator[tuple[str, list[str], int]]:
    """The commands of a `console` block, each with its output as shown and its line."""
    command, number, output = "", 0, []
    for at, line in enumerate(block.lines, start=block.number):
        if line.startswith("$ "):
            if command:
                yield command, output, number
            command, number, output = line[2:], at, []
        else:
            assert command, f"line {at}: a console block begins with a command"
            output.append(line)
    assert command, f"line {block.number}: a console block has a command"
    yield command, output, number


def as_module(arguments: list[str]) -> tuple[int, str]:
    """The command line as a process of its own."""
    command = [sys.executable, "-m", "sim.cli", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def in_process(arguments: list[str]) -> tuple[int, str]:
    """The command line, without the time that a new interpreter takes."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = execute(arguments)
    return code, said.getvalue()


def recipe(target: str) -> list[str]:
    """The commands of a make target, as make prints them."""
    [lines] = re.findall(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in lines.splitlines()]


def make(target: str) -> str:
    """What make prints: the target's commands and what they say."""
    printed = ""
    for command in recipe(target):
        program, *arguments = shlex.split(command)
        assert Path(program).name == "nixfleet-sim"
        code, said = as_module(arguments)
        assert code == 0, f"{command}: exit code {code}\n{said}"
        printed += f"{command}\n{said}"
    return printed


def run_console(block: Block) -> None:
    given = list(commands(block))
    code = 0
    for number, (command, shown, at) in enumerate(given):
        if command == "make test":
            continue
        words = [name for word in shlex.split(command) for name in (sorted(glob(word)) if "*" in word else [word])]
        where = f"line {at}"
        match words:
            case ["make", target]:
                real = make(target)
            case ["echo", "$?"]:
                real = f"{code}\n"
            case ["cat", file]:
                real = Path(file).read_text()
            case ["python", *arguments, "<", file]:
                with open(file) as given_to_it:
                    real = subprocess.run(
                        [sys.executable, *arguments], stdin=given_to_it, capture_output=True, text=True, check=True
                    ).stdout
            case ["ls", directory]:
                real = "".join(f"{path.name}\n" for path in sorted(Path(directory).iterdir()))
            case [program, *arguments] if Path(program).name == "nixfleet-sim":
                target = None
                if arguments[-2:-1] == [">"]:
                    *arguments, _, target = arguments
                code, real = in_process(arguments)
                if target is not None:
                    Path(target).write_text(real)
                    real = ""
                asked = number + 1 < len(given) and given[number + 1][0] == "echo $?"
                assert asked or code == 0, f"README.md, {where}: exit code {code}\n{real}"
            case _:
                pytest.fail(f"README.md, {where}: nothing here can run {command!r}")
        shows(shown, real, where)


def ours(data: Any) -> Iterator[list[str]]:
    """The arguments of each `nixfleet-sim` command in a CI's file."""
    if isinstance(data, dict | list):
        for value in data.values() if isinstance(data, dict) else data:
            yield from ours(value)
    elif isinstance(data, str) and data.startswith("nixfleet-sim "):
        yield shlex.split(data)[1:]


def run_python(block: Block, namespace: dict[str, Any]) -> str:
    code = compile("\n" * (block.number - 1) + "\n".join(block.lines), str(ROOT / "README.md"), "exec")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(code, namespace)
    return said.getvalue()


@pytest.mark.parametrize("section", WITH_BLOCKS)
def test_a_section_shows_what_happens(section: Section, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copytree(ROOT / "tests" / "vectors", tmp_path / "tests" / "vectors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")  # to which width a terminal has, and the README has no terminal
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    namespace: dict[str, Any] = {}
    printed = ""
    for block in section.blocks:
        where = f"line {block.number}"
        if block.kind != "text":
            assert not printed, f"README.md, above {where}: a snippet prints what is not shown:\n{printed}"
        match block.kind:
            case "console":
                run_console(block)
            case "python":
                printed = run_python(block, namespace)
            case "text":
                assert block.follows, f"README.md, {where}: what printed this?"
                shows(block.lines, printed, where)
                printed = ""
            case "yaml":
                path = tmp_path / "example.yaml"
                path.write_text("\n".join(block.lines))
                assert sim.load(path).name == "example"
                assert execute(["check", str(path)]) == 0
            case "yml":
                found = list(ours(yaml.safe_load("\n".join(block.lines))))
                assert found, f"README.md, {where}: no command of ours"
                for command in found:
                    code, said = in_process(command)
                    assert code == 0, f"README.md, {where}: {command} ends with {code}\n{said}"
            case kind:
                assert kind == "sh", f"README.md, {where}: a block of kind {kind!r}"
    assert not printed, f"README.md, {section.title}: a snippet prints what is not shown:\n{printed}"


@pytest.mark.parametrize(
    ("shown", "real", "fits"),
    [
        ("a\nb", "a\nb\n", True),
        ("a", "a\nb\n", False),
        ("b", "a\nb\n", False),
        ("...\nb", "a\nb\n", True),
        ("a\n...", "a\nb\nc\n", True),
        ("a\n...\nc", "a\nb\nb\nc\n", True),
        ("a\n...\nd", "a\nb\nc\n", False),
        ("a\n...\nb\n...\na", "a\nb\na\n", True),
        ("a\n...\na", "a\n", False),
        ("at once, ...", "at once, in 3 s\n", True),
        ("at once, ...", "later, in 3 s\n", False),
        ("...", "", True),
    ],
)
def test_what_is_shown_is_what_is_printed_but_for_the_dots(shown: str, real: str, fits: bool) -> None:
    with contextlib.nullcontext() if fits else pytest.raises(AssertionError):
        shows(shown.split("\n"), real, "here")


# -- what it says about the project


def named(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))


def rows(section: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading row."""
    lines = SECTIONS[section].text.splitlines()
    start = lines.index(heading) + 2
    table = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return table


def example() -> dict[str, Any]:
    [block] = [block for block in SECTIONS["The scenario file"].blocks if block.kind == "yaml"]
    data: dict[str, Any] = yaml.safe_load("\n".join(block.lines))
    return data


def test_the_links_lead_somewhere() -> None:
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in SECTIONS}
    for section in SECTIONS.values():
        for target in re.findall(r"\]\(([^)]+)\)", section.text):
            if target.startswith("#"):
                assert target[1:] in anchors, target
            else:
                assert (ROOT / target).exists(), target


def test_the_example_says_what_the_defaults_are(tmp_path: Path) -> None:
    given = example()
    for part, defaults in (
        (given["hosts"]["default"], HostSettings()),
        (given["control_plane"], ControlPlane()),
        (given["rules"], Rules()),
    ):
        assert set(part) == set(type(defaults).model_fields)
        assert type(defaults).model_validate(part) == defaults
    assert set(given) == set(Scenario.model_fields)
    bare = tmp_path / "bare.yaml"
    bare.write_text("fleet: {generate: {channels: {a: {hosts: 1, policy: p}}, policies: {p: {}}}}")
    scenario = sim.load(bare)
    assert (scenario.seed, scenario.until, scenario.fidelity) == (1, 7 * 86_400.0, "events")
    assert (given["seed"], given["until"], given["fidelity"]) == (1, "7d", "events")


def test_the_tables_of_the_scenario_file_are_complete() -> None:
    rules = rows("The scenario file", "| rule | default | alternative |")
    fields = Rules.model_fields
    assert [row[0].strip("`") for row in rules] == list(fields)
    for name, default, alternative in rules:
        field = fields[name.strip("`")]
        words = set(get_args(field.annotation))
        assert default.startswith(f"`{field.default}`: ")
        assert named(alternative) & words == words - {field.default}
    laws = rows("The scenario file", "| `dist` | parameters |")
    assert [row[0].strip("`") for row in laws] == list(DISTRIBUTIONS)


def test_the_frames_are_all_named() -> None:
    table = rows("Reading the output", "| frame | a row is |")
    assert [row[0].strip("`") for row in table] == list(FRAMES)


def test_the_figures_are_all_named() -> None:
    assert set(sim.plot.__all__) - {"STATES", "save", "svg"} <= named(SECTIONS["In Python"].text)


def test_there_is_a_section_for_each_scenario() -> None:
    titles = [title.partition(":")[0] for title in SECTIONS]
    for path in (ROOT / "scenarios").glob("*.yaml"):
        assert path.stem in titles


def test_the_map_has_every_package_and_names_what_is_there() -> None:
    for place, modules in rows("The code", "| package | modules |"):
        there = {path.stem for path in (ROOT / place.strip("`")).glob("*.py")}
        words = {name for name in named(modules) if re.fullmatch(r"[a-z_]+", name)}
        if place.startswith("`sim/"):
            assert {name for name in there if not name.startswith("_")} <= words, place
        assert words - there <= {"load", "run", "init", "schema", "events"}, place  # functions, commands, a frame
    assert {path.parent.name for path in ROOT.glob("sim/*/__init__.py")} == set(packages())


def packages() -> list[str]:
    """The packages of `sim` as the map has them, from the top of the house down."""
    places = [row[0].strip("`/") for row in rows("The code", "| package | modules |")]
    return [place.partition("/")[2] for place in places if place.startswith("sim/")]


def test_the_files_it_names_are_there() -> None:
    text = SECTIONS["The code"].text
    for name in named(text):
        if re.fullmatch(r"(\.?\w+/)+\w*(\.\w+)?|\w+\.(py|txt|json)", name):
            assert (ROOT / name).exists() or (ROOT / "sim" / name).exists(), name


def test_packages_import_only_downward() -> None:
    house = packages()
    for_all = {f"sim.{path.stem}" for path in (ROOT / "sim").glob("*.py") if path.stem != "__init__"}
    for module in for_all:
        assert {name.partition(".")[0] for name in imports(ROOT / f"{module.replace('.', '/')}.py")}.isdisjoint({"sim"})
    for place, package in enumerate(house):
        allowed = {"sim", *for_all, *(f"sim.{name}" for name in house[place:])}
        for path in (ROOT / "sim" / package).glob("*.py"):
            for module in imports(path):
                if module.partition(".")[0] == "sim":
                    assert ".".join(module.split(".")[:2]) in allowed, f"{path} imports {module}"


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_the_make_targets_it_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    text = (ROOT / "README.md").read_text()
    for target in set(re.findall(r"[`$] ?make ([a-z-]+)", text)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
