"""A rollout as a log tells it, while the rows go by."""

from __future__ import annotations

from collections.abc import Collection

from sim.data.holds import Holds
from sim.data.passes import Pass, Passes
from sim.reducer.records import HealthPolicy, HostState


class Followed:
    """One rollout. `number` is its place in the order of opening, hosts go by number, times are seconds.

    Waves open when the log shows it: by the first dispatch to a host of the wave, or by a gate that is asked after
    `wave-promotion`. Where the passes are known, and the waves in full, they open by the planner's rule (spec page 3).
    """

    def __init__(
        self,
        number: int,
        rollout_id: str,
        channel: str,
        ref: str,
        opened_at: float,
        waves: list[list[int]] | None,
        passes: Passes | None,
        eligible: Collection[HostState],
    ):
        """`waves`: the hosts that the artifact lists per wave of the channel, None where it is not known. `eligible`:
        the states in which a host lets the next wave go."""
        self.number = number
        self.rollout_id = rollout_id
        self.channel = channel
        self.ref = ref
        self.state = "Opening"
        self.opened_at = opened_at
        self.terminal_at: float | None = None
        self.superseded_at: float | None = None
        self.asked_at: float | None = None
        self.known = waves is not None
        self.waves: list[list[int]] = waves or []
        self.wave_of: dict[int, int] = {}
        self.current_wave = 0
        self.wave_opened_at = {0: opened_at}
        self.first_dispatch_at: dict[int, float] = {}
        self.deferred_at_promotion: dict[int, int] = {}
        self.state_of: dict[int, HostState] = {}
        self.queued_at: dict[int, float] = {}
        self.soak_minutes: dict[int, float] = {}
        """Wave -> its soak, by the first dispatch to it; 0 where its end is not said."""
        self.on_health_failure: HealthPolicy = "halt"
        """The policy that was last applied."""
        self.targets: dict[int, str] = {}
        self.unchanged: set[int] = set()
        self.probe_runs: dict[int, int] = {}
        self.probe_fails: dict[int, int] = {}
        self.failing: dict[int, set[str]] = {}
        """Host -> its enforce probes whose latest result is fail."""
        self.holds = Holds(passes)
        self.due: Pass | None = None
        """The pass by which the next wave opens, as things stand."""
        self._passes = passes if self.known else None
        self._eligible = eligible
        self._listed_in: dict[int, list[int]] = {}
        for wave, hosts in enumerate(self.waves):
            for host in hosts:
                self._listed_in.setdefault(host, []).append(wave)
        self._open = [0] * len(self.waves)
        """Per wave how many of the hosts it lists are eligible."""

    def join(self, host: int, wave: int) -> None:
        """A host has a record; `wave` as the log says it."""
        if host in self.state_of:
            return
        self.state_of[host] = "Pending"
        if not self.known:
            while len(self.waves) <= wave:
                self.waves.append([])
            self.waves[wave].append(host)
            self.wave_of[host] = wave
        else:
            self.wave_of[host] = self._listed_in.get(host, [-1 if self.waves else 0])[0]

    def moved(self, host: int, to: HostState, at: float) -> None:
        """A host's record has changed state."""
        before = self.state_of.get(host, "Pending")
        self.state_of[host] = to
        change = (to in self._eligible) - (before in self._eligible)
        if self._passes is not None and change:
            for wave in self._listed_in.get(host, ()):
                self._open[wave] += change
            self.due = self._passes.at_or_after(at) if self._over() else None

    def _over(self) -> bool:
        """Whether the current wave can be left."""
        wave = self.current_wave
        return wave + 1 < len(self.waves) and 0 < len(self.waves[wave]) == self._open[wave]

    def advance(self, upto: float, *, including: bool) -> None:
        """Open the waves that the passes before `upto` (s) have opened, or the one at that time too."""
        while self.due is not None and (self.due[0] < upto or (including and self.due[0] == upto)):
            at = self.due[0]
            if self.terminal_at is not None or self.superseded_at is not None:
                self.due = None
                break
            self._promote(at)
            assert self._passes is not None
            self.due = self._passes.after(self.due) if self._over() else None

    def asked(self, host: int, at: float, *, past_waves: bool) -> None:
        """A pass at `at` (s) has a row about the host, one that says that its wave is open if `past_waves`."""
        if self.asked_at is None:
            self.asked_at = at
        while past_waves and self._passes is None and self.wave_of.get(host, 0) > self.current_wave:
            self._promote(at)

    def _promote(self, at: float) -> None:
        left = self.current_wave
        mine = self.waves[left] if not self.known else [h for h, wave in self.wave_of.items() if wave == left]
        self.deferred_at_promotion[left] = sum(self.state_of.get(host) == "Deferred" for host in mine)
        self.current_wave = left + 1
        self.wave_opened_at[left + 1] = at

    def queue(self, host: int, at: float, soak_due_at: float | None) -> bool:
        """A dispatch is queued; whether it is the first for this host."""
        if host in self.queued_at:
            return False
        self.queued_at[host] = at
        wave = self.wave_of.get(host, 0)
        self.first_dispatch_at.setdefault(wave, at)
        self.soak_minutes.setdefault(wave, 0.0 if soak_due_at is None else max(0.0, soak_due_at - self.opened_at) / 60)
        return True
