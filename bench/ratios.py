"""The project's speed as ratios measured in one run, so that they mean the same on any machine: `make bench`.

The yardstick is SimPy itself: so many bare timeouts (`sim.experiment.speed`). A ratio is the best of several
measurements over the best of several, taken in turn on one core. Every row says what it should reach; nothing here
fails a build.
"""

from __future__ import annotations

import argparse
import os
import resource
import shlex
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

import sim
from sim.experiment.execute import Workers, carry_out, workers_of
from sim.experiment.metrics import defaults
from sim.experiment.points import Point
from sim.experiment.speed import bare_timeouts, best, seconds
from sim.experiment.store import Store
from sim.model.program import Program
from sim.model.remote import Remote
from sim.reducer.protocol import Steps
from sim.report import report
from sim.result import Result
from sim.scenario.schema import Scenario

CANARY = """
name: canary
until: 7d
fidelity: {fidelity}
fleet:
  generate:
    channels: {{stable: {{hosts: {hosts}, policy: staged}}}}
    policies:
      staged:
        waves:
          - {{percent: 1, soak: 30m}}
          - {{percent: 10, soak: 30m}}
          - {{percent: 100, soak: 10m}}
{fleet}
hosts:
  default: {{activation: {{dist: lognormal, median: 90s, p95: 300s}}{host}}}
probes:
  - {{name: http, interval: 15s{probe}}}
{rest}
"""
OUTAGE = "flake: 0.002, outage: {up: {dist: exponential, mean: 6h}, down: {dist: exponential, mean: 3m}}"


def canary(
    hosts: int, fidelity: str = "events", fleet: str = "", host: str = "", probe: str = "", rest: str = ""
) -> Scenario:
    """The canary of `scenarios/canary-10k.yaml` with another number of hosts, or with additions."""
    text = CANARY.format(hosts=hosts, fidelity=fidelity, fleet=fleet, host=host, probe=probe, rest=rest)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "canary.yaml"
        path.write_text(text)
        return sim.load(path)


def busy(hosts: int) -> Scenario:
    """The canary where skipping has real work: the soak from the activation on, two probes with flakes and outages.

    Failures hold hosts back without ending the rollout, so that all of it is simulated.
    """
    return canary(
        hosts,
        probe=", " + OUTAGE,
        rest=f"""  - {{name: disk, interval: 30s, {OUTAGE}}}
control_plane: {{sustained_failure: 1d}}
rules: {{soak_from: activation, compliance_wave: off}}""",
    )


def budget(hosts: int) -> Scenario:
    """The canary with one budget of 200 over the whole fleet."""
    return canary(hosts, fleet="    disruption_budgets: [{selector: {all: true}, max_in_flight: 200}]")


def deferral(hosts: int) -> Scenario:
    """The canary with 30 % of the hosts deferred, their reboots spread over a day."""
    reboot = ", defer: {probability: 0.3}, reboot: {dist: uniform, min: 0s, max: 24h}"
    return canary(hosts, host=reboot)


def finished(scenario: Scenario, reducer: Steps | None = None) -> Result:
    """The Result of a run, its frames and summary built."""
    result = sim.run(scenario, reducer=reducer)
    for frame in ("transitions", "hosts", "waves", "rollouts", "gates", "timeline", "load"):
        getattr(result, frame)
    assert result.summary["end"] == "quiescent"
    return result


def whole_run(scenario: Scenario) -> float:
    """Wall seconds from the loaded scenario to the finished Result."""
    return seconds(lambda: finished(scenario))


def log_of(scenario: Scenario, path: Path) -> int:
    """Write the event log of a run; how many rows it has."""
    from sim.data.export import logged

    return logged(scenario, path)[1]


def replayed(path: Path) -> float:
    """CPU seconds of a log's replay, its result rebuilt."""
    from sim.data.real import replay

    before = time.process_time()
    assert replay(path).replay.differ == 0
    return time.process_time() - before


def decoded(path: Path) -> float:
    """CPU seconds in which the rows of a log are fetched and their payloads decoded, and nothing else."""
    before = time.process_time()
    with sqlite3.connect(path) as database:
        for _, _, _, _, _, payload in database.execute("SELECT * FROM event_log ORDER BY seq"):
            msgspec.json.decode(payload)
    database.close()
    return time.process_time() - before


def memory_per_host(hosts: int) -> float:
    """KiB of peak memory per host above the interpreter with its libraries loaded, in a process of its own."""
    return float(_alone(f"b._peak({hosts})"))


def _alone(call: str) -> str:
    """What a call of this module (as `b`) gives in a process of its own."""
    code = f"import bench.ratios as b\nif __name__ == '__main__': print({call})"
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]),
    }
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env).stdout


def _peak(hosts: int) -> float:
    whole_run(canary(10))  # loads every library that a run loads
    before = _peak_kib()
    whole_run(canary(hosts))
    return (_peak_kib() - before) / hosts


def _peak_kib() -> float:
    """The most memory that this process has had. `getrusage` would count what it was started from, too."""
    status = Path("/proc/self/status")
    if status.exists():
        return float(status.read_text().split("VmHWM:")[1].split()[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform == "darwin" else peak


def replications(scenario: Scenario, count: int, workers: Workers) -> float:
    """Wall seconds of so many replications."""
    runs, metrics = Point(scenario).replications(count), defaults(scenario)
    return seconds(lambda: list(carry_out(runs, metrics, workers, Store())))


def handing_out(scenario: Scenario, count: int, workers: Workers) -> float:
    """CPU seconds of the process that hands out so many replications: what it adds to the runs themselves."""
    before = time.process_time()
    replications(scenario, count, workers)
    return time.process_time() - before


def growth_per_replication(count: int) -> float:
    """KiB by which the process that hands out grows per replication, in a process of its own."""
    return float(_alone(f"b._growth({count})"))


def _growth(count: int) -> float:
    scenario, store = canary(10), Store()
    metrics = defaults(scenario)
    with workers_of(2) as workers:
        run = Point(scenario).replications
        list(carry_out(run(count), metrics, workers, store))
        before = _now_kib()
        for _ in carry_out(run(count, first=count), metrics, workers, store):
            pass
        return (_now_kib() - before) / count


def _now_kib() -> float:
    """The memory that this process has now."""
    status = Path("/proc/self/status")
    return float(status.read_text().split("VmRSS:")[1].split()[0]) if status.exists() else _peak_kib()


def resumed(count: int) -> float:
    """Wall seconds of the command that finds all of its runs done."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "canary.yaml"
        path.write_text(CANARY.format(hosts=10, fidelity="events", fleet="", host="", probe="", rest=""))
        command = [str(Path(sys.executable).parent / "nixfleet-sim"), "replicate", str(path)]
        command += ["-n", str(count), "--out", str(Path(directory) / "out")]
        start(command)
        return min(start(command) for _ in range(3))


def start(command: list[str]) -> float:
    """Wall seconds of a command from start to end."""
    return seconds(lambda: subprocess.run(command, check=True, capture_output=True))


def program_overhead(scenario: Scenario) -> float:
    """Seconds that a step costs more if the project's own reducer makes it as a program, beside the program's own time.

    The wall time of a run by the program, less that of the run without one, less the CPU time that the program took
    from its start to its end; over the steps of the run. So what counts is JSON written and read, the checks of each
    answer, the pipes, and the waiting for the other process to be woken.
    """
    alone = whole_run(scenario)
    before = _children_s()
    with Program(f"{shlex.quote(sys.executable)} -m sim.reducer.serve", 60.0) as program:
        by_program = seconds(lambda: finished(scenario, Remote(program)))
    own = _children_s() - before
    return (by_program - alone - own) / program.cases


def _children_s() -> float:
    """CPU seconds of the processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(scale: float, times: int) -> list[tuple[str, float, str, str]]:
    """All rows: what, the ratio, its target, and the unit or the two times behind it."""
    hosts = max(200, int(10_000 * scale))
    few = max(50, int(1_000 * scale))
    many = max(500, int(100_000 * scale))
    rows: list[tuple[str, float, str, str]] = []

    def row(what: str, value: float, target: str, note: str) -> None:
        rows.append((what, value, target, note))

    plain, doubled, large = canary(hosts), canary(2 * hosts), canary(many)
    small_full, small_events = canary(few, fidelity="full"), canary(few)
    took = best(
        {
            "bare": lambda: bare_timeouts(hosts, 25),
            "plain": lambda: whole_run(plain),
            "busy": lambda: whole_run(busy(hosts)),
            "doubled": lambda: whole_run(doubled),
        },
        times,
    )
    note = "{:.2f} s / {:.2f} s".format
    row(
        f"canary of {hosts:,} hosts / 25 bare timeouts a host",
        took["plain"] / took["bare"],
        "<= 0.8",
        note(took["plain"], took["bare"]),
    )
    row(
        f"{2 * hosts:,} hosts / {hosts:,}",
        took["doubled"] / took["plain"],
        "<= 2.2",
        note(took["doubled"], took["plain"]),
    )
    row(
        "flakes, outages, two probes / plain canary",
        took["busy"] / took["plain"],
        "<= 2",
        note(took["busy"], took["plain"]),
    )

    once = best({"large": lambda: whole_run(large)}, max(1, times // 2))["large"]
    row(f"{many:,} hosts / {hosts:,}", once / took["plain"], "<= 12", note(once, took["plain"]))

    per = once / len(sim.run(large).transitions)
    for name, scenario in (("one budget of 200", budget(many)), ("30 % deferred over 24 h", deferral(many))):
        moves = len(sim.run(scenario).transitions)
        spent = whole_run(scenario) / moves
        row(
            f"{name}, {many:,} hosts, per transition / plain",
            spent / per,
            "<= 2",
            f"{spent * 1e6:.1f} µs / {per * 1e6:.1f} µs",
        )

    full = sim.run(small_full).summary["events"]["simulated"]
    took = best(
        {
            "full": lambda: whole_run(small_full),
            "events": lambda: whole_run(small_events),
            "bare": lambda: bare_timeouts(few, round(full / few)),
        },
        max(1, times // 2),
    )
    row(
        f"fidelity full / events, {few:,} hosts",
        took["full"] / took["events"],
        ">= 30",
        note(took["full"], took["events"]),
    )
    row(
        f"fidelity full / as many bare timeouts ({full:,})",
        took["full"] / took["bare"],
        "<= 3",
        note(took["full"], took["bare"]),
    )

    result, whole = finished(plain), finished(large)
    took = best({"report": lambda: seconds(lambda: report(result)), "bare": lambda: bare_timeouts(hosts, 25)}, times)
    row(
        f"report of {hosts:,} hosts / 25 bare timeouts a host",
        took["report"] / took["bare"],
        "<= 5",
        note(took["report"], took["bare"]),
    )
    row(f"report of {many:,} hosts, its size", len(report(whole).encode()) / 1e6, "<= 10", "MB")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "events.db"
        rows_in_log = log_of(busy(few), path)
        took = best({"replay": lambda: replayed(path), "decoded": lambda: decoded(path)}, times)
    row(
        f"replay of a log of {rows_in_log:,} rows / fetching and decoding them",
        took["replay"] / took["decoded"],
        "<= 8",
        note(took["replay"], took["decoded"]),
    )
    row("rows replayed per CPU second", rows_in_log / took["replay"] / 1000, ">= 100", "thousand")
    runs = max(10, int(100 * scale))
    one, two = workers_of(1), workers_of(2)
    with two:
        replications(small_events, 4, two)  # starts the processes
        took = best(
            {
                "one": lambda: replications(small_events, runs, one),
                "two": lambda: replications(small_events, runs, two),
                "handing out": lambda: handing_out(small_events, runs, two),
            },
            max(1, times // 2),
        )
    what = f"{runs} replications of the canary of {few:,} hosts"
    row(f"{what}, one process / two", took["one"] / took["two"], ">= 1.8", note(took["one"], took["two"]))
    row(
        f"{what}, handing out / the runs",
        took["handing out"] / took["one"],
        "<= 0.02",
        f"{1000 * took['handing out'] / runs:.2f} ms / {1000 * took['one'] / runs:.1f} ms",
    )
    row("memory of who hands out, per replication", growth_per_replication(10 * runs), "<= 1", "KiB")
    row(f"replicate that finds its {10 * runs:,} runs done", resumed(10 * runs), "<= 1", "s")

    overhead = min(program_overhead(plain) for _ in range(max(1, times // 2)))
    row(
        f"a reducer program, {hosts:,} hosts: what a step costs beside the program's own time",
        1e6 * overhead,
        "<= 60",
        "µs",
    )
    row(f"peak memory per host, {many:,} hosts", memory_per_host(many), "<= 8", "KiB")
    command = [str(Path(sys.executable).parent / "nixfleet-sim"), "--help"]
    took = best({"help": lambda: start(command), "bare": lambda: start([sys.executable, "-c", "pass"])}, max(5, times))
    row(
        "nixfleet-sim --help / a bare interpreter",
        took["help"] / took["bare"],
        "<= 12",
        note(took["help"], took["bare"]),
    )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the full sizes (default 1)")
    parser.add_argument("--times", type=int, default=5, help="measurements of each; the least counts (default 5)")
    options = parser.parse_args()
    table = Table("what", "ratio", "should be", "measured", title="nixfleet-sim, ratios within one run")
    for what, value, target, note in measure(options.scale, options.times):
        bound = float(target.split()[1])
        met = value >= bound if target.startswith(">=") else value <= bound
        table.add_row(what, f"{value:.2f}", target + ("" if met else "  MISSED"), note)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
