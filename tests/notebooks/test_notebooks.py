"""The notebooks run, conclude what their first cells say, use public names alone, and are kept without outputs."""

from __future__ import annotations

import ast
import importlib
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient

from notebooks.strip import main, stripped

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ALLOWED = ("sim", "sim.data", "sim.experiment", "sim.plot", "sim.result")
ALLOWED += ("numpy", "pandas", "matplotlib", "matplotlib.pyplot", "json", "pathlib", "tempfile")
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


def test_the_readme_lists_them() -> None:
    listed = re.findall(r"\]\(notebooks/(.*?)\.ipynb\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == [path.stem for path in NOTEBOOKS]


@EACH
def test_it_is_kept_stripped(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert stripped(text) == text, f"{path.name} has outputs or metadata of a run: make format takes them out"
    nbformat.validate(nbformat.reads(text, as_version=nbformat.NO_CONVERT))


@EACH
def test_the_first_cell_concludes(path: Path) -> None:
    title, conclusion = title_and_conclusion(path)
    assert title.startswith("# ")
    assert any(letter.isdigit() for letter in conclusion)


@EACH
def test_it_uses_public_names_alone(path: Path) -> None:
    for cell in cells(path):
        if cell["cell_type"] == "code":
            assert not list(not_public(ast.parse("".join(cell["source"])))), cell["id"]


@pytest.mark.slow
@EACH
def test_it_runs_and_concludes_what_its_first_cell_says(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the last cell prints, which it makes from what it has computed, is the text of the first cell."""
    with tempfile.TemporaryDirectory() as scratch:
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setenv("IPYTHONDIR", scratch)
        outputs = run(path, Path(scratch))
    streams = [output for output in outputs if output["output_type"] == "stream"]
    assert not [stream["text"] for stream in streams if stream["name"] == "stderr"]
    assert any(key.startswith("image/") for output in outputs for key in output.get("data", {}))
    _, conclusion = title_and_conclusion(path)
    assert outputs[-1]["text"].split() == conclusion.split()


def run(path: Path, scratch: Path) -> list[Any]:
    """All outputs of a notebook, run in its directory as JupyterLab does. Its kernel listens on files, not on ports,
    of which two kernels that start at once could pick the same."""
    manager = AsyncKernelManager(transport="ipc", connection_file=str(scratch / "kernel.json"))
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    client = NotebookClient(notebook, km=manager, resources={"metadata": {"path": str(path.parent)}})
    client.execute(cleanup_kc=True)  # or a kernel that is handed in would be left running, its sockets open
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def title_and_conclusion(path: Path) -> tuple[str, str]:
    first = cells(path)[0]
    assert first["cell_type"] == "markdown"
    title, _, conclusion = "".join(first["source"]).partition("\n")
    return title, conclusion


def not_public(tree: ast.AST) -> Iterator[str]:
    """What a cell uses and should not."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name not in ALLOWED)
            case ast.ImportFrom(module=module, names=names):
                yield from (name.name for name in names if module not in ALLOWED or not offered(module, name.name))
            case ast.Attribute(value=value, attr=name):
                if name.startswith("_") or not offered(ast.unparse(value), name):
                    yield ast.unparse(node)
            case ast.Name(id=name) if name.startswith("_"):
                yield name


def offered(module: str, name: str) -> bool:
    """Whether a name is public: of the project only what a package lists, of what is not the project's all."""
    if not re.fullmatch(r"sim(\.\w+)*", module):
        return True
    if f"{module}.{name}" in ALLOWED:
        return True
    return module in ALLOWED and name in importlib.import_module(module).__all__


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import sim.plot\nsim.plot.waves(sim.run(sim.load('x'))).figure", []),
        ("import sim.model", ["sim.model"]),
        ("from sim.result.words import duration", ["duration"]),
        ("from sim import _HOMES", ["_HOMES"]),
        ("import sim\nsim.model.run", ["sim.model.run", "sim.model"]),
        ("import sim.plot\nsim.plot.style", ["sim.plot.style"]),
        ("result._frames", ["result._frames"]),
        ("_hidden = 1", ["_hidden"]),
        ("import os", ["os"]),
    ],
)
def test_what_is_not_public_is_found(code: str, found: list[str]) -> None:
    assert list(not_public(ast.parse(code))) == found


def test_stripping_takes_out_what_a_run_left(tmp_path: Path) -> None:
    path = tmp_path / "one.ipynb"
    notebook = {
        "cells": [
            {"cell_type": "markdown", "id": "a", "metadata": {"collapsed": True}, "source": ["# A — title"]},
            {
                "cell_type": "code",
                "execution_count": 3,
                "id": "b",
                "metadata": {"execution": {"iopub.status.busy": "2026-01-01"}},
                "outputs": [{"output_type": "stream", "name": "stdout", "text": ["1\n"]}],
                "source": ["print(1)"],
            },
        ],
        "metadata": {"kernelspec": {"name": "mine"}, "language_info": {"name": "python", "version": "3.11.2"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(notebook), encoding="utf-8")
    main([str(path)])
    text = path.read_text(encoding="utf-8")
    assert stripped(text) == text
    kept = json.loads(text)
    assert kept["metadata"]["kernelspec"]["name"] == "python3"
    assert [cell["source"] for cell in kept["cells"]] == [["# A — title"], ["print(1)"]]
    assert (kept["cells"][1]["outputs"], kept["cells"][1]["execution_count"]) == ([], None)
    assert "2026" not in text
    assert [one.name for one in tmp_path.iterdir()] == ["one.ipynb"]
