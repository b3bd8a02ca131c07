"""`run`, `conform` and `diff-reducer` with a reducer program."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SERVE = shlex.join([sys.executable, "-m", "sim.reducer.serve"])
ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "tests" / "programs"
VECTORS = sorted((ROOT / "tests" / "vectors").glob("*.gz"))


def misbehaving(how: str) -> str:
    return shlex.join([sys.executable, "-S", "-E", str(PROGRAMS / "misbehaves.py"), how])


def mistaken(how: str) -> str:
    return shlex.join([sys.executable, str(PROGRAMS / "wrong.py"), how])


def test_a_run_by_the_projects_own_is_the_same(cli, small: Path) -> None:
    code, out, err = cli("run", small, "--json", "--quiet", "--reducer-cmd", SERVE)
    assert (code, err) == (0, "")
    found, expected = json.loads(out), json.loads(cli("run", small, "--json").out)
    # of any other reducer than the project's own every report is an event of its own
    assert found["events"].pop("simulated") > expected["events"].pop("simulated")
    assert found | {"wall_s": 0} == expected | {"wall_s": 0}


def test_a_saved_run_of_another_reducer_is_not_repeated_by_ours(cli, small: Path, tmp_path: Path) -> None:
    command = mistaken("soak one second later")
    without, with_events = tmp_path / "without", tmp_path / "with"
    assert cli("run", small, "--quiet", "--out", without, "--reducer-cmd", command).code == 0
    code, out, err = cli("run", small, "--out", with_events, "--events", "--reducer-cmd", command)
    assert code == 0
    assert err.startswith("Note: what the project's own reducer would not act on is left out; --fidelity full")
    assert cli("trace", with_events, "stable-3").code == 0
    code, out, err = cli("trace", without, "stable-3")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        (
            "Error: the events of this run were not recorded, and 'Mistaken', which made its steps, is not at hand to "
            "repeat it"
        ),
        "  run it again with the events recorded: --events",
    ]


def test_vectors_of_every_kind(cli) -> None:
    assert cli("conform", *VECTORS, "--reducer-cmd", SERVE) == (0, "2348 passed, 0 failed\n", "")


def test_vectors_that_a_program_fails(cli) -> None:
    code, out, err = cli("conform", *VECTORS, "--reducer-cmd", mistaken("deferred never leaves"), "--json")
    assert (code, err) == (1, "")
    found = json.loads(out)
    assert found["problems"] == [] and found["failed"] > 5 and found["passed"] + found["failed"] == 2348
    for failure in found["failures"]:
        assert failure["kind"] == "host_step" and failure["got"]["state"]["state"] == "Deferred"


def test_a_program_that_answers_something_odd(cli, tmp_path: Path) -> None:
    case = {"kind": "rollout_step", "expect": {"error": "Invariant"}}
    with subprocess.Popen(["zcat", str(VECTORS[-1])], stdout=subprocess.PIPE) as zcat:
        assert zcat.stdout is not None
        case = json.loads(zcat.stdout.readline()) | {"expect": {"error": "Invariant"}}
        zcat.kill()
    path = tmp_path / "v.jsonl"
    path.write_text(json.dumps(case) + "\n{\n")
    code, out, err = cli("conform", path, "--reducer-cmd", misbehaving("nothing"))
    assert code == 2
    assert '-  "error": "Invariant"' in out and '+  "error": "IllegalForState"' in out
    assert out.endswith("0 passed, 1 failed\n")
    assert err.startswith(f"Error: {path}:2: ")


@pytest.mark.parametrize("command", ["run", "diff-reducer", "conform"])
def test_a_program_that_does_not_answer(cli, small: Path, command: str) -> None:
    files = VECTORS if command == "conform" else [small]
    code, out, err = cli(command, *files, "--reducer-cmd", misbehaving("hangs"), "--reducer-timeout", "300ms", "--json")
    assert (code, out) == (2, "")
    if command != "conform":
        err = err.removeprefix(f"{small}: 1 warning\n")
    lines = err.splitlines()
    assert lines[-2].startswith("Error: the reducer '") and lines[-2].endswith("' did not answer within 0.3 s")
    assert lines[-1] == "  does it flush its output after every line?"


def test_last_words(cli, small: Path) -> None:
    code, out, err = cli("run", small, "--quiet", "--reducer-cmd", misbehaving("dies"))
    assert (code, out) == (2, "")
    assert "\x1b" not in err and "\x07" not in err
    assert err.splitlines()[-2:] == ["  its last words on standard error:", r"    \x1b]0;title\x07 out of ideas"]


def test_an_answer_of_the_wrong_form(cli, small: Path) -> None:
    code, out, err = cli("run", small, "--quiet", "--reducer-cmd", mistaken("another host"))
    assert (code, out) == (2, "")
    assert err.startswith("Error: the reducer's step of ") and err.endswith(
        "changed `hostname`, which no event changes\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--reducer-timeout", "1s"], "'--reducer-timeout': there is no --reducer-cmd to wait for"),
        (["--reducer-cmd", "x", "--reducer-timeout", "soon"], "'--reducer-timeout': expected a duration"),
        (["--reducer-cmd", "x", "--reducer-timeout", "0s"], "'--reducer-timeout': expected more than 0s"),
        (["--reducer-cmd", "no-such-program"], "'no-such-program' cannot be started: No such file or directory"),
        (["--reducer-cmd", "'"], "is no command: No closing quotation"),
    ],
)
def test_the_command_line_wrong(cli, small: Path, arguments: list[str], said: str) -> None:
    code, out, err = cli("run", small, "--quiet", *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_no_difference(cli, small: Path) -> None:
    code, out, err = cli("diff-reducer", small, "--quiet", "--reducer-cmd", SERVE)
    events = json.loads(cli("run", small, "--json").out)["events"]
    steps = events["host_steps"] + events["rollout_steps"]
    assert (code, err) == (0, "")
    assert out.startswith(f"{steps:,} steps, 0 of them made in another way by nixfleet-sim ")
    found = json.loads(cli("diff-reducer", small, "--quiet", "--json", "--reducer-cmd", SERVE).out)
    assert (found["steps"], found["differences"], found["first"]) == (steps, 0, None)
    assert sum(one["steps"] for one in found["by_event"].values()) == steps


def test_the_first_difference(cli, small: Path) -> None:
    command = mistaken("soak one second later")
    code, out, err = cli("diff-reducer", small, "--quiet", "--json", "--reducer-cmd", command)
    assert (code, err) == (1, "")
    found = json.loads(out)
    first = found["first"]
    request, ours, theirs = first["request"], first["ours"], first["theirs"]
    assert (request["kind"], request["event"]["type"]) == ("host_step", "LocalActivate")
    due = ours["state"]["soak_due_at"]
    assert theirs == {**ours, "state": {**ours["state"], "soak_due_at": due + 1}}
    # each of the 20 hosts is activated once, and acknowledges it once
    differing = {event: one["differences"] for event, one in found["by_event"].items() if one["differences"]}
    assert differing == {"LocalActivate": 20, "RemoteDispatchAck": 20}
    assert found["differences"] == 40

    code, out, err = cli("diff-reducer", small, "--quiet", "--reducer-cmd", command)
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"{found['steps']:,} steps, 40 of them made in another way by ")
    assert ["LocalActivate", "20", "20"] in [line.split() for line in lines]
    name = request["state"]["hostname"]
    assert f"The first: host_step of {name} in state Pending, on" in lines
    assert f'  +  "soak_due_at": {due + 1:g},' in lines


def test_theirs_may_be_anything(cli, small: Path) -> None:
    code, out, err = cli("diff-reducer", small, "--quiet", "--reducer-cmd", misbehaving("nothing"))
    assert (code, err) == (1, "")
    assert "theirs gives no record, but\n  {'error': 'IllegalForState'}\n" in out


@pytest.mark.parametrize("when", ["hangs at once", "hangs", "hangs later"])
def test_ctrl_c_while_a_program_hangs(command: list[str], small: Path, tmp_path: Path, when: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    hanging = shlex.join([sys.executable, "-S", "-E", str(PROGRAMS / "misbehaves.py"), when, str(fifo)])
    arguments = ["run", str(small), "--quiet", "--reducer-cmd", hanging, "--reducer-timeout", "1h"]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        program = int(fifo.read_text())  # once it hangs
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"")
    with pytest.raises(ProcessLookupError):
        os.kill(program, 0)
