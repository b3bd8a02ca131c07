"""Names that a package hands out without importing what is behind them before somebody asks (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def late(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package, for names by the module that each is imported from on first use.

    pandas, SimPy and the rest take longer to load than most commands take to answer.
    """
    present = vars(sys.modules[package])

    def look_up(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        present[name] = value = getattr(import_module(homes[name]), name)
        return value

    def names() -> list[str]:
        return sorted({*present, *homes})

    return look_up, names
