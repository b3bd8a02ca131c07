"""The page of a run: its parts put together in one file.

The same result gives the same bytes: nothing in the page says when or where it was made.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

import sim
from sim.plot.style import STATES as LOOKS
from sim.report import tables
from sim.report.answers import answers
from sim.report.compare import compare
from sim.report.figures import figures, side_by_side
from sim.report.fleet import MOST_CELLS, fleet
from sim.report.hosts import COLUMNS, SHOWN, host_table
from sim.report.needs import check
from sim.report.packed import Names
from sim.report.template import rendered, visible
from sim.result.words import duration
from sim.scenario.write import plain, to_yaml

if TYPE_CHECKING:
    from sim.result import Result

SCRIPTS = ("words.js", "data.js", "fleet.js", "hosts.js", "start.js")
"""In the order in which they run."""


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
    summary = result.summary
    return rendered(
        "page.html",
        SCRIPTS,
        data=Markup(_json(visible(data))),
        scenario=result.scenario,
        summary=summary,
        about=_about(result, made_by),
        answers=answers(result, comparison),
        comparison=comparison,
        together=side_by_side(result, against, comparison) if against is not None and comparison is not None else None,
        figures=figures(result, comparison),
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
    ends["log"] = "the event log ends at"
    rows = [("Hosts", f"{summary['hosts']:,}"), ("Rollouts", f"{len(summary['rollouts']):,}")]
    if summary["fidelity"] == "log":
        rows.append(("From", "an event log: this happened, and was not simulated"))
    else:
        rows += [
            ("Seed", str(summary["seed"])),
            ("Replication", str(summary["replication"])),
            ("Fidelity", str(summary["fidelity"])),
        ]
    rows += [
        ("End", f"{ends.get(summary['end'], summary['end'] + ' at')} {duration(summary['ended_at_s'])}"),
        ("Run by", f"nixfleet-sim {made_by['nixfleet-sim'] if made_by else sim.__version__}"),
    ]
    if made_by and made_by["nixfleet-sim"] != sim.__version__:
        rows.append(("Report by", f"nixfleet-sim {sim.__version__}"))
    if made_by:
        libraries = [f"{name} {number}" for name, number in (made_by.get("libraries") or {}).items() if number]
        rows.append(("With", ", ".join([f"Python {made_by.get('python')}", *libraries])))
    return rows


def _json(data: Any) -> str:
    """JSON that holds nothing that HTML could take for markup."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
