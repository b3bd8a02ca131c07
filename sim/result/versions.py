"""With what a result was made: the same run is the same to the bit with the same versions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

import sim

LIBRARIES = ("numpy", "pandas", "scipy", "simpy", "msgspec", "pydantic")
"""Whose versions a result names."""


@cache
def versions() -> Mapping[str, str | None]:
    """The versions of nixfleet-sim and of `LIBRARIES`, None where one cannot be told."""
    return MappingProxyType({"nixfleet-sim": sim.__version__, **{name: _version(name) for name in LIBRARIES}})


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
