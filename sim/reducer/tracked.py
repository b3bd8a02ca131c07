"""What the indexed planner (spec page 3) keeps of one rollout: its hosts by number, and its pending hosts in groups
alike.

Hosts of a rollout are numbered in order of name, so that an order by number is the planner's order. A group
holds the pending hosts between which no gate can tell: same wave, same budgets, same gating hosts,
quarantined or not. Within a pass the hosts of a group up to some number are let go and all behind it are
blocked, so that a group's verdict is a handful of segments, whatever its size.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from sim.reducer.gates import Block

PENDING, FLIGHT, ELIGIBLE = 1, 2, 4
"""Bits of a host's code: pending and not acknowledged, in flight, ordering-eligible."""

STILL_HERE = 2**31 - 1
"""`gone` of a host that is still pending."""

Segments = tuple[tuple[int, Block], ...]
"""The blocked part of a group in one pass: from a host number on, a gate and its reason, until the next
one."""

History = list[tuple[int, Segments]]
"""Passes by number, and the segments from then on."""


class Profile:
    """What the budgets of a rollout mean to a host: which of them list it.

    `flight`: selectors under which it counts as in flight. `limits`: (selector, max) in the order of the
    budgets. `adds`: (selector, how much a dispatch adds to the pass's count). Selectors by number.
    """

    __slots__ = ("adds", "flight", "limits")

    def __init__(self, listing: Sequence[int], budgets: Sequence[tuple[int, int | None]]):
        first: dict[int, int] = {}
        for index, (selector, _) in enumerate(budgets):
            first.setdefault(selector, index)
        listed = set(listing)
        self.flight = tuple(selector for selector, index in first.items() if index in listed)
        self.limits = tuple(
            (selector, maximum)
            for index, (selector, maximum) in enumerate(budgets)
            if index in listed and maximum is not None
        )
        self.adds = tuple(Counter(budgets[index][0] for index in listing).items())


class Group:
    """Pending hosts of one rollout that every gate treats alike; see the module's first paragraph."""

    __slots__ = (
        "closure",
        "count",
        "free_at",
        "gating",
        "gone",
        "history",
        "limited",
        "listed",
        "members",
        "parked",
        "passed",
        "profile",
        "removed",
        "removed_before",
        "segments",
        "skip",
        "static",
        "wave",
    )

    def __init__(
        self,
        members: Sequence[int],
        wave: int | None,
        profile: Profile,
        gating: tuple[tuple[str, int | None], ...],
        closure: str | None,
    ):
        size = len(members)
        self.members = array("i", members)
        self.wave = wave
        """None: in no wave of a channel that lists waves."""
        self.profile = profile
        self.gating = gating
        """The hosts that go first, in the order of the edges: name, and number if it is in the rollout."""
        self.closure = closure
        """The target of a quarantined group, else None."""
        self.gone = array("i", [STILL_HERE]) * size
        """By place: the first pass by which the host was no longer pending in this group."""
        self.skip = array("i", range(size + 1))
        self.count = size
        self.parked = 0
        self.limited = True
        """Whether a budget's `max_in_flight` bears on the group or on what it adds to."""
        self.listed: set[int] | None = None
        """Without a limit: the hosts a pass has to list, which are those not parked; None if none ever was."""
        self.static: Block | None = None
        self.segments: Segments = ()
        self.history: History = []
        self.passed = 0
        """How many hosts the last pass let go."""
        self.free_at = -1
        """Without a limit: the last pass that let all hosts go, the parked ones among them."""
        self.removed = 0
        self.removed_before = -1

    def next(self, place: int) -> int:
        """The first place from `place` on whose host is still pending; the size of the group if there is
        none."""
        skip = self.skip
        found = place
        while skip[found] != found:
            found = skip[found]
        while skip[place] != found:
            skip[place], place = found, skip[place]
        return found

    def pending(self, start: int = 0) -> Iterator[int]:
        """The numbers of the hosts still pending, in order, from place `start` on."""
        place = self.next(start)
        while place < len(self.members):
            yield self.members[place]
            place = self.next(place + 1)

    def remove(self, number: int, before_pass: int) -> None:
        """A host is no longer pending here from pass `before_pass` on."""
        place = place_in(self.members, number)
        self.gone[place] = before_pass
        self.skip[place] = place + 1
        self.count -= 1
        if self.listed is not None:
            self.listed.discard(number)
        if self.removed_before == before_pass:
            self.removed += 1
        else:
            self.removed_before = before_pass
            self.removed = 1

    def decide(self, number: int, segments: Segments) -> bool:
        """The verdict of pass `number`; whether it is another than the last."""
        if segments == self.segments:
            return False
        self.segments = segments
        self.history.append((number, segments))
        return True

    def asked(self, last_pass: int) -> Iterator[int]:
        """The hosts that were pending at the last pass, in order."""
        return (number for number, gone in zip(self.members, self.gone, strict=True) if gone > last_pass)

    def sizes(self, last_pass: int) -> list[tuple[Block, int]]:
        """Per segment of the last pass the number of its hosts."""
        left = self.count - self.passed + (self.removed if self.removed_before > last_pass else 0)
        sizes = []
        for (start, block), (end, _) in zip(self.segments, self.segments[1:], strict=False):
            first, behind = bisect_left(self.members, start), bisect_left(self.members, end)
            size = sum(self.gone[place] > last_pass for place in range(first, behind))
            sizes.append((block, size))
            left -= size
        if self.segments:
            sizes.append((self.segments[-1][1], left))
        return sizes


def place_in(numbers: Sequence[int], number: int) -> int:
    """The place of a number in an ascending sequence that has it."""
    # the hosts of most waves follow one another by name: no need to search, through memory long out of the cache
    place = number - numbers[0]
    if place < len(numbers) and numbers[place] == number:
        return place
    return bisect_left(numbers, number)


def block_of(segments: Segments, number: int) -> Block | None:
    """What the segments say of a host."""
    found = None
    for start, block in segments:
        if start > number:
            break
        found = block
    return found


class Tracked:
    """One rollout. What is by host is by the host's number in it."""

    __slots__ = (
        "_number",
        "by_closure",
        "channel",
        "code",
        "dirty",
        "failing",
        "failing_of",
        "flight",
        "group",
        "groups",
        "in_view",
        "left",
        "listed_in",
        "names",
        "open",
        "parked",
        "pending",
        "predecessor",
        "profile",
        "rollout_id",
        "soak_due",
        "stamp",
        "target_ref",
        "targets",
        "terminal",
        "verdicts",
        "watch",
        "wave",
        "wave_eligible",
        "wave_size",
        "waves",
    )

    def __init__(
        self,
        rollout_id: str,
        channel: str,
        target_ref: str,
        names: Sequence[str],
        soak_due: Sequence[float | None],
        targets: Sequence[str],
        listed_in: Mapping[str, tuple[int, ...]],
        wave_size: Sequence[int],
    ):
        self.rollout_id = rollout_id
        self.channel = channel
        self.target_ref = target_ref
        self.names = names
        size = len(self.names)
        self._number: dict[str, int] | None = None
        self.soak_due = soak_due
        self.targets = targets
        self.listed_in = listed_in
        """Host name -> the waves of the channel that list it, be it in the rollout or not."""
        self.waves = [listed_in.get(name, ()) for name in self.names]
        self.wave_size = wave_size
        self.wave_eligible = [0] * len(wave_size)
        self.wave = 0
        self.terminal = False
        self.in_view = False
        self.code = bytearray([PENDING]) * size
        self.parked = bytearray(size)
        self.stamp = array("i", [-1]) * size
        """The last pass that queued the host, but for what its group's `free_at` knows."""
        self.profile: list[Profile] = []
        self.group: list[Group | None] = []
        self.groups: list[Group] = []
        self.pending = size
        self.flight: Counter[int] = Counter()
        """Hosts in flight per selector of this rollout's budgets."""
        self.failing = [0] * len(wave_size)
        """Failing enforce probes per wave, over the hosts it lists."""
        self.failing_of: dict[str, int] = {}
        self.predecessor: str | None = None
        self.watch: dict[int, list[Group]] = {}
        """Gating host -> the groups it holds up."""
        self.dirty: dict[Group, None] = {}
        """Groups whose gates 1 to 4 have to be asked again."""
        self.open: dict[Group, None] = {}
        """Groups that pass gates 1 to 4."""
        self.by_closure: dict[str, list[int]] | None = None
        self.left: list[tuple[Group, int]] = []
        """Hosts no longer pending since the last pass; kept for those who want to hear of gates."""
        self.verdicts: dict[int, list[tuple[int, Block | None]]] = {}
        """With a shuffled order, by host: passes by number, and what holds it from then on."""

    @property
    def number(self) -> dict[str, int]:
        """The number of each host by name: made when first asked for, since a rollout without budgets, edges and parked
        hosts never does."""
        if self._number is None:
            self._number = {name: number for number, name in enumerate(self.names)}
        return self._number

    @property
    def active(self) -> bool:
        """Whether its pending hosts are asked."""
        return self.in_view and not self.terminal

    def wave_of(self, number: int) -> int | None:
        """The wave the gates see: 0 without waves, None for a host in no wave of a channel that lists
        some."""
        if not self.wave_size:
            return 0
        listed = self.waves[number]
        return listed[0] if listed else None

    def failing_before(self, wave: int | None) -> int:
        """Failing enforce probes over the waves before `wave` (gate 6)."""
        return sum(self.failing[:wave]) if wave else 0

    def regroup(self, group: Group) -> None:
        """Add a group made after the others, its hosts being in it already."""
        self.groups.append(group)
        self.dirty[group] = None
        for number in group.members:
            self.group[number] = group
            group.parked += self.parked[number]
        for _, gating in group.gating:
            if gating is not None:
                self.watch.setdefault(gating, []).append(group)

    def leave(self, number: int, before_pass: int) -> Group:
        """A pending host is no longer so in its group from pass `before_pass` on."""
        group = self.group[number]
        assert group is not None
        self.group[number] = None
        if group.parked and self.parked[number]:
            self.settle(number, group)
            group.parked -= 1
        group.remove(number, before_pass)
        return group

    def settle(self, number: int, group: Group) -> None:
        """Note when a parked host was last queued, which its group knew until now."""
        if self.parked[number] and group.free_at > self.stamp[number]:
            self.stamp[number] = group.free_at

    def set_limited(self, group: Group, limited: bool) -> None:
        """Whether a budget's limit bears on the group, from now on."""
        if limited and not group.limited:
            for number in group.pending():
                self.settle(number, group)
            group.free_at = -1
            group.listed = None
        elif group.limited and not limited and group.parked:
            self.list_hosts(group)
        group.limited = limited

    def list_hosts(self, group: Group) -> None:
        """Keep from now on which hosts of a group without a limit are not parked."""
        group.listed = {number for number in group.pending() if not self.parked[number]}
