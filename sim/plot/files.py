"""Figures as files that are the same, to the byte, whenever they are written, with the same versions."""

from __future__ import annotations

import hashlib
import re
import warnings
from io import BytesIO
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine

DPI = 150
"""Pixels per inch of a PNG."""

_ID = re.compile(r'\bid="([^"]*)"')
_USE = re.compile(r'(url\(#|href="#)([^)"]*)')


def save(axes_or_figure: Axes | Figure, path: str | Path) -> None:
    """Write a figure to an SVG or a PNG file, by the ending of the path; neither bears a date.

    Raises:
        ValueError: the path ends in neither `.svg` nor `.png`.
        OSError: it cannot be written.
    """
    Path(path).write_bytes(content(axes_or_figure, path))


def content(axes_or_figure: Axes | Figure, path: str | Path) -> bytes:
    """What `save` would write to that path.

    Raises:
        ValueError: the path ends in neither `.svg` nor `.png`.
    """
    match Path(path).suffix.lower():
        case ".svg":
            return (svg(axes_or_figure) + "\n").encode()
        case ".png":
            return _render(axes_or_figure, "png", {"Software": None})
        case _:
            raise ValueError(f"expected a path that ends in .svg or .png, not {str(path)!r}")


def svg(axes_or_figure: Axes | Figure) -> str:
    """A figure as an SVG element, which can stand alone or in an HTML page.

    It bears no date, and names inside it are derived from its content: they are the same whenever it is drawn, and no
    other figure of a page has the same.
    """
    return _settled(_render(axes_or_figure, "svg", {"Date": None, "Creator": None}).decode())


def _render(axes_or_figure: Axes | Figure, kind: str, metadata: dict[str, str | None]) -> bytes:
    figure = axes_or_figure if isinstance(axes_or_figure, Figure) else axes_or_figure.figure
    while isinstance(figure, SubFigure):
        figure = figure.figure
    # a figure that lays nothing out has no room for a legend beside its Axes
    room = "tight" if figure.get_layout_engine() is None else None
    buffer = BytesIO()
    _unlay(figure)
    with warnings.catch_warnings():
        # names are data: a character that the font lacks is drawn as a box
        warnings.filterwarnings("ignore", r"Glyph \d+ ", UserWarning)
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata, bbox_inches=room)
    return buffer.getvalue()


def _unlay(figure: Figure) -> None:
    """Put the Axes back to where the layout starts: it goes on from what it left, and a figure that has been drawn
    before would differ in the last digits."""
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        for axes in figure.axes:
            spec = axes.get_subplotspec()
            if spec is not None and axes.get_in_layout():
                axes.set_position(spec.get_position(axes.figure))  # type: ignore[arg-type]  # takes a SubFigure, too
                # setting a position takes an Axes out of the layout
                axes.set_in_layout(True)


def _settled(text: str) -> str:
    """An SVG file's element; matplotlib's names, random unless a global setting says otherwise, give way to numbers."""
    text = text[text.index("<svg") :].rstrip()
    numbers: dict[str, int] = {}
    for name in _ID.findall(text):
        numbers.setdefault(name, len(numbers))

    def numbered(prefix: str) -> str:
        there = _ID.sub(lambda found: f'id="{prefix}{numbers[found[1]]}"', text)
        return _USE.sub(
            lambda found: f"{found[1]}{prefix}{numbers[found[2]]}" if found[2] in numbers else found[0], there
        )

    digest = hashlib.sha256(numbered("n").encode()).hexdigest()[:8]
    return numbered(f"f{digest}-")
