"""Which hosts a selector means (spec page 6, Selector)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec


class Selector(msgspec.Struct, frozen=True, rename={"tags_any": "tagsAny", "not_": "not", "and_": "and"}):
    """The parts of a selector as written; nothing set matches nobody. Equal as written is equal."""

    tags: tuple[str, ...] = ()
    tags_any: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    channel: str | None = None
    all: bool = False
    not_: Selector | None = None
    and_: tuple[Selector, ...] = ()


def matches(selector: Selector, *, name: str, channel: str, tags: Collection[str]) -> bool:
    """Whether the selector of a fleet declaration means the host: `not` wins over the rest, then `and`."""
    if selector.not_ is not None:
        return not matches(selector.not_, name=name, channel=channel, tags=tags)
    if selector.and_:
        return all(matches(part, name=name, channel=channel, tags=tags) for part in selector.and_)
    return matches_plain(selector, name=name, channel=channel, tags=tags)


def matches_plain(selector: Selector, *, name: str, channel: str, tags: Collection[str]) -> bool:
    """Whether any part of the selector means the host, `not` and `and` ignored, as the planner's budgets
    do."""
    return (
        selector.all
        or name in selector.hosts
        or (selector.channel is not None and selector.channel == channel)
        or (len(selector.tags) > 0 and all(tag in tags for tag in selector.tags))
        or any(tag in tags for tag in selector.tags_any)
    )


def plain(selector: Selector) -> Selector:
    """The selector without `not` and `and`: what the planner sees of it."""
    return msgspec.structs.replace(selector, not_=None, and_=())


def summary(selector: Selector) -> str:
    """The selector in a gate's reason (spec page 3): its first part that says something, names sorted."""
    if selector.all:
        return "all"
    if selector.channel is not None:
        return f"channel:{selector.channel}"
    for word, names in (("tags", selector.tags), ("tags_any", selector.tags_any), ("hosts", selector.hosts)):
        if names:
            return f"{word}:{','.join(sorted(names))}"
    return "unknown"


def selector_to_json(selector: Selector) -> dict[str, Any]:
    """The selector as an artifact writes it, camelCase; `not` and `and` only where they say something."""
    written: dict[str, Any] = {
        "tags": list(selector.tags),
        "tagsAny": list(selector.tags_any),
        "hosts": list(selector.hosts),
        "channel": selector.channel,
        "all": selector.all,
    }
    if selector.not_ is not None:
        written["not"] = selector_to_json(selector.not_)
    if selector.and_:
        written["and"] = [selector_to_json(part) for part in selector.and_]
    return written
