"""`diff-reducer`: a reducer program beside the project's own, through one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.console import put, put_json, say
from sim.cli.json_diff import deep, json_diff, same
from sim.cli.options import Json, Quiet, ReducerTimeout, ScenarioFile, Seed, Set, Until, reducer_of, settings

if TYPE_CHECKING:
    from sim.model.differing import Difference, Differing

HELP = """Simulate a scenario with two reducers side by side, and say where a program differs from the project's own.

Every step of the run is made by both; the project's own decides how the run goes on. The first step that they make in
different ways is shown: the record before it, the event, and what each makes of it as a diff (- ours, + theirs). Exit
code 1 if any differ.

\b
Examples:
  nixfleet-sim diff-reducer scenario.yaml --reducer-cmd ./my-reducer
  nixfleet-sim diff-reducer scenario.yaml --reducer-cmd ./my-reducer --set fidelity=full
  nixfleet-sim diff-reducer scenario.yaml --reducer-cmd ./my-reducer --json | jq .first.theirs
"""


def diff_reducer(
    scenario: ScenarioFile,
    reducer_cmd: Annotated[
        str, typer.Option("--reducer-cmd", metavar="CMD", help="The program, e.g. 'python -m sim.reducer.serve'.")
    ],
    reducer_timeout: ReducerTimeout = None,
    seed: Seed = None,
    change: Set = None,
    until: Until = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a scenario and compare every step."""
    changes = settings(change, seed=seed, until=until)
    from sim.scenario.loader import load

    loaded = load(scenario, changes)

    from sim.cli.run import show_lints, simulated
    from sim.model.differing import Differing

    if not quiet:
        show_lints(scenario, loaded)
    with reducer_of(reducer_cmd, reducer_timeout) as theirs:
        assert theirs is not None
        both = Differing(theirs, same)
        _, stopped = simulated(loaded, 0, both, record_events=False, quiet=quiet)
    if as_json:
        put_json(
            {
                "steps": both.steps,
                "differences": both.differences,
                "first": None if both.first is None else _written(both.first),
                "by_event": {
                    event: {"steps": one.steps, "differences": one.differences}
                    for event, one in sorted(both.by_event.items())
                },
            }
        )
    else:
        _tell(both, theirs.name)
    if stopped:
        if not quiet:
            say("stopped; these are the steps up to then")
        raise typer.Exit(130)
    raise typer.Exit(1 if both.differences else 0)


def _written(first: Difference) -> dict[str, Any]:
    theirs = "nested too deep" if deep(first.theirs) else first.theirs
    return {"request": first.request, "ours": first.ours, "theirs": theirs}


def _tell(both: Differing, name: str) -> None:
    put(f"{both.steps:,} steps, {both.differences:,} of them made in another way by {name}")
    if both.first is None:
        return
    put("")
    width = max(len(event) for event in both.by_event)
    put(f"{'on':{width}}  {'steps':>9}  {'differ':>9}")
    for event, one in sorted(both.by_event.items(), key=lambda item: -item[1].differences):
        put(f"{event:{width}}  {one.steps:>9,}  {one.differences:>9,}")
    first = _written(both.first)
    request, ours, theirs = first["request"], first["ours"], first["theirs"]
    key = "state" if request["kind"] == "host_step" else "record"
    before, event = request[key], request["event"]
    put("")
    put(
        f"The first: {request['kind']} of {before.get('hostname', before['rollout_id'])} in state {before['state']}, on"
    )
    put("  " + ", ".join(f"{field}: {value}" for field, value in event.items()))
    for who, result in (("ours", ours), ("theirs", theirs)):
        put("")
        if not isinstance(result, dict) or not isinstance(result.get(key), dict):
            put(f"{who} gives no record, but")
            put(f"  {result}")
            continue
        lines = json_diff(before, result[key], context=0)
        put(f"{who} changes the record (- before, + after)" if lines else f"{who} leaves the record as it is")
        for line in lines:
            put(f"  {line}")
    put("")
    put("between the two, effects included (- ours, + theirs)")
    for line in json_diff(ours, theirs):
        put(f"  {line}")
