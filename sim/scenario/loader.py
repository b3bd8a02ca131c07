"""From a file to a `Scenario`, or to all that is wrong with it at once (spec page 9)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from sim.scenario.checks import (
    Finding,
    check_artifact,
    check_names,
    check_policies,
    check_probes,
    check_releases,
    meant,
    names_of,
)
from sim.scenario.distributions import Constant
from sim.scenario.fields import Part
from sim.scenario.problems import Path as Place
from sim.scenario.problems import Problem, ScenarioError
from sim.scenario.reading import Lines, read_text, read_yaml
from sim.scenario.schema import Fleet, GeneratedChannel, Scenario
from sim.scenario.units import parse_duration, shown
from sim.scenario.wording import dotted, finding, held, keys_at, parts_at
from sim.scenario.write import plain

__all__ = ["Problem", "ScenarioError", "load", "with_settings"]

_INDEX = re.compile(r"[0-9]{1,9}")
_Part = TypeVar("_Part", bound=Part)


def load(path: str | Path, settings: Mapping[str, object] | None = None, *, text: str | None = None) -> Scenario:
    """Read a scenario file.

    Args:
        path: YAML or JSON; what it refers to is relative to its folder.
        settings: values in place of the file's own or of defaults, by setting path (`rules.deferred`,
            `fleet.generate.disruption_budgets.0.max_in_flight`; spec page 10). Text is read as YAML.
        text: what the file holds, if it has been read already: a pipe can be read only once.

    Raises:
        ScenarioError: all that is wrong with the file, with its lines; or, if nothing is, with the settings.
    """
    file = Path(path)
    data, lines, problems = read_yaml(read_text(file) if text is None else text, str(path))
    if not isinstance(data, dict):
        if problems:
            raise ScenarioError(problems)
        expected = "expected a scenario, a mapping with at least `fleet`"
        got = "the file is empty" if data is None else f"got {shown(data)}"
        raise ScenarioError([Problem(str(path), None if data is None else lines.of(()), "", f"{expected}; {got}")])
    # a file's name need not be text
    data.setdefault("name", file.stem.encode(errors="replace").decode().strip() or "scenario")
    findings, scenario = _validate(data, file.parent)
    if scenario is None or problems:
        raise ScenarioError(_problems(findings, data, str(path), lines, problems))
    return with_settings(scenario, settings, file.parent) if settings else scenario


def with_settings(scenario: Scenario, settings: Mapping[str, object], folder: Path | None = None) -> Scenario:
    """The scenario with other values for some settings, by setting path; text is read as YAML.

    Args:
        folder: what files in the new values are relative to; the working directory if None.

    Raises:
        ScenarioError: a path that does not exist, or a value that does not fit there.
    """
    data = plain(scenario)
    changed: dict[Place, str] = {}
    problems = []
    for path, value in settings.items():
        text = value if isinstance(value, str) else shown(value)
        said = f"--set {path}={text if len(text) <= 60 else f'{text[:57]}...'}"
        try:
            given = _read(value, said) if isinstance(value, str) else value
            changed[_assign(data, path, given)] = said
        except ScenarioError as error:
            problems.append(Problem(said, None, "", error.problems[0].message))
        except LookupError as error:
            problems.append(Problem(said, None, "", str(error.args[0])))
    if problems:
        raise ScenarioError(problems)
    findings, found = _validate(data, folder or Path(), scenario.fleet if not _touches_fleet(changed) else None)
    if found is None:
        raise ScenarioError(list(dict.fromkeys(_of_setting(one, data, changed) for one in findings)))
    return found


def _read(text: str, said: str) -> Any:
    value, _, problems = read_yaml(text, said)
    if problems:
        raise ScenarioError(problems)
    return value


def _touches_fleet(changed: Mapping[Place, str]) -> bool:
    return any(place[0] == "fleet" for place in changed)


def _assign(data: Any, path: str, value: object) -> Place:
    """Put a value where a setting path leads; the place. A section that only is not set is made."""
    place: list[str | int] = []
    inside = data
    keys = path.split(".")
    for number, key in enumerate(keys):
        last = number == len(keys) - 1
        where = ".".join(map(str, place)) or "the scenario"
        if not key:
            raise LookupError("no such setting: expected keys with a dot between them, such as rules.deferred")
        if isinstance(inside, list):
            if not _INDEX.fullmatch(key) or int(key) >= len(inside):
                raise LookupError(
                    f"no such setting: {where} has {len(inside)} entries, counted from 0; got {shown(key)}"
                )
            step: str | int = int(key)
        elif isinstance(inside, dict):
            step = key
            if not last and key not in inside:
                inside[key] = _unset(tuple(place), key, list(inside))
        else:
            raise LookupError(f"no such setting: {where} is {shown(inside)} and holds no settings")
        place.append(step)
        if last:
            inside[step] = value
        else:
            inside[step] = inside = _written_out(tuple(place), inside[step])
    return tuple(place)


def _unset(place: Place, key: str, given: list[str]) -> dict[str, Any]:
    """A section for a key at a place, where one may stand."""
    known = keys_at(place)
    where = ".".join(map(str, place)) or "the scenario"
    if key not in known:
        raise LookupError(f"no such setting: in {where}, {meant(key, known or given)}")
    if not parts_at((*place, key)):
        raise LookupError(f"no such setting: {where}.{key} is not set and can only be set as a whole")
    return {}


def _written_out(place: Place, value: Any) -> Any:
    """A bare duration with its keys, where it stands for a distribution."""
    if isinstance(value, str) and Constant in parts_at(place):
        with suppress(ValueError):
            parse_duration(value)
            return {"dist": "constant", "value": value}
    return value


def _of_setting(one: Finding, data: Any, changed: Mapping[Place, str]) -> Problem:
    """A problem of a scenario that was fine before: told of the setting whose place holds it, or else of all."""
    place = held(one[0], data)
    said = [text for at, text in changed.items() if place[: len(at)] == at or at[: len(place)] == place]
    return Problem("; ".join(said or changed.values()), None, dotted(one[0], data), one[1])


# -- validation


def _validate(data: dict[str, Any], folder: Path, fleet: Fleet | None = None) -> tuple[list[Finding], Scenario | None]:
    """What is wrong, or the scenario. `fleet` stands for the section where it is known to be right."""
    context = {"folder": folder}
    given = data if fleet is None else {**data, "fleet": fleet}
    findings: list[Finding] = []
    scenario: Scenario | None = None
    try:
        scenario = Scenario.model_validate(given, context=context)
    except ValidationError as error:
        findings = [finding(one) for one in error.errors(include_url=False)]
    # what can be told between the sections is told all the same, so that all errors are told at once
    known_fleet = scenario.fleet if scenario else fleet or _valid(Fleet, data.get("fleet"), context)
    channels: list[str] | None = None
    if known_fleet is not None and known_fleet.artifact is not None:
        channels = list(known_fleet.artifact.channels)
        findings += check_artifact(known_fleet.artifact)
    generate = _inside(_inside(data, "fleet"), "generate")
    declared = _inside(generate, "channels")
    if declared:
        channels = list(declared)
        findings += check_policies(declared, list(_inside(generate, "policies")))
        if fleet is None:
            each = {name: _valid(GeneratedChannel, one, context) for name, one in declared.items()}
            findings += check_names({name: one for name, one in each.items() if one is not None})
    findings += check_probes(data.get("probes"))
    findings += check_releases(channels, names_of(data.get("probes")), data.get("releases"))
    return findings, None if findings else scenario


def _inside(data: dict[str, Any], key: str) -> dict[str, Any]:
    """The section with a key, empty if there is none."""
    found = data.get(key)
    return found if isinstance(found, dict) else {}


def _valid(kind: type[_Part], value: object, context: dict[str, Any]) -> _Part | None:
    try:
        return kind.model_validate(value, context=context)
    except ValidationError:
        return None


def _problems(findings: list[Finding], data: Any, file: str, lines: Lines, told: list[Problem]) -> list[Problem]:
    """All that is wrong, in the order of the file; of what was told when it was read there is no more to say."""
    places = {(problem.line, problem.path) for problem in told}
    problems = set(told)
    for place, message in findings:
        line, path = lines.of(held(place, data)) or 1, dotted(place, data)
        if (line, path) not in places:
            problems.add(Problem(file, line, path, message))
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.path, problem.message))
