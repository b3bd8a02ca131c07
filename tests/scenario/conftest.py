"""Scenarios written as text, loaded or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sim.scenario.loader import ScenarioError, load
from sim.scenario.schema import Scenario

MINIMAL = """\
fleet:
  generate:
    channels: {c: {hosts: 20, policy: p}}
    policies: {p: {waves: [{percent: 10, soak: 5m}, {percent: 100, soak: 10m}]}}
"""


@pytest.fixture(scope="session")
def minimal() -> str:
    """A scenario with no more than it needs, of four lines; tests append to it."""
    return MINIMAL


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `loaded` and `refused` write `x.yaml`."""
    return tmp_path_factory.mktemp("scenarios")


@pytest.fixture(scope="session")
def loaded(folder: Path) -> Callable[..., Scenario]:
    """The scenario of a text, with settings if given."""

    def loaded(text: str | bytes, settings: Mapping[str, object] | None = None) -> Scenario:
        path = folder / "x.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path, settings)

    return loaded


@pytest.fixture(scope="session")
def refused(folder: Path, loaded: Callable[..., Scenario]) -> Callable[..., list[str]]:
    """The lines of the error that a text, or its settings, must give, without the folder's name."""

    def refused(text: str | bytes, settings: Mapping[str, object] | None = None) -> list[str]:
        with pytest.raises(ScenarioError) as error:
            loaded(text, settings)
        return str(error.value).replace(f"{folder}/", "").splitlines()

    return refused
