"""The lines between a run and a reducer that is a program of its own (spec page 10, The reducer protocol).

JSON, one object a line. First a `Hello` each way, then batches and answers. What both sides need of it is here: the
program is `serve`, and who starts one is `sim.model.program`.
"""

from __future__ import annotations

from typing import Any

import msgspec

HELLO = "nixfleet-reducer"
VERSION = 1


class Hello(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first line of either side; the program's has its name."""

    hello: str
    version: int
    name: str = ""


class Batch(msgspec.Struct, frozen=True):
    """Cases of page 8 without what they expect, to be answered together."""

    id: int
    cases: list[msgspec.Raw]


class Answer(msgspec.Struct, frozen=True):
    """What the cases of the batch with this id come to, in order."""

    id: int
    results: list[Any]


def shown(text: str, most: int = 200) -> str:
    """Text of unknown origin as a part of a message: on one line, no control characters, not too long."""
    cut = text[:most]
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return plain + ("…" if len(text) > most else "")
