"""The fleet artifact `fleet.resolved.json` (spec page 6), read from decoded JSON and written back.

Reading is strict about what the spec names and indifferent to every other key. A null counts as a missing
key, but inside of what is carried unread (`pin`, `compliance`, `healthGate`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from sim.reducer.errors import FleetError
from sim.reducer.records import HealthPolicy
from sim.reducer.selectors import Selector, selector_to_json

SCHEMA_VERSION = 1
DEEPEST = 64
"""How deep an artifact may nest; no real one comes near."""

Count = Annotated[int, msgspec.Meta(ge=0)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=sys.float_info.max)]
"""Not negative, not infinite."""
Minutes = Amount


class Host(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """A host as declared. Without a `closure_hash` (before CI built it) no rollout includes it."""

    system: str
    channel: str
    tags: list[str] = []
    closure_hash: str | None = None
    pubkey: str | None = None
    pin: Any = None


class Channel(msgspec.Struct, frozen=True, rename="camel"):
    """A channel. Intervals and the window in minutes."""

    rollout_policy: str
    reconcile_interval_minutes: Minutes
    signing_interval_minutes: Minutes
    freshness_window: Minutes
    compliance: Any = None


class PolicyWave(msgspec.Struct, frozen=True, rename="camel"):
    """A wave as a policy declares it; soak in minutes."""

    selector: Selector
    soak_minutes: Minutes


class RolloutPolicy(msgspec.Struct, frozen=True, rename="camel"):
    """How a channel is rolled out."""

    strategy: Literal["canary", "staged", "all-at-once"]
    waves: list[PolicyWave]
    on_health_failure: HealthPolicy
    health_gate: Any = None


class Wave(msgspec.Struct, frozen=True, rename="camel"):
    """A policy's wave resolved to host names, over all hosts of the fleet; soak in minutes."""

    hosts: list[str]
    soak_minutes: Minutes


class Edge(msgspec.Struct, frozen=True, rename="camel"):
    """`gated` waits for `gates`: two hosts, or two channels."""

    gates: str
    gated: str
    reason: str | None = None


class Budget(msgspec.Struct, frozen=True, rename="camel"):
    """At most `max_in_flight` hosts of the selector in flight at a time.

    `hosts` is set where the artifact used the older spelling; `selector` then names the same hosts.
    """

    selector: Selector
    max_in_flight: Count | None = None
    max_in_flight_pct: Amount | None = None
    hosts: list[str] | None = None


class Meta(msgspec.Struct, frozen=True, rename="camel"):
    """Where the artifact comes from."""

    schema_version: int = SCHEMA_VERSION
    signed_at: str | None = None
    ci_commit: str | None = None
    signature_algorithm: str | None = None


class FleetArtifact(msgspec.Struct, frozen=True, rename="camel"):
    """The whole fleet as CI wrote it (spec page 6)."""

    schema_version: int
    hosts: dict[str, Host]
    channels: dict[str, Channel]
    rollout_policies: dict[str, RolloutPolicy] = {}
    waves: dict[str, list[Wave]] = {}
    edges: list[Edge] = []
    channel_edges: list[Edge] = []
    disruption_budgets: list[Budget] = []
    meta: Meta = Meta()


def parse_artifact(decoded: object) -> tuple[FleetArtifact, list[str]]:
    """The fleet in decoded JSON, and a warning for every older spelling met.

    Raises:
        FleetError: it is not an artifact of schema version 1; the message names a place that is wrong.
    """
    if not isinstance(decoded, dict):
        raise FleetError(f"the artifact: expected an object, got {_shown(decoded)}")
    _refuse_depth(decoded)
    version = decoded.get("schemaVersion")
    if isinstance(version, int) and not isinstance(version, bool) and version != SCHEMA_VERSION:
        raise FleetError(f"schemaVersion: expected {SCHEMA_VERSION}, got {_shown(version)}")
    warnings: list[str] = []
    try:
        fleet = msgspec.convert(_modern(decoded, warnings), FleetArtifact)
    except _REFUSALS:
        # nulls where a value could be missing are rare enough to pay for a second reading
        warnings = []
        given = {key: _entries(key, value) for key, value in decoded.items() if value is not None}
        document = _modern(given, warnings)
        try:
            fleet = msgspec.convert(document, FleetArtifact)
        except _REFUSALS as error:
            raise FleetError(_explain(document, error)) from None
    _refuse_bad_text(fleet)
    return fleet, warnings


def artifact_to_json(fleet: FleetArtifact) -> dict[str, Any]:
    """The artifact as decoded JSON, camelCase. Reading it again gives an equal fleet."""
    written: dict[str, Any] = msgspec.to_builtins(fleet)
    for policy, form in zip(fleet.rollout_policies.values(), written["rolloutPolicies"].values(), strict=True):
        for wave, wave_form in zip(policy.waves, form["waves"], strict=True):
            wave_form["selector"] = selector_to_json(wave.selector)
    for budget, form in zip(fleet.disruption_budgets, written["disruptionBudgets"], strict=True):
        if budget.hosts is None:
            del form["hosts"]
            form["selector"] = selector_to_json(budget.selector)
        else:
            del form["selector"]
    return written


def _modern(decoded: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
    """The document with older spellings written as today's."""
    document = dict(decoded)
    for key in ("edges", "channelEdges"):
        edges = document.get(key)
        if isinstance(edges, list):
            document[key] = [_modern_edge(edge, f"{key}[{at}]", warnings) for at, edge in enumerate(edges)]
    budgets = document.get("disruptionBudgets")
    if isinstance(budgets, list):
        document["disruptionBudgets"] = [
            _modern_budget(budget, f"disruptionBudgets[{at}]", warnings) for at, budget in enumerate(budgets)
        ]
    return document


def _modern_edge(edge: object, where: str, warnings: list[str]) -> object:
    if not isinstance(edge, dict):
        return edge
    for old, new in (("before", "gates"), ("after", "gated")):
        if new not in edge and old in edge:
            warnings.append(f"{where}: `{old}` is an older spelling of `{new}`")
            edge = {**edge, new: edge[old]}
    return edge


def _modern_budget(budget: object, where: str, warnings: list[str]) -> object:
    if not isinstance(budget, dict) or "hosts" not in budget:
        return budget
    hosts = budget["hosts"]
    rest = {key: value for key, value in budget.items() if key != "hosts"}
    if hosts is None or budget.get("selector") is not None:
        return rest
    warnings.append(f"{where}: `hosts` in place of `selector` is an older spelling, which the control plane refuses")
    # `hosts` comes first so that whatever is wrong with it is said of the key that was written
    return {"hosts": hosts, **rest, "selector": {"hosts": hosts}}


def _refuse_depth(decoded: dict[str, Any]) -> None:
    level: list[Any] = [decoded]
    for _ in range(DEEPEST):
        inner = [part for outer in level for part in _parts(outer) if isinstance(part, (dict, list, tuple))]
        # one part may stand in many places (YAML aliases): look into it once
        level = list({id(part): part for part in inner}.values())
        if not level:
            return
    raise FleetError(f"the artifact: nested deeper than {DEEPEST}")


def _parts(outer: Any) -> Iterable[object]:
    parts: Iterable[object] = outer.values() if isinstance(outer, dict) else outer
    return parts


def _refuse_bad_text(fleet: FleetArtifact) -> None:
    """Text that is no Unicode (half a surrogate pair) could be read but never printed or saved."""
    try:
        msgspec.json.encode(fleet)
    except (TypeError, ValueError, OverflowError):
        # it may just as well be that `pin` and the like hold what this encoder does not know
        found = _bad_text(artifact_to_json(fleet), "")
        if found is not None:
            raise FleetError(found) from None


def _bad_text(value: object, where: str) -> str | None:
    """What is said of the first text that is no Unicode, None if all is."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return f"{where or 'the artifact'}: {_shown(value)} is not valid text"
    elif isinstance(value, dict):
        for key, part in value.items():
            found = _bad_text(key, where) or _bad_text(part, _inside(where, key))
            if found is not None:
                return found
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            found = _bad_text(part, f"{where}[{index}]")
            if found is not None:
                return found
    return None


def _entries(key: str, value: Any) -> Any:
    """Without the nulls inside; an entry of a table that is null itself stays, to be refused."""
    if key in _TABLES and isinstance(value, dict):
        return {name: _without_nulls(entry) for name, entry in value.items()}
    return _without_nulls(value)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: part if key in _UNREAD else _without_nulls(part) for key, part in value.items() if part is not None
        }
    if isinstance(value, list):
        return [_without_nulls(part) for part in value]
    return value


_TABLES: dict[str, Any] = {
    "hosts": Host,
    "channels": Channel,
    "rolloutPolicies": RolloutPolicy,
    "waves": list[Wave],
}
_UNREAD = ("pin", "compliance", "healthGate")
_REFUSALS = (msgspec.ValidationError, OverflowError, UnicodeEncodeError)
"""What the decoder raises, whatever it is given."""
_NAMES = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def _explain(document: dict[str, Any], error: Exception) -> str:
    """Where and what: `hosts.web-01.channel: expected a string, got 3`. One entry after the other is read
    again, because the decoder's own message leaves out the keys of tables."""
    for key, form in _TABLES.items():
        table = document.get(key)
        if not isinstance(table, dict):
            continue
        for name, entry in table.items():
            if not isinstance(name, str):
                return f"{key}: expected a string as a key, got {_shown(name)}"
            try:
                msgspec.convert(entry, form)
            except _REFUSALS as reason:
                return _sentence(_inside(key, name), entry, reason)
    return _sentence("", document, error)


_MESSAGE = re.compile(r"(?P<text>.*?)(?: - at (?P<of_key>`key` in )?`(?P<path>\$[^`]*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+)\]")
_EXPECTED = re.compile(r"Expected `(?P<types>[^`]*)`(?:, got `[^`]*`| >= (?P<least>[\d.]+)|(?P<endless> <= .*))?")


def _sentence(where: str, value: Any, error: Exception) -> str:
    """The decoder's error in the words of the artifact, `value` being what stands at `where`."""
    if isinstance(error, UnicodeEncodeError):
        return _bad_text(value, where) or f"{where or 'the artifact'}: not valid text"
    message = _MESSAGE.fullmatch(str(error))
    assert message is not None  # every part of the pattern may be empty
    text = message["text"]
    for key, index in _STEP.findall(message["path"] or ""):
        where = _inside(where, key) if key else f"{where}[{index}]"
        try:
            value = value[key or int(index)]
        except (KeyError, IndexError, TypeError):
            break
    missing = re.fullmatch(r"Object missing required field `(.*)`", text)
    if missing:
        return f"{_inside(where, missing[1])}: missing"
    where = where or "the artifact"
    if message["of_key"]:
        return f"{where}: expected strings as keys"
    if text.startswith("Invalid enum value"):
        return f"{where}: {_shown(value)} is not one of the values it may have"
    expected = _EXPECTED.fullmatch(text)
    if expected is None:
        return f"{where}: {text[:1].lower()}{text[1:]}, got {_shown(value)}"
    words = " or ".join(_NAMES.get(word.strip(), word.strip()) for word in expected["types"].split("|"))
    if expected["least"]:
        words += f" of at least {float(expected['least']):g}"
    elif expected["endless"]:
        words = "a finite number"
    return f"{where}: expected {words}, got {_shown(value)}"


def _inside(where: str, key: object) -> str:
    name = str(key)
    if not name.isprintable():
        name = ascii(name)
    return f"{where}.{name}" if where else name


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else "a very large number"
    text = ascii(value) if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
