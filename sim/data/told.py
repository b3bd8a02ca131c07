"""A calibration as the terminal shows it: what was fitted, how sure it is, and what the log does not tell."""

from __future__ import annotations

from collections.abc import Sequence

from sim.data.calibration import Calibration
from sim.data.fitting import Fit
from sim.data.worded import goodness, parameters, probability
from sim.result.words import counted, duration


def described(found: Calibration) -> str:
    """Tables of the fits and the probabilities, the groups that differ, the defaults that are left, what is unknown."""
    lines = [f"{counted(found.rows, 'row')} over {duration(found.seconds)}, {counted(found.hosts, 'host')}"]
    if found.fits:
        lines += ["", *columns([FIT_HEADS, *(fit_row(name, fit) for name, fit in found.fits.items())])]
    if found.shares:
        heads = ("probability", "of", "happened", "95 % interval")
        rows = [
            (name, f"{one.runs:,}", f"{one.hits:,}", probability(one)) for name, one in sorted(found.shares.items())
        ]
        lines += ["", *columns([heads, *rows])]
    apart = [
        f"  {setting}: {one.group.name} differs from the rest (p = {one.p:.2g} after Holm's correction)"
        for setting, groups in found.apart.items()
        for one in groups
    ]
    for head, told in (
        ("Fitted apart", apart),
        ("Left at their defaults", [f"  {one}" for one in found.left]),
        ("Not to be told from this log", [f"  {one}" for one in found.unknown]),
    ):
        if told:
            lines += ["", f"{head}:", *told]
    return "\n".join(lines)


FIT_HEADS = ("fit", "law", "n", "censored", "p", "parameters (95 % interval)")


def fit_row(name: str, fit: Fit) -> tuple[str, ...]:
    """A fit as a row of that table."""
    count = fit.observed + fit.censored
    return (name, fit.dist, f"{count:,}", f"{fit.censored:,}", goodness(fit), parameters(fit))


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells, the first the heads, as aligned lines; numbers to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    right = [all(row[place].replace(",", "").isdigit() for row in rows[1:]) for place in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if numbers else cell.ljust(width)
            for cell, width, numbers in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    ]
