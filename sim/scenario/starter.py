"""A commented scenario to start from (`nixfleet-sim init`), around an artifact if one is given."""

from __future__ import annotations

import os
from pathlib import Path

from sim.scenario.lints import lint_artifact
from sim.scenario.problems import Problem, ScenarioError
from sim.scenario.reading import read_artifact
from sim.scenario.write import comment, one_line


def starter(artifact: Path | None, target: Path) -> str:
    """The text of a scenario file for `target`.

    Args:
        artifact: a `fleet.resolved.json` to build it around, named relative to the target's folder, with its lints as
            comments; None for a generated fleet.

    Raises:
        ScenarioError: the artifact cannot be read, or not be named in a scenario.
    """
    fleet, releases = (_GENERATED, _RELEASE) if artifact is None else _resolved(artifact, target)
    # a file's name need not be text
    stem = target.name.split(".")[0].encode(errors="replace").decode().strip()
    name = one_line(stem or "rollout")
    return f"""\
# A nixfleet-sim scenario. Durations are 90s, 15m, 4h, 2d or plain seconds. Every key that is left out has a default:
# `nixfleet-sim run THIS --out DIR` writes them all to DIR/scenario.yaml.
name: {name}
description: what this scenario is to answer
seed: 1
until: 7d # a run ends sooner once nothing can change any more

{fleet}
{releases}
hosts:
  default:
    network_delay: 50ms
    # download and switch together: half of the hosts within 90 s, 95 % within 5 min
    activation: {{dist: lognormal, median: 90s, p95: 300s}}
    activation_failure: 0.0
    # a kernel update defers hosts until they reboot: try probability 0.3
    defer: {{probability: 0.0}}
    reboot: {{dist: uniform, min: 1h, max: 24h}} # or never, or {{window: "02:00-04:00"}}
    boot: 60s
    online: always # laptops: {{up: {{dist: exponential, mean: 8h}}, down: {{dist: exponential, mean: 14h}}}}
  overrides: [] # [{{match: {{tags: [laptop]}}, activation: 10m}}]: the first that matches a host counts

probes:
  - {{name: http, interval: 15s, flake: 0.0}}

rules:
  deferred: converged # or strict: a deferred host does not count as done until it has rebooted and soaked
"""


_GENERATED = """\
fleet:
  generate:
    channels:
      stable: {hosts: 200, policy: staged}
    policies:
      staged:
        on_health_failure: rollback-and-halt # or halt
        waves: # cumulative shares; the soaks of all waves count from the opening of the rollout
          - {percent: 1, soak: 10m}
          - {percent: 10, soak: 20m}
          - {percent: 100, soak: 30m}
    disruption_budgets: [] # [{selector: {all: true}, max_in_flight: 20}]
"""
_RELEASE = """\
releases:
  - ref: r1
    at: 0s
    # defect: {probability: 0.2, probe: http, onset: 5m} # to see a bad release caught
"""


def _resolved(artifact: Path, target: Path) -> tuple[str, str]:
    fleet, older = read_artifact(artifact)
    lints = [(lint.severity, f"{lint.place}: {lint.text}") for lint in lint_artifact(fleet)]
    notes = [("warning", warning) for warning in older] + lints
    path = os.path.relpath(artifact.resolve(), target.resolve().parent)
    try:
        path.encode()
    except UnicodeEncodeError:
        said = "expected a path of UTF-8 text, to be named in a scenario"
        raise ScenarioError([Problem(str(artifact), None, "", said)]) from None
    hosts: dict[str, int] = {}
    for host in fleet.hosts.values():
        hosts[host.channel] = hosts.get(host.channel, 0) + 1
    counted = ", ".join(f"{channel} ({hosts.get(channel, 0):,})" for channel in fleet.channels)
    comments = [comment(f"Its channels, with their hosts: {counted}.")]
    if notes:
        comments.append(comment("What `nixfleet-sim check` finds in it:"))
        comments += [comment(f"- {severity}: {text}") for severity, text in notes]
    built = any(host.closure_hash for host in fleet.hosts.values())
    closures = "declared # those of the artifact; or per-host, shared" if built else "per-host # or shared"
    ref = (fleet.meta.ci_commit or "").strip() or "r1"
    release = f"releases:\n  - ref: {one_line(ref)}\n    at: 0s\n    closures: {closures}\n"
    return f"{chr(10).join(comments)}\nfleet:\n  resolved: {one_line(path)}\n", release
