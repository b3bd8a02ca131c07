"""The schema of a scenario file (spec page 9): one class per section, every default in its place.

All times are seconds on the grid of times, however they are written; docstrings name the unit where it is another.
A model knows what is wrong with itself; what is wrong between sections is `checks`.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_serializer,
    model_validator,
)

from sim.reducer.artifact import FleetArtifact
from sim.reducer.records import HealthPolicy, ProbeMode
from sim.reducer.selectors import Selector
from sim.scenario.distributions import NAMES, Constant, Distribution, Lognormal, Uniform
from sim.scenario.fields import (
    DURATION_SCHEMA,
    Duration,
    Part,
    Percent,
    Period,
    Probability,
    Switched,
    Text,
)
from sim.scenario.generate import check_template, generate
from sim.scenario.problems import ScenarioError
from sim.scenario.reading import read_artifact
from sim.scenario.units import format_duration, parse_duration, parse_time_of_day

MOST_HOSTS = 2_000_000
"""Hosts of a generated fleet: more do not fit the memory of a machine."""


class Match(Part):
    """A selector, with the keys of page 6 in snake_case: a host matches if any part does; `not` wins over the rest,
    then `and`."""

    tags: list[Text] = []
    tags_any: list[Text] = []
    hosts: list[Text] = []
    channel: Text | None = None
    all: bool = False
    not_: Annotated[Match | None, Field(alias="not")] = None
    and_: Annotated[list[Match], Field(alias="and")] = []

    @model_validator(mode="after")
    def _says_something(self) -> Match:
        if not self.model_fields_set:
            raise ValueError("expected a selector with one of all, hosts, channel, tags, tags_any, not, and")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in write(self).items() if value not in ([], None, False)} or {"all": False}

    def to_selector(self) -> Selector:
        """The same as the reducers' selector."""
        return Selector(
            tags=tuple(self.tags),
            tags_any=tuple(self.tags_any),
            hosts=tuple(self.hosts),
            channel=self.channel,
            all=self.all,
            not_=None if self.not_ is None else self.not_.to_selector(),
            and_=tuple(part.to_selector() for part in self.and_),
        )


# -- the fleet


class GeneratedChannel(Part):
    """So many hosts of one kind; each gets a tag with the tag's probability."""

    hosts: Annotated[int, Field(ge=0, le=MOST_HOSTS)]
    name: Text = "{channel}-{index:05d}"
    system: Text = "x86_64-linux"
    tags: dict[str, Probability] = {}
    policy: Text

    @field_validator("name", mode="after")
    @classmethod
    def _fills_in(cls, name: str) -> str:
        check_template(name)
        return name


class GeneratedWave(Part):
    """A wave by cumulative share of the channel's hosts, or by selector over the fleet."""

    percent: Percent | None = None
    selector: Match | None = None
    soak: Duration

    @model_validator(mode="after")
    def _one_of_two(self) -> GeneratedWave:
        if (self.percent is None) == (self.selector is None):
            raise ValueError("expected either `percent` or `selector`")
        return self


class Policy(Part):
    """How a channel is rolled out. No waves: everything at once, after the default soak."""

    on_health_failure: HealthPolicy = "rollback-and-halt"
    waves: list[GeneratedWave] = []

    @field_validator("waves", mode="after")
    @classmethod
    def _ascending(cls, waves: list[GeneratedWave]) -> list[GeneratedWave]:
        shares = [wave.percent for wave in waves if wave.percent is not None]
        if any(after < before for before, after in pairwise(shares)):
            raise ValueError("expected percentages that do not fall: each counts the waves before it")
        return waves


class Edge(Part):
    """`gated` waits for `gates`: two hosts, or two channels."""

    gates: Text
    gated: Text
    reason: Text | None = None


class DisruptionBudget(Part):
    """At most `max_in_flight` matching hosts in flight; `max_in_flight_pct` is carried and enforced nowhere."""

    selector: Match
    max_in_flight: Annotated[int, Field(ge=0)] | None = None
    max_in_flight_pct: Percent | None = None


class Generate(Part):
    """A fleet made to measure."""

    channels: Annotated[dict[Text, GeneratedChannel], Field(min_length=1)]
    policies: dict[Text, Policy] = {}
    edges: list[Edge] = []
    channel_edges: list[Edge] = []
    disruption_budgets: list[DisruptionBudget] = []

    @field_validator("channels", mode="after")
    @classmethod
    def _fits(cls, channels: dict[str, GeneratedChannel]) -> dict[str, GeneratedChannel]:
        hosts = sum(channel.hosts for channel in channels.values())
        if hosts > MOST_HOSTS:
            raise ValueError(f"expected at most {MOST_HOSTS:,} hosts in all, got {hosts:,}")
        return channels


class Fleet(Part):
    """Where the fleet comes from: an artifact, relative to the scenario file, or a generator."""

    resolved: Text | None = None
    generate: Generate | None = None
    _artifact: FleetArtifact | None = PrivateAttr(default=None)
    _warnings: list[str] = PrivateAttr(default_factory=list)

    @model_validator(mode="after")
    def _one_of_two(self, info: ValidationInfo) -> Fleet:
        if (self.resolved is None) == (self.generate is None):
            raise ValueError("expected either `resolved` or `generate`")
        if self.resolved is not None and self._artifact is None:  # one that was read before stays as it was
            folder = (info.context or {}).get("folder") or Path()
            try:
                self._artifact, self._warnings = read_artifact(folder / self.resolved)
            except ScenarioError as error:
                problem = error.problems[0]
                raise ValueError(
                    f"{problem.file}{f':{problem.line}' if problem.line else ''}: {_said(problem)}"
                ) from None
        return self

    @property
    def artifact(self) -> FleetArtifact | None:
        """The artifact that `resolved` names, None of a generated fleet."""
        return self._artifact

    @property
    def warnings(self) -> list[str]:
        """The older spellings that the artifact has, with their places."""
        return self._warnings


def _said(problem: Any) -> str:
    return f"{problem.path}: {problem.message}" if problem.path else str(problem.message)


# -- releases


class Defect(Part):
    """What is wrong with a release: which hosts it harms, which probe shows it (None: each), and after how long."""

    probability: Probability = 1.0
    match: Match | None = None
    probe: Text | None = None
    onset: Distribution = Constant(value=0.0)


class Release(Part):
    """A new closure for the hosts of some channels (None: all) at a time."""

    at: Duration = 0.0
    ref: Text
    channels: Annotated[list[Text], Field(min_length=1)] | None = None
    closures: Literal["per-host", "shared", "declared"] = "per-host"
    unchanged: Probability = 0.0
    defect: Defect | None = None


# -- hosts


class Defer(Part):
    """How often a switch waits for a reboot, and because of which component (weights)."""

    probability: Probability = 0.0
    components: dict[Literal["dbus", "systemd", "kernel", "init"], Annotated[float, Field(ge=0)]] = {
        "kernel": 0.6,
        "systemd": 0.3,
        "dbus": 0.1,
    }

    @field_validator("components", mode="after")
    @classmethod
    def _some_weight(cls, components: dict[str, float]) -> dict[str, float]:
        if sum(components.values()) <= 0:
            raise ValueError("expected at least one component with a weight above 0")
        return components


class Window(Part):
    """A daily maintenance window `HH:MM-HH:MM`; the day starts at t = 0, and a window may span midnight."""

    window: str

    @field_validator("window", mode="after")
    @classmethod
    def _two_times(cls, window: str) -> str:
        begin, dash, end = window.partition("-")
        if not dash:
            raise ValueError(f"expected a window such as 02:00-04:00, got {window!a}")
        if parse_time_of_day(begin) % 86_400.0 == parse_time_of_day(end):
            raise ValueError("expected a window that ends at another time than it begins")
        return window

    @cached_property
    def start(self) -> float:
        """Seconds since midnight at which it opens."""
        return parse_time_of_day(self.window.partition("-")[0]) % 86_400.0

    @cached_property
    def end(self) -> float:
        """Seconds since midnight at which it closes, up to 86,400."""
        return parse_time_of_day(self.window.partition("-")[2])


class Alternating(Part):
    """In turn up and down, each stay drawn."""

    up: Distribution
    down: Distribution

    @model_validator(mode="after")
    def _time_passes(self) -> Alternating:
        if self.up.mean() + self.down.mean() < 1.0:
            raise ValueError("expected `up` and `down` that together last at least 1 s on average")
        return self


_NUMBERS = tuple("0123456789.+-")
"""What a duration may begin with, or what is meant as one."""


def _which_reboot(value: Any) -> str:
    if isinstance(value, Window) or (isinstance(value, dict) and "window" in value):
        return "daily"
    return "word" if isinstance(value, str) and value.strip()[:1] not in _NUMBERS else "distribution"


def _which_online(value: Any) -> str:
    return "alternating" if isinstance(value, (dict, Alternating)) else "word"


Reboot = Annotated[
    Annotated[Literal["never"], Tag("word")]
    | Annotated[Window, Tag("daily")]
    | Annotated[Distribution, Tag("distribution")],
    Discriminator(_which_reboot),
]
Online = Annotated[
    Annotated[Literal["always"], Tag("word")] | Annotated[Alternating, Tag("alternating")],
    Discriminator(_which_online),
]
TAGS = frozenset({"word", "daily", "distribution", "alternating", *NAMES})
"""What pydantic puts into the place of an error for a choice that it made, and the file does not have. None is a key
where it may stand."""


def _timeout(value: object) -> float | None:
    if isinstance(value, str) and value.strip() == "never":
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        raise ValueError(f"expected `never` or {str(error).removeprefix('expected ')}") from None


def _or_never(seconds: float | None) -> str | float:
    return "never" if seconds is None else format_duration(seconds)


Timeout = Annotated[
    float | None,
    BeforeValidator(_timeout),
    PlainSerializer(_or_never),
    WithJsonSchema({"anyOf": [{"const": "never"}, DURATION_SCHEMA]}),
]


class HostSettings(Part):
    """How a host behaves (spec page 5). A timeout of None is never."""

    network_delay: Distribution = Constant(value=0.05)
    activation: Distribution = Lognormal(dist="lognormal", median=90.0, p95=300.0)
    activation_timeout: Timeout = None
    activation_failure: Probability = 0.0
    rollback: Distribution = Constant(value=60.0)
    rollback_failure: Probability = 0.0
    defer: Defer = Defer()
    reboot: Reboot = Uniform(dist="uniform", min=3600.0, max=86_400.0)
    boot: Distribution = Constant(value=60.0)
    boot_failure: Probability = 0.0
    online: Online = "always"


_NOT_GIVEN: Any = None


class Override(Part):
    """Settings for the hosts that match: each key it gives replaces the default's value whole."""

    match: Match
    network_delay: Distribution = _NOT_GIVEN
    activation: Distribution = _NOT_GIVEN
    activation_timeout: Timeout = _NOT_GIVEN
    activation_failure: Probability = _NOT_GIVEN
    rollback: Distribution = _NOT_GIVEN
    rollback_failure: Probability = _NOT_GIVEN
    defer: Defer = _NOT_GIVEN
    reboot: Reboot = _NOT_GIVEN
    boot: Distribution = _NOT_GIVEN
    boot_failure: Probability = _NOT_GIVEN
    online: Online = _NOT_GIVEN

    @model_serializer(mode="plain")
    def _as_written(self) -> dict[str, Any]:
        given = HostSettings.model_construct(**self.given())
        return {
            "match": self.match.model_dump(by_alias=True),
            **given.model_dump(by_alias=True, exclude_unset=True),
        }

    def given(self) -> dict[str, Any]:
        """The settings that it gives, by key."""
        return {key: getattr(self, key) for key in HostSettings.model_fields if key in self.model_fields_set}

    def over(self, default: HostSettings) -> HostSettings:
        """The settings of a host that it matches, from those of the others."""
        return default.model_copy(update=self.given())


class Hosts(Part):
    """The hosts' behaviour: a default, and overrides of which the first that matches a host counts."""

    default: HostSettings = HostSettings()
    overrides: list[Override] = []


class Probe(Part):
    """A health probe on the hosts that match (None: all). It is never run more often than every 5 s."""

    name: Text
    kind: Text = "http"
    mode: ProbeMode = "enforce"
    interval: Period = 30.0
    match: Match | None = None
    flake: Probability = 0.0
    outage: Alternating | None = None


# -- control plane and rules


def _resign(value: object) -> str | float:
    if isinstance(value, str) and value.strip() in ("always", "never"):
        return value.strip()
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise ValueError(f"expected `always`, `never` or {str(error).removeprefix('expected ')}") from None
    if seconds <= 0:
        raise ValueError("expected `always`, `never` or a duration above 0")
    return seconds


class ControlPlane(Part):
    """Timings of the control plane and of the agents' clocks (spec pages 4 and 5)."""

    plan_tick: Period = 15.0
    manifest_poll: Period = 30.0
    heartbeat: Period = 60.0
    advance_tick: Period = 5.0
    sustained_failure: Duration = 120.0
    default_soak: Duration = 3600.0
    phases: Literal["random", "zero"] = "random"
    manifest_max_age: Duration = 3660.0
    resign: Annotated[
        Literal["always", "never"] | float,
        BeforeValidator(_resign),
        PlainSerializer(lambda value: value if isinstance(value, str) else format_duration(value)),
        WithJsonSchema({"anyOf": [{"enum": ["always", "never"]}, DURATION_SCHEMA]}),
    ] = "always"


class Rules(Part):
    """The switches of the rollout's rules (spec pages 3, 4 and 5).

    The defaults are what the real system does, but for two: `quarantine: on` is its design and `recorded` what was
    built; `dispatch_order: hostname` is steady where the real order is `shuffled`.
    """

    deferred: Literal["converged", "strict"] = "converged"
    soak_from: Literal["open", "dispatch", "activation"] = "open"
    failure_clock: Literal["first-failure", "sustained"] = "first-failure"
    compliance_wave: Annotated[
        Literal["sticky", "latest", "off"], Switched, WithJsonSchema({"enum": ["sticky", "latest", "off", False]})
    ] = "sticky"
    quarantine: Annotated[Literal["on", "recorded"], Switched, WithJsonSchema({"enum": ["on", "recorded", True]})] = (
        "on"
    )
    dispatch_order: Literal["hostname", "shuffled"] = "hostname"
    unchanged: Literal["ungated", "gated"] = "ungated"
    probe_restart: Literal["heartbeat", "boot"] = "heartbeat"


class Scenario(Part):
    """A scenario: the fleet, what is released to it, how its hosts behave, and by which rules. It does not change."""

    name: Text
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    until: Duration = 604_800.0
    fidelity: Literal["events", "full"] = "events"
    fleet: Fleet
    releases: list[Release] = [Release(ref="r1")]
    hosts: Hosts = Hosts()
    probes: list[Probe] = []
    control_plane: ControlPlane = ControlPlane()
    rules: Rules = Rules()

    def artifact(self, seed: int | None = None) -> FleetArtifact:
        """The fleet: the artifact as it was read, or one generated, its tags drawn by `seed` (the scenario's own if
        None)."""
        if self.fleet.artifact is not None:
            return self.fleet.artifact
        assert self.fleet.generate is not None
        return generate(self.fleet.generate, self.seed if seed is None else seed)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors and for whoever checks without this program."""
    schema = Scenario.model_json_schema()
    # a file without a name is called by its file name
    schema["required"] = [key for key in schema["required"] if key != "name"]
    for setting in schema["$defs"]["Override"]["properties"].values():
        # null is none of the values that it may have
        setting.pop("default", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "nixfleet-sim scenario",
        **{key: value for key, value in schema.items() if key != "title"},
    }
