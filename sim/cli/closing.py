"""What `run` says at the end: did every rollout finish, when, how fast was each wave, what is stalled and on what."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.text import Text

from sim.cli.console import printable
from sim.result.fates import FateOf, fates_of
from sim.result.result import outcome
from sim.result.stalled import stall_sentences
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

GOOD, BAD, HEAD, FAINT = "green", "bold red", "bold", "dim"


def closing(result: Result) -> list[Text]:
    """The lines under a run."""
    summary = result.summary
    rollouts = summary["rollouts"]
    lines = [*_heading(summary), Text()]
    last = {rollout["channel"]: rollout for rollout in rollouts}
    fates = fates_of(result)
    told = (rollouts if len(rollouts) <= MOST_LINES else list(last.values()))[:MOST_LINES]
    for rollout in told:
        with_waves = len(rollouts) <= MOST_ROLLOUTS or last[rollout["channel"]] is rollout
        lines += _rollout(rollout, fates, with_waves=with_waves)
    if len(told) < len(rollouts):
        lines += [Text(f"... and {counted(len(rollouts) - len(told), 'rollout')} more, see --json"), Text()]
    for sentence in _advice(summary, result.scenario):
        lines += _wrapped(sentence)
    while not lines[-1]:
        lines.pop()
    return lines


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
    if summary["fidelity"] == "log":
        told = f"as its event log tells it, which ends at {duration(summary['ended_at_s'])}"
        yield Text(f"{counted(summary['hosts'], 'host')}, {told}", FAINT)
        return
    facts = [counted(summary["hosts"], "host"), f"seed {summary['seed']}"]
    if summary["replication"]:
        facts.append(f"replication {summary['replication']}")
    ends = {"quiescent": "nothing left to happen after", "horizon": "cut off by the horizon at"}
    facts.append(f"{ends.get(summary['end'], summary['end'] + ' at')} {duration(summary['ended_at_s'])}")
    speed = f" ({number(round(events / wall))}/s)" if wall > 0 else ""
    facts.append(f"{counted(events, 'event')} in {duration(wall)}{speed}")
    yield Text(", ".join(facts), FAINT)


def _rollout(rollout: dict[str, Any], fate_of: FateOf, *, with_waves: bool) -> Iterator[Text]:
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
        for sentence in stall_sentences(rollout, fate_of):
            yield from _wrapped(printable(sentence), "  ")
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


def _advice(summary: dict[str, Any], scenario: Scenario) -> Iterator[str]:
    """Where the run did not see the end of it: why, and what to do."""
    if summary["end"] == "interrupted":
        yield f"Interrupted at {duration(summary['ended_at_s'])}: this is what was known by then."
        return
    if summary["fidelity"] == "log":
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
