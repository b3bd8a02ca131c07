"""What pydantic finds, in the words of the file: the place that the file has, and what was expected there."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import Tag
from pydantic_core import ErrorDetails

from sim.scenario.checks import Finding, meant
from sim.scenario.distributions import NAMES
from sim.scenario.fields import Part
from sim.scenario.problems import Path as Place
from sim.scenario.schema import TAGS, Scenario
from sim.scenario.units import shown


def held(place: Place, data: Any) -> Place:
    """The part of an error's place that the file has, without the choices that pydantic writes between."""
    found: list[str | int] = []
    for step in place:
        if step in data if isinstance(data, dict) else isinstance(data, list) and step in range(len(data)):
            data = data[step]
        elif step in TAGS:
            continue
        else:
            break
        found.append(step)
    return tuple(found)


def dotted(place: Place, data: Any) -> str:
    """The dotted path of an error's place; of a missing key, too."""
    found = held(place, data)
    last = place[-1:]
    missing = last != found[-1:] and not TAGS.intersection(last) and last != ("[key]",)
    if missing and isinstance(_at(found, data), dict):
        found += last
    return ".".join(map(str, found))


def _at(place: Place, data: Any) -> Any:
    for step in place:
        data = data[step]
    return data


_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "string_type": "some text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "of at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "of at most"),
}


def finding(error: ErrorDetails) -> Finding:
    """The place of an error, as pydantic has it, and what was expected there."""
    kind, place, value, context = error["type"], tuple(error["loc"]), error["input"], error.get("ctx", {})
    if kind == "value_error":
        return place, str(context["error"])
    if kind == "extra_forbidden":
        return place, _unknown_key(place)
    if kind == "missing":
        return place, "is missing"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _unknown_distribution(place, value)
    if kind == "literal_error":
        return place, _choice(value, str(context["expected"]))
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        bound = context[key]
        return place, f"expected a number {words} {bound:{',' if isinstance(bound, int) else 'g'}}, got {shown(value)}"
    if kind in ("too_short", "string_too_short"):
        return place, "expected at least one entry"
    if kind in _EXPECTED:
        return place, f"expected {_EXPECTED[kind]}, got {shown(value)}"
    return place, f"{error['msg'][:1].lower()}{error['msg'][1:]}, got {shown(value)}"


def _unknown_distribution(place: Place, value: Any) -> Finding:
    if "dist" not in value:
        return place, f"expected `dist`, one of {', '.join(NAMES)}"
    dist = value["dist"]
    words = meant(dist, NAMES) if isinstance(dist, str) else f"got {shown(dist)}"
    return (*place, "dist"), f"expected a distribution's name, {words}"


def _choice(value: Any, expected: str) -> str:
    known = [word.strip(" '") for word in expected.replace(" or ", ",").split(",") if word.strip()]
    wanted = " or ".join(known)
    if known == ["never"]:
        wanted = "never, {window: HH:MM-HH:MM}, a duration or a distribution"
    elif known == ["always"]:
        wanted = "always, or {up: …, down: …}"
    if not isinstance(value, str):
        return f"expected {wanted}, got {shown(value)}"
    near = meant(value, known)
    return f"expected {wanted}, {near if 'did you mean' in near else f'got {shown(value)}'}"


def _unknown_key(place: Place) -> str:
    """What the section around an unknown key may hold instead."""
    key = str(place[-1])
    if key == "<<":
        return "is not a key here; merge keys are not read: write the keys out, or use an alias as a whole value"
    known = keys_at(place[:-1])
    if not known:
        return "is not a key here"
    return f"is not a key here; {meant(key, known).rpartition('; ')[2]}"


def keys_at(place: Place) -> list[str]:
    """The keys that the schema has at a place."""
    keys = (field.alias or name for part in parts_at(place) for name, field in part.model_fields.items())
    return list(dict.fromkeys(keys))


def parts_at(place: Place) -> list[type[Part]]:
    """The sections that the schema allows at a place."""
    kinds: list[Any] = [Scenario]
    for step in place:
        kinds = [inner for kind in kinds for inner in _inside(kind, step)]
    members = [member for kind in kinds for member in _members(kind)]
    return [member for member in members if isinstance(member, type) and issubclass(member, Part)]


def _members(kind: Any) -> list[Any]:
    """The classes that an annotation allows, without what is only said about them."""
    if get_origin(kind) is Annotated:
        return _members(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return [member for choice in get_args(kind) for member in _members(choice)]
    return [kind]


def _inside(kind: Any, step: str | int) -> list[Any]:
    if get_origin(kind) is Annotated:
        tags = [one.tag for one in kind.__metadata__ if isinstance(one, Tag)]
        if tags == [step]:
            return _members(kind)
        return [] if tags and step in TAGS else _inside(get_args(kind)[0], step)
    if get_origin(kind) in (Union, UnionType):
        return [inner for choice in get_args(kind) for inner in _inside(choice, step)]
    if get_origin(kind) is list:
        return [get_args(kind)[0]]
    if get_origin(kind) is dict:
        return [get_args(kind)[1]]
    if isinstance(kind, type) and issubclass(kind, Part):
        return [field.annotation for name, field in kind.model_fields.items() if (field.alias or name) == step]
    return []
