"""`replay`: an event log through the reducers, and as a result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.console import put, put_json, put_styled, say
from sim.cli.options import Json, Quiet

if TYPE_CHECKING:
    from sim.data.real import Replayed
    from sim.data.reducers import Difference
    from sim.data.rows import Row

HELP = """Play the event log of a control plane through the reducers: is every recorded transition the one they make?

DB is the SQLite file of a real control plane, or what `export` wrote; it is only read. Rows that cannot be used are
counted by kind, and the rest is used. The last line is `N transitions agree, M differ`; exit code 1 if any differ, 2 if
no row can be used. --out saves the rollout that happened like a run, for `report` and, with --events, `trace`. Which
hosts each wave lists is not in a log: --scenario names a scenario with the fleet, else a host's wave is that of its
HostJoined row. What `export` wrote holds its scenario.

\b
Examples:
  nixfleet-sim replay events.db
  nixfleet-sim replay events.db --scenario scenario.yaml --out results/real
  nixfleet-sim report results/real -o real.html
  nixfleet-sim replay events.db --json | jq .first_difference
"""
LONGEST = 100
"""Characters of a row's payload shown."""


def replay(
    database: Annotated[Path, typer.Argument(metavar="DB", help="An event log (SQLite).")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", show_default=False, help="Save what happened there, as a run is saved."),
    ] = None,
    scenario: Annotated[
        Path | None,
        typer.Option("--scenario", metavar="FILE", show_default=False, help="A scenario with the fleet of the log."),
    ] = None,
    events: Annotated[bool, typer.Option("--events", help="Save every row as an event, too, for --out.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Replay a log and print how it compares."""
    from sim.scenario.loader import load

    given = None if scenario is None else load(scenario)
    from sim.data.real import replay as replay_log
    from sim.result import check_target, save

    if out is not None:
        check_target(out)
    found = replay_log(database, given, rebuild=out is not None, events=events and out is not None)
    if not quiet:
        for line in _notes(found):
            say(line)
    if out is not None and found.result is not None:
        save(found.result, out)
        if not as_json:
            from sim.cli.closing import closing

            put_styled(closing(found.result))
        if not quiet:
            say(f"saved to {out}")
    compared = found.replay
    if as_json:
        first = compared.differences[0] if compared.differences else None
        put_json(
            {
                "rows": found.rows,
                "transitions": {"agree": compared.agree, "differ": compared.differ},
                "skipped": dict(compared.skipped),
                "first_difference": None if first is None else _difference(first),
            }
        )
    else:
        for difference in compared.differences:
            for line in _told(difference):
                put(line)
        put(f"{found.rows:,} rows: {compared.agree:,} transitions agree, {compared.differ:,} differ")
    if compared.differ:
        raise typer.Exit(1)


def _notes(found: Replayed) -> Iterator[str]:
    if found.problems:
        yield "What is wrong with the log, by kind:"
        for line in found.problems:
            yield f"  {line}"
    own = {
        kind: found.replay.skipped[kind] for kind in ("no record", "doubled", "cut off") if kind in found.replay.skipped
    }
    for kind, count in own.items():
        yield f"Not compared, {kind}: {count:,}"
    for sentence in found.assumed:
        yield f"Assumed: {sentence}"


def _told(difference: Difference) -> Iterator[str]:
    whose = " in ".join(name for name in (difference.host, difference.rollout) if name is not None)
    yield f"row {difference.row:,}{f' ({whose})' if whose else ''}: {difference.what}"
    for row in difference.rows:
        plain = _plain(row)
        payload = ", ".join(f"{key}={value}" for key, value in plain["payload"].items() if key != "type")
        if len(payload) > LONGEST:
            payload = f"{payload[:LONGEST]}..."
        mark = ">" if row.seq == difference.row else " "
        yield f"  {mark} {row.seq:>8} {row.at:>14.6f} s  {row.kind}  {payload}"


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "row": difference.row,
        "rollout": difference.rollout,
        "host": difference.host,
        "what": difference.what,
        "rows": [_plain(row) for row in difference.rows],
    }


def _plain(row: Row) -> dict[str, Any]:
    import msgspec

    payload = {"type": type(row.payload).__name__, **msgspec.to_builtins(row.payload)}
    cells = {"seq": row.seq, "at": row.at, "kind": row.kind, "host": row.host, "rollout": row.rollout}
    return {**cells, "payload": payload}
