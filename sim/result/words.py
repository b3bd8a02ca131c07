"""Times and counts as people say them."""

from __future__ import annotations

import math
import re

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))


def duration(seconds: float | None) -> str:
    """Seconds as `2d3h`, `1h30m`, `4m10s`, `12.5s` or `40ms`: the two largest units; `-` for None and NaN."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if 0 < seconds < 1:
        return f"{seconds * 1000:.3g}ms" if seconds < 0.9995 else "1s"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    left = round(seconds)
    if left >= 86_400:
        left = round(seconds / 3_600) * 3_600
    elif left >= 3_600:
        left = round(seconds / 60) * 60
    said = ""
    for unit, length in _UNITS:
        count, left = divmod(left, length)
        if count:
            said += f"{count}{unit}"
    return said + (f"{left}s" if left else "")


def number(value: float | None) -> str:
    """A count or a rate with thousands separated, three digits where it is small; `-` for None and NaN."""
    if value is None or not math.isfinite(value):
        return "-"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def counted(count: int, noun: str) -> str:
    """`1 host`, `1,200 hosts`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


LONGEST_NAME = 64
"""Letters of a name up to which it is shown whole: host names have no more, and a table has no room for more."""

_FAR_TOO_LONG = re.compile(r"\S{100,}")


def shortened(name: str, most: int = LONGEST_NAME) -> str:
    """A name without its middle, where it has more letters than that; the ends tell names apart."""
    if len(name) <= most:
        return name
    tail = (most - 1) // 2
    return f"{name[: most - 1 - tail]}…{name[len(name) - tail :]}"


def readable(sentence: str) -> str:
    """A sentence in which every word that is far too long, as a name in it may be, has lost its middle."""
    return _FAR_TOO_LONG.sub(lambda found: shortened(found[0]), sentence)


def some(names: list[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(shortened(name) for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown
