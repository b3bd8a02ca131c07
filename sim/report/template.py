"""What all pages share: the templates, the style, figures as SVG elements, and a content security policy that lets
nothing in from outside."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from sim.report.figures import Shown
from sim.result.words import counted, duration, readable, shortened

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Control characters, among them those that turn the direction of writing: in a name they would turn the words beside
it, too."""
_SVG = re.compile(r"^<svg ")
_WITHIN_NAME = re.compile(r"(?<=[._])(?=[A-Za-z])")
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)


def rendered(name: str, scripts: Sequence[str] = (), **parts: Any) -> str:
    """A page from one of the templates in this package, its style and its scripts (files beside them) written into it.

    Every text among the parts is escaped, unless it is `Markup`.
    """
    contents = [Markup(_read(script)) for script in scripts]
    return (
        _environment()
        .get_template(name)
        .render(policy=_policy(contents), style=Markup(_read("page.css")), scripts=contents, **parts)
    )


def visible(value: Any) -> Any:
    """A text, or all texts in lists and dictionaries, with control characters spelt out; anything else as it is."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
    if isinstance(value, dict):
        return {visible(key): visible(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [visible(inner) for inner in value]
    return value


def _drawn(shown: Shown, number: str) -> Markup:
    """A figure's SVG element, told to a screen reader as one picture with the text that describes it."""
    picture = visible(_METADATA.sub("", shown.svg))
    return Markup(
        _SVG.sub(f'<svg role="img" aria-describedby="{number}-text" aria-labelledby="{number}-caption" ', picture)
    )


def _words(text: str) -> Markup:
    """A text whose long names may break after a dot or an underscore and lose their middle where they are far too long,
    and whose percentages stay in one piece."""
    # what is marked as safe passes by `visible`, which is asked here for that reason
    return Markup("<wbr>").join(_WITHIN_NAME.split(visible(readable(text)).replace(" %", "\u00a0%")))


def _policy(scripts: Sequence[str]) -> str:
    """Nothing from outside; scripts by what they are. Styles are inline in the figures, too."""
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _read(name: str) -> str:
    return (files("sim.report") / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=visible,
    )
    environment.filters.update(
        counted=counted, duration=duration, drawn=_drawn, shortened=shortened, readable=readable, words=_words
    )
    return environment
