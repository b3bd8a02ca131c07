"""The page: its parts put together in one file, with a content security policy that lets nothing in from outside.

The same result gives the same bytes: nothing in the page says when or where it was made.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

import sim
from sim.plot.style import STATES as LOOKS
from sim.report import tables
from sim.report.answers import answers
from sim.report.compare import compare
from sim.report.figures import Shown, figures, side_by_side
from sim.report.fleet import MOST_CELLS, fleet
from sim.report.hosts import COLUMNS, SHOWN, host_table
from sim.report.needs import check
from sim.report.packed import Names
from sim.result.words import counted, duration
from sim.scenario.write import plain, to_yaml

if TYPE_CHECKING:
    from sim.result import Result

SCRIPTS = ("words.js", "data.js", "fleet.js", "hosts.js", "start.js")
"""In the order in which they run."""
_SVG = re.compile(r"^<svg ")
_METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)


def report(
    result: Result,
    against: Result | None = None,
    made_by: dict[str, Any] | None = None,
) -> str:
    """A result as one HTML page.

    Args:
        result: the run.
        against: another run to hold it against, as of the same scenario under another rule.
        made_by: the versions that made the run, as `sim.result.versions` gives them; this one's if None.

    Raises:
        ResultError: a result lacks what the page needs, as one of an earlier version may.
    """
    for run in (result, against):
        if run is not None:
            check(run)
    comparison = compare(result, against) if against is not None else None
    names = Names()
    grid = fleet(result, names)
    table, first_rows = host_table(result, names)
    data = {"names": names.all(), "fleet": grid, "table": table}
    scripts = [Markup(_read(name)) for name in SCRIPTS]
    summary = result.summary
    return _template().render(
        policy=_policy(scripts),
        style=Markup(_read("page.css")),
        scripts=scripts,
        data=Markup(_json(data)),
        scenario=result.scenario,
        summary=summary,
        about=_about(result, made_by),
        answers=answers(result, comparison),
        comparison=comparison,
        together=side_by_side(result, against, comparison) if against is not None and comparison is not None else None,
        figures=figures(result, comparison),
        drawn=_drawn,
        looks={state: look.colour for state, look in LOOKS.items()},
        grid=grid,
        most_cells=MOST_CELLS,
        end_states=tables.at_the_end(result),
        rollouts=tables.rollouts(result),
        waves=tables.waves(result),
        time_spent=tables.time_spent(result),
        gates=tables.gates(result),
        load=tables.load(result),
        host_columns=COLUMNS,
        host_rows=first_rows,
        host_table=table,
        shown=SHOWN,
        yaml=to_yaml(plain(result.scenario)),
    )


def _about(result: Result, made_by: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What was run, as terms and what they are."""
    summary = result.summary
    ends = {"quiescent": "nothing was left to happen after", "horizon": "cut off by the horizon at"}
    rows = [
        ("Hosts", f"{summary['hosts']:,}"),
        ("Rollouts", f"{len(summary['rollouts']):,}"),
        ("Seed", str(summary["seed"])),
        ("Replication", str(summary["replication"])),
        ("Fidelity", str(summary["fidelity"])),
        ("End", f"{ends.get(summary['end'], summary['end'] + ' at')} {duration(summary['ended_at_s'])}"),
        ("Run by", f"nixfleet-sim {made_by['nixfleet-sim'] if made_by else sim.__version__}"),
    ]
    if made_by and made_by["nixfleet-sim"] != sim.__version__:
        rows.append(("Report by", f"nixfleet-sim {sim.__version__}"))
    if made_by:
        libraries = [f"{name} {number}" for name, number in (made_by.get("libraries") or {}).items() if number]
        rows.append(("With", ", ".join([f"Python {made_by.get('python')}", *libraries])))
    return rows


def _drawn(shown: Shown, number: str) -> Markup:
    """A figure's SVG element, told to a screen reader as one picture with the text that describes it."""
    picture = _METADATA.sub("", shown.svg)
    return Markup(
        _SVG.sub(f'<svg role="img" aria-describedby="{number}-text" aria-labelledby="{number}-caption" ', picture)
    )


def _policy(scripts: list[Markup]) -> str:
    """Nothing from outside; scripts by what they are. Styles are inline in the figures, too."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(data: Any) -> str:
    """JSON that holds nothing that HTML could take for markup."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def _read(name: str) -> str:
    return (files("sim.report") / name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["counted"] = counted
    environment.filters["duration"] = duration
    return environment.from_string(_read("page.html"))
