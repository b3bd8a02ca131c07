"""`trace`: one host's story, as a table, as JSON or as a figure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.console import Refused, printable, put_json, put_styled, say
from sim.cli.options import Json, Quiet
from sim.cli.writing import check_file, write_file

if TYPE_CHECKING:
    from rich.text import Text

HELP = """Tell what happened to one host of a saved run: what held it, its dispatches, reports, states, probes, reboots.

DIR is what `run --out DIR` wrote. Without --events there the run is repeated to see them, which takes as long as it
took. The first column is the agent's time, the second the control plane's: a report has both, when it was made and
when it arrived. What happened again and again in the same way is one line.

\b
Examples:
  nixfleet-sim run scenario.yaml --events --out results/mine
  nixfleet-sim trace results/mine stable-00017
  nixfleet-sim trace results/mine stable-00017 --rollout stable@r2 --svg story.svg
  nixfleet-sim trace results/mine stable-00017 --json | jq '.events[] | select(.what == "gate").detail'
"""
MOVING = frozenset(
    {
        "DispatchAck",
        "ActivationCompleted",
        "ActivationDeferred",
        "ActivationFailed",
        "Failed",
        "RollbackComplete",
        "Converged",
    }
)
"""Reports that tell of a state change; the table has them on its line."""

LONGEST_ID = 32
"""Letters of a rollout's id in the table; --json has all."""

Event = dict[str, Any]


def trace(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A saved result.")],
    host: Annotated[str, typer.Argument(metavar="HOST", help="The host's name.")],
    rollout: Annotated[
        str | None,
        typer.Option("--rollout", metavar="ID", show_default=False, help="That rollout alone, such as stable@r2."),
    ] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", show_default=False, help="Draw a timeline there, as SVG.")
    ] = None,
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", show_default=False, help="Draw a timeline there, as PNG.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Print the story of a host."""
    for option, path in (("svg", svg), ("png", png)):
        if path is not None and path.suffix.lower() != f".{option}":
            raise typer.BadParameter(
                f"{str(path)!r}: expected a name that ends in .{option}", param_hint=f"'--{option}'"
            )
        if path is not None:
            check_file(path)
    from sim.result import read
    from sim.result.sentences import sentences
    from sim.result.trace import UnknownName, rollouts_of
    from sim.result.trace import trace as events_of

    result = read(directory)
    try:
        rollouts_of(result, host, rollout)
    except UnknownName as error:
        raise Refused(f"{directory}: {error}") from error
    if result.summary["fidelity"] == "log" and not result.has_events:
        raise Refused(f"{directory}: holds no events", "replay the log with --events to see them")
    if not quiet and not result.has_events and result.reducer is None:
        say(f"{directory} holds no events: repeating the run (save it with --events to be spared this)")
    events = events_of(result, host, rollout)
    said = sentences(result, host, rollout)
    if as_json:
        rollouts = [{"rollout_id": name, "sentence": sentence} for name, sentence in said.items()]
        put_json({"host": host, "rollouts": rollouts, "events": events})
    else:
        put_styled(_table(host, said, events))
    for path in (svg, png):
        if path is not None:
            from sim.plot.files import content
            from sim.plot.timeline import timeline

            write_file(path, content(timeline(result, host, rollout_id=rollout), path))
            if not quiet:
                say(f"wrote {path}")


def _table(host: str, said: dict[str, str], events: list[Event]) -> Iterator[Text]:
    from rich.text import Text

    from sim.cli.closing import BAD, FAINT, GOOD, HEAD
    from sim.result.sentences import moment
    from sim.result.words import shortened

    for sentence in said.values():
        yield Text(printable(sentence), HEAD)
    if not said:
        yield Text(f"{printable(host)} is in no rollout", HEAD)
    if not events:
        return
    yield Text()
    of_rollout = len(said) > 1
    rows = [
        (
            moment(at) if at is not None else "",
            moment(cp_at) if cp_at is not None else "",
            shortened(rollout_id or "", LONGEST_ID),
            words,
            BAD if bad else GOOD if good else "",
        )
        for at, cp_at, rollout_id, words, bad, good in _lines(events)
    ]
    head = ("agent", "control plane", "rollout", "")
    widths = [max(len(printable(row[n])) for row in [head, *rows]) for n in range(3)]

    def line(cells: tuple[str, ...], style: str) -> Text:
        agent, plane, rollout, words = map(printable, cells[:4])
        columns = [agent.rjust(widths[0]), plane.rjust(widths[1])]
        if of_rollout:
            columns.append(rollout.ljust(widths[2]))
        return Text("  ".join([*columns, words]).rstrip(), style)

    yield line(head, FAINT)
    for row in rows:
        yield line(row, row[4])


Line = tuple[float | None, float | None, str | None, str, bool, bool]
"""Both times (s), rollout, words, whether something went wrong, whether all is well."""


def _lines(events: list[Event]) -> Iterator[Line]:
    """The table's lines: a report shares that of the state change it tells of, a dispatch taken as it is queued that of
    the queueing."""
    reports: dict[tuple[object, ...], Event] = {}
    for event in events:
        if event["what"] == "report" and event["detail"]["kind"] in MOVING:
            reports.setdefault(_when(event), event)
    # that a host which boots is offline goes without saying
    shared = {id(one) for one, other in pairwise(events) if _goes_without(one, other)}
    shared |= {id(other) for one, other in pairwise(events) if _goes_without(other, one)}
    for place, event in enumerate(events):
        if id(event) in shared:
            continue
        what, detail, at = event["what"], event["detail"], event["at"]
        words = describe(event)
        if what == "move" and (report := reports.get(_when(event))) is not None:
            shared.add(id(report))
            words += f": {describe(report)}"
        elif (
            what == "report"
            and detail["kind"] in MOVING
            and any(one["what"] == "move" and _when(one) == _when(event) for one in events[place + 1 : place + 3])
        ):
            continue
        elif what == "dispatch" and place + 1 < len(events):
            after = events[place + 1]
            if after["what"] == "taken" and after["cp_at"] == event["cp_at"] and _count(after) == _count(event):
                shared.add(id(after))
                at = after["at"]
                words = words.replace("queued", "queued and taken", 1)
        bad = what == "rejected" or detail.get("status") == "fail" or detail.get("to") in ("Failed", "Reverted")
        bad = bad or detail.get("outcome") in ("lost", "refused")
        yield at, event["cp_at"], event["rollout_id"], words, bad, detail.get("to") == "Converged"


def _goes_without(one: Event, other: Event) -> bool:
    pair = one["what"], other["what"]
    return one["at"] == other["at"] and pair in (("offline", "reboot"), ("online", "boot"))


def _when(event: Event) -> tuple[object, ...]:
    return event["rollout_id"], event["at"], event["cp_at"]


def _count(event: Event) -> object:
    return event["detail"].get("count")


def describe(event: Event) -> str:
    """An event of `sim.result.trace.trace` in words."""
    from sim.result.sentences import moment

    detail = event["detail"]
    words = _words(event["what"], detail)
    if event["what"] != "probe" and "count" in detail:
        words += f", {detail['count']:,} times up to {moment(detail['until'])}"
    return words


def _words(what: str, detail: dict[str, Any]) -> str:
    from sim.result.sentences import gate_words, moment
    from sim.result.words import counted, duration

    match what:
        case "opened":
            wave = "in no wave" if detail["wave"] is None else f"in wave {detail['wave']}"
            return f"the rollout opens to {counted(detail['hosts'], 'host')} of {detail['channel']}, this one {wave}"
        case "gate":
            took = f" for {duration(detail['wait_s'])}," if detail["wait_s"] else ""
            return _wait(detail, took, gate_words(detail["gate"], detail["reason"]))
        case "promotion":
            return f"the rollout reaches wave {detail['wave']}"
        case "dispatch":
            due = "" if detail["soak_due_at"] is None else f", soak due at {moment(detail['soak_due_at'])}"
            return f"dispatch of {detail['target_closure']} queued{due}"
        case "taken":
            return "dispatch taken"
        case "delivery":
            return _DELIVERED[detail["outcome"]]
        case "move":
            where = "" if detail["side"] == "both" else f" ({detail['side']} alone)"
            return f"{detail['from']} -> {detail['to']}{where}"
        case "adopted":
            return f"the agent takes over the control plane's record: {detail['to']}"
        case "report":
            return _report(detail)
        case "rejected":
            return f"report {detail['kind']} refused: {detail['error']}"
        case "probe":
            often = f", {detail['count']:,} times up to {moment(detail['until'])}" if detail["count"] > 1 else ""
            mode = "" if detail["mode"] == "enforce" else f" ({detail['mode']})"
            return f"probe {detail['probe']}{mode} {'passes' if detail['status'] == 'pass' else 'fails'}{often}"
        case "heartbeat":
            return _heartbeat(detail)
        case "quarantine":
            return f"{detail['closure']} is put in quarantine on {detail['channel']}"
        case "rollout_move":
            return f"the rollout is {detail['to']}, was {detail['from']}"
        case "reboot":
            return f"goes down to boot into {detail['closure']}"
        case "boot":
            return f"is up again, on {detail['closure']}"
        case _:
            return f"goes {what}"


_DELIVERED = {
    "accepted": "dispatch delivered",
    "ignored": "dispatch delivered once more, and ignored",
    "lost": "dispatch lost: the host is offline",
    "refused": "dispatch refused: the manifest was signed too long ago",
}


def _wait(detail: dict[str, Any], took: str, why: str) -> str:
    from sim.reducer.records import STATES
    from sim.result.sentences import moment

    until = "the end" if detail["until"] is None else moment(detail["until"])
    match detail["then"]:
        case None:
            then = ""
        case "dispatch":
            then = ", then it goes"
        case "superseded":
            then = ", then the rollout is superseded"
        case state if state in STATES:
            then = f", by then it is {state}"
        case gate:
            then = f", then comes {gate}"
    return f"gate {detail['gate']} holds it{took} to {until}: {why}{then}"


def _report(detail: dict[str, Any]) -> str:
    from sim.result.words import duration, some

    match detail["kind"]:
        case "DispatchAck":
            return f"takes the dispatch while on {detail['current_closure_at_dispatch'] or 'an unknown closure'}"
        case "ActivationStarted":
            return "the activation starts"
        case "ActivationCompleted":
            return f"runs {detail['observed_current_closure']}"
        case "ActivationDeferred":
            return f"the activation waits for a reboot ({detail['component']})"
        case "ActivationFailed":
            return f"the activation failed (exit code {detail['exit_code']})"
        case "ProbeTopologyDeclared":
            names = [f"{one['probe_name']} ({one['mode']})" for one in detail["probes"]]
            return f"probes start: {some(names) or 'there are none'}"
        case "Failed":
            failed, since = some(detail["failing_probes"]), duration(detail["sustained_duration_secs"])
            return f"{failed} failed, the first failure was {since} before ({detail['policy_applied']})"
        case "RollbackComplete":
            return f"is back on {detail['reverted_to_closure']}"
        case "Converged":
            return "soaked"
        case kind:
            return str(kind)


def _heartbeat(detail: dict[str, Any]) -> str:
    match detail["kind"]:
        case "DispatchAck":
            return "a heartbeat shows that it runs the target already"
        case "ActivationCompleted" if "observed_current_closure" in detail:
            return f"a heartbeat shows that it runs {detail['observed_current_closure']}"
        case kind:
            return f"a heartbeat counts as the report {kind}"
