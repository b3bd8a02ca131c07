"""Notebooks as they are kept: no outputs, no counts, no metadata of whoever ran them. `make format` runs it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def stripped(text: str) -> str:
    """The text of a notebook without what running and saving it has left."""
    notebook: dict[str, Any] = json.loads(text)
    for cell in notebook["cells"]:
        cell["metadata"] = {}
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    notebook["metadata"] = METADATA
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main(paths: list[str]) -> None:
    """Strip the notebooks at these paths; those that are clean are not touched."""
    for path in map(Path, paths):
        text = path.read_text(encoding="utf-8")
        clean = stripped(text)
        if clean != text:
            half = path.with_name(f".{path.name}.half")
            half.write_text(clean, encoding="utf-8")
            os.replace(half, path)


if __name__ == "__main__":
    main(sys.argv[1:])
