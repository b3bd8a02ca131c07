"""What `run` says at the end: did every rollout finish, when, how fast was each wave, what is stalled and on what."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rich.text import Text

from sim.cli.console import printable
from sim.result.result import outcome
from sim.result.words import counted, duration, number, some

if TYPE_CHECKING:
    from sim.result import Result
    from sim.scenario.schema import Scenario

MOST_ROLLOUTS = 8
"""With more, waves are shown for the last rollout of each channel alone."""
MOST_LINES = 30
"""Rollouts told at all."""
WIDTH = 100
"""Columns where there is no terminal to ask."""

StateOf = Callable[[str, str], str | None]
"""(rollout id, host name) -> the state at the end, None where the rollout does not have the host."""

GOOD, BAD, HEAD, FAINT = "green", "bold red", "bold", "dim"


def closing(result: Result) -> list[Text]:
    """The lines under a run."""
    summary = result.summary
    rollouts = summary["rollouts"]
    lines = [*_heading(summary), Text()]
    last = {rollout["channel"]: rollout for rollout in rollouts}
    told = (rollouts if len(rollouts) <= MOST_LINES else list(last.values()))[:MOST_LINES]
    for rollout in told:
        with_waves = len(rollouts) <= MOST_ROLLOUTS or last[rollout["channel"]] is rollout
        lines += _rollout(rollout, _states(result), with_waves=with_waves)
    if len(told) < len(rollouts):
        lines += [Text(f"... and {counted(len(rollouts) - len(told), 'rollout')} more, see --json"), Text()]
    for sentence in _advice(summary, result.scenario):
        lines += _wrapped(sentence)
    while not lines[-1]:
        lines.pop()
    return lines


def _states(result: Result) -> StateOf:
    found: dict[tuple[str, str], str] = {}

    def state_of(rollout_id: str, host: str) -> str | None:
        if not found:
            frame = result.hosts[["rollout_id", "host", "state"]].astype("str")
            for rollout, name, state in frame.itertuples(index=False):
                found[rollout, name] = state
        return found.get((rollout_id, host))

    return state_of


def _heading(summary: dict[str, Any]) -> Iterator[Text]:
    rollouts = summary["rollouts"]
    finished = [rollout for rollout in rollouts if rollout["terminal_at_s"] is not None]
    stalled = [rollout for rollout in rollouts if rollout["stalled"] is not None]
    superseded = [
        rollout for rollout in rollouts if rollout["terminal_at_s"] is None and rollout["state"] == "Superseded"
    ]
    running = len(rollouts) - len(finished) - len(stalled) - len(superseded)
    if not rollouts:
        said, style = "no rollout opened", BAD
    elif len(finished) == len(rollouts):
        many = "the rollout" if len(rollouts) == 1 else f"all {len(rollouts):,} rollouts"
        last = max(rollout["terminal_at_s"] for rollout in rollouts)
        said, style = f"{many} finished{', the last' if len(rollouts) > 1 else ''} at {duration(last)}", GOOD
    else:
        parts = [f"{len(finished):,} of {counted(len(rollouts), 'rollout')} finished"]
        parts += [f"{len(part):,} {what}" for what, part in (("stalled", stalled), ("superseded", superseded)) if part]
        if running:
            parts.append(f"{running:,} still going on")
        said, style = ", ".join(parts), BAD if stalled or running else GOOD
    yield Text.assemble((f"{printable(summary['scenario'])}: ", HEAD), (said, style))
    events, wall = summary["events"]["simulated"], summary["wall_s"]
    facts = [counted(summary["hosts"], "host"), f"seed {summary['seed']}"]
    if summary["replication"]:
        facts.append(f"replication {summary['replication']}")
    ends = {"quiescent": "nothing left to happen after", "horizon": "cut off by the horizon at"}
    facts.append(f"{ends.get(summary['end'], summary['end'] + ' at')} {duration(summary['ended_at_s'])}")
    speed = f" ({number(round(events / wall))}/s)" if wall > 0 else ""
    facts.append(f"{counted(events, 'event')} in {duration(wall)}{speed}")
    yield Text(", ".join(facts), FAINT)


def _rollout(rollout: dict[str, Any], state_of: StateOf, *, with_waves: bool) -> Iterator[Text]:
    states = ", ".join(f"{count:,} {state}" for state, count in rollout["states"].items() if count)
    done = rollout["terminal_at_s"] is not None
    style = GOOD if done else BAD if rollout["state"] != "Superseded" else FAINT
    yield Text.assemble(
        (printable(rollout["rollout_id"]), HEAD),
        ": ",
        (outcome(rollout), style),
        f" at {duration(rollout['terminal_at_s'])}" if done and rollout["opened_at_s"] else "",
        f" ({states})" if states else "",
    )
    if with_waves:
        for line in _waves(rollout):
            yield Text(line)
    if rollout["stalled"] is not None:
        for sentence in stall_sentences(rollout, state_of):
            yield from _wrapped(sentence, "  ")
    if with_waves or rollout["stalled"] is not None:
        yield Text()


def _waves(rollout: dict[str, Any]) -> list[str]:
    rows = [("wave", "hosts", "opened", "eligible at", "hosts/h", "converged at", "hosts/h")]
    for wave in rollout["waves"]:
        rows.append(
            (
                str(wave["index"]),
                f"{wave['hosts']:,}",
                duration(wave["opened_at_s"]),
                duration(wave["eligible_at_s"]),
                number(wave["eligible_per_h"]),
                duration(wave["converged_at_s"]),
                number(wave["converged_per_h"]),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def stall_sentences(rollout: dict[str, Any], state_of: StateOf) -> Iterator[str]:
    """What a stalled rollout of a summary waits for, and what one can do about it."""
    stalled = rollout["stalled"]
    waits = [_waiting(one, rollout["rollout_id"], state_of) for one in stalled["waiting_for"]]
    said = "; ".join(waits) or "nothing is due any more"
    since = duration(stalled["since_s"])
    yield f"{printable(rollout['channel'])} waits in wave {stalled['wave']} since {since}: {said}"
    for kind in dict.fromkeys(one["gate"] for one in stalled["waiting_for"]):
        if kind in _WHAT_TO_DO:
            yield f"-> {_WHAT_TO_DO[kind]}"


def _waiting(waiting: dict[str, Any], rollout_id: str, state_of: StateOf) -> str:
    gate, hosts = waiting["gate"], counted(waiting["hosts"], "host")
    names = waiting["culprits"]
    shown = some([printable(name) for name in names])
    match gate:
        case "wave-promotion":
            awaited = _with_states(names, rollout_id, state_of) or "a wave that lists no host"
            return f"{gate} holds {hosts}, waiting for {awaited}"
        case "host-edge":
            return f"{gate} holds {hosts}, waiting for {_with_states(names, rollout_id, state_of)}"
        case "channel-edges":
            return f"{gate} holds {hosts}, waiting for the rollout of {shown}"
        case "quarantine":
            return f"{gate} holds {hosts}, whose closure a host has reverted ({shown})"
        case "wave-promotion-host-unstaged":
            return f"{gate} holds {hosts} that no wave lists ({shown})"
        case "disruption-budget":
            return f"{gate} holds {hosts}, waiting for room in the budget of {shown}"
        case "compliance-wave":
            return f"{gate} holds {hosts}, because of failed enforce probes on {shown}"
        case "manifest-signing-age":
            return f"{hosts} refuse the dispatch because the manifest was signed too long ago ({shown})"
        case "unreachable":
            return f"{hosts} may go but will never take the dispatch ({shown})"
        case _:
            return f"{hosts} will stay {gate} ({shown})"


def _with_states(names: list[str], rollout_id: str, state_of: StateOf) -> str:
    """`host-17 (Failed) and 3 more`."""
    shown = names[:3]
    known = [f"{printable(name)} ({state_of(rollout_id, name) or 'not in this rollout'})" for name in shown]
    return some(known + names[len(shown) :], len(shown))


_WHAT_TO_DO = {
    "wave-promotion": "the wave is left when every host it lists is Converged or Deferred: see why those are not",
    "host-edge": "see why the host that goes first is not done, or drop the edge",
    "channel-edges": "the channel that goes first has to finish, or drop the edge",
    "quarantine": "release another closure; rules.quarantine=recorded does as the system as built",
    "wave-promotion-host-unstaged": "let a wave of the policy list them",
    "disruption-budget": "see why the hosts in flight stay there, or raise max_in_flight",
    "compliance-wave": "rules.compliance_wave=latest lets a probe that passes again count as passed",
    "manifest-signing-age": "sign more often (control_plane.resign) or allow more (control_plane.manifest_max_age)",
    "unreachable": "see hosts.default.online and the overrides: do they ever come online again?",
    "Activating": "hosts.default.activation_timeout ends an activation that takes too long",
    "Deferred": "they wait for a reboot (hosts.default.reboot, boot_failure)",
    "Soaking": "an enforce probe that fails, or a closure that is not the target, keeps them from converging",
    "Failed": "a failed host stays so until a later release reaches it",
    "Reverted": "a reverted host stays so until a later release reaches it",
}


def _advice(summary: dict[str, Any], scenario: Scenario) -> Iterator[str]:
    """Where the run did not see the end of it: why, and what to do."""
    if summary["end"] == "interrupted":
        yield f"Interrupted at {duration(summary['ended_at_s'])}: this is what was known by then."
        return
    missed = []
    if summary["end"] == "horizon":
        going_on = [
            printable(rollout["rollout_id"])
            for rollout in summary["rollouts"]
            if rollout["terminal_at_s"] is None and rollout["state"] != "Superseded"
        ]
        if going_on:
            missed.append(f"{some(going_on)} {'was' if len(going_on) == 1 else 'were'} not finished")
    late = [release for release in scenario.releases if release.at > scenario.until]
    if late:
        shown = some([f"{printable(release.ref)} (at {duration(release.at)})" for release in late])
        missed.append(f"not released yet: {shown}")
    if missed:
        longer = duration(2 * max([scenario.until, *(release.at for release in late)]))
        yield (
            f"The horizon ({duration(scenario.until)}) cut the run off; {'; '.join(missed)}. "
            f"To see the end, raise it: --until {longer}, or `until` in the scenario."
        )
    elif not summary["rollouts"]:
        yield "No release has a host to go to; nixfleet-sim check says more about the fleet."


def _wrapped(sentence: str, indent: str = "") -> list[Text]:
    width = max(shutil.get_terminal_size((WIDTH, 24)).columns - 1, 40)
    # a host name is one word, however long and with however many hyphens
    return [
        Text(line)
        for line in textwrap.wrap(
            sentence,
            width,
            initial_indent=indent,
            subsequent_indent=indent + "  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]
