"""A scenario as a file again, every default filled in; reading it gives an equal scenario."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import yaml

from sim.reducer.artifact import FleetArtifact, artifact_to_json
from sim.scenario.reading import PLAIN
from sim.scenario.schema import Scenario

ARTIFACT = "fleet.resolved.json"


def plain(scenario: Scenario, *, as_given: bool = False) -> dict[str, Any]:
    """The scenario as plain data in the terms of page 9, every default filled in; what is not set is left out.

    Args:
        as_given: leave out what its file leaves to the defaults.
    """
    # not exclude_none: a timeout of None is written as `never`
    data: dict[str, Any] = _set(scenario.model_dump(mode="python", by_alias=True, exclude_unset=as_given))
    return data


def _set(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _set(value) for key, value in data.items() if value is not None}
    return [_set(value) for value in data] if isinstance(data, list) else data


def bundle(scenario: Scenario) -> dict[str, bytes]:
    """The files that hold a scenario by themselves: `scenario.yaml`, and the artifact if it has one. The values of
    empirical files are written in place."""
    data = plain(scenario)
    files: dict[str, bytes] = {}
    if scenario.fleet.resolved is not None:
        files[ARTIFACT] = artifact_text(scenario.artifact()).encode()
        data["fleet"]["resolved"] = ARTIFACT
    return {"scenario.yaml": to_yaml(data).encode(), **files}


def artifact_text(fleet: FleetArtifact) -> str:
    """A fleet as the JSON text of an artifact (spec page 6)."""
    return msgspec.json.format(msgspec.json.encode(artifact_to_json(fleet)), indent=1).decode()


def to_yaml(data: Any) -> str:
    """Plain data as YAML, in the order in which the schema has it."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


def one_line(data: Any) -> str:
    """Plain data as YAML reads it back, on one line."""
    if isinstance(data, str):
        style = None if data.isidentifier() else '"'
        return str(yaml.safe_dump(data, width=sys.maxsize, default_style=style)).split("\n")[0]
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=sys.maxsize, default_flow_style=True)).strip()


def comment(text: str) -> str:
    """One line of comment, whatever is in the names that it quotes."""
    return "# " + "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


class _Dumper(yaml.SafeDumper):
    """Text that this program, or another YAML reader, would not read back as text is put in quotes."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # in other styles some of the line ends of Unicode would come back as a space
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _text)
for _tag, (_pattern, _begins) in PLAIN.items():
    _Dumper.add_implicit_resolver(_tag, _pattern, _begins)
