"""The uniform numbers: the same for good, one by one or for a fleet at once, uniform and independent of each other.

The statistical tests draw with fixed keys, so they pass or fail for good. Each fails a generator that is right with a
probability of one in a thousand, the significance that its name or its limit states.
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from sim.scenario.draws import host_key, host_keys, stream, uniform, uniforms

QUICK = settings(deadline=None, derandomize=True, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
WORD = st.integers(0, 2**64 - 1)
SIGNIFICANCE = 0.001
NAMES = [f"stable-{index:05d}" for index in range(20_000)]
KEYS = host_keys(NAMES)


def test_streams_are_pinned() -> None:
    assert stream(1, 0, "activation", "r1") == 0x9D6EA774B31E2B0D
    assert stream(1, 0, "activation") == 0x4C6CA2E1FDAAD5AC
    assert stream(0, 0, "") == 0x7EDBDDA9E83D556E


def test_hosts_are_pinned() -> None:
    assert host_key("stable-00000") == 0x5330558CB2EFA02D
    assert host_key("") == 0xB4B2797457A0A6E4
    assert host_key("größe") == 0xE99A32C955E1F8F4
    assert host_key("stable-00000") == int.from_bytes(blake2b(b"stable-00000", digest_size=8).digest(), "little")


@pytest.mark.parametrize(
    ("n", "number"),
    [
        (0, "0x1.38e0253f80c15p-1"),
        (1, "0x1.bbaa0b6e25526p-2"),
        (2, "0x1.6cb33621a3911p-1"),
        (10**6, "0x1.ef5756f1738afp-1"),
    ],
)
def test_numbers_are_pinned(n: int, number: str) -> None:
    assert uniform(stream(1, 0, "activation", "r1"), host_key("stable-00000"), n) == float.fromhex(number)


def _mix(z: int) -> int:
    """The finalizer of SplitMix64, as its authors write it."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_numbers_are_two_rounds_of_splitmix64() -> None:
    golden = 0x9E3779B97F4A7C15
    # what SplitMix64 gives first when seeded with 0, from its published test vectors
    assert [_mix(n * golden % 2**64) for n in (1, 2, 3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    for a_stream, key, n in product((0, 1, 2**64 - 1), (0, 7, 2**64 - 1), (0, 1, 99)):
        mixed = _mix(a_stream ^ _mix((key + (n + 1) * golden) % 2**64))
        assert uniform(a_stream, key, n) == ((mixed >> 12) + 0.5) / 2**52


def test_a_fleet_is_pinned() -> None:
    found = uniforms(stream(1, 0, "activation", "r1"), KEYS)
    assert blake2b(found.tobytes(), digest_size=8).hexdigest() == "5e176b18bf3ef5ce"


@QUICK
@given(WORD, st.lists(WORD, max_size=20), st.integers(0, 2**40))
def test_one_by_one_or_all_at_once_to_the_bit(a_stream: int, keys: list[int], n: int) -> None:
    found = uniforms(a_stream, np.array(keys, dtype=np.uint64), n)
    assert found.dtype == np.float64
    assert found.tolist() == [uniform(a_stream, key, n) for key in keys]


@QUICK
@given(WORD, WORD, st.integers(0, 2**70))
def test_numbers_lie_between_zero_and_one(a_stream: int, key: int, n: int) -> None:
    found = uniform(a_stream, key, n)
    assert 2.0**-53 <= found <= 1.0 - 2.0**-53
    # an odd multiple of 2^-53: neither end can be reached
    assert (found * 2.0**53) % 2 == 1


def test_keys_of_a_fleet_are_those_of_its_hosts() -> None:
    assert KEYS.tolist() == [host_key(name) for name in NAMES]
    assert host_keys([]).dtype == np.uint64


def test_different_streams_have_different_numbers() -> None:
    parts = product((0, 1, 11, 2**62), (0, 1, 11), ("activation", "tag", ""), ("", "r1", "1"), ("", "http", "1"))
    asked = list(parts)
    assert len({stream(*one) for one in asked}) == len(asked)


def test_parts_do_not_run_together() -> None:
    alike = [
        (1, 0, "a", "bc", ""),
        (1, 0, "ab", "c", ""),
        (1, 0, "a", "b", "c"),
        (1, 0, "abc", "", ""),
        (1, 0, "a\0b", "c", ""),
        (1, 0, "a", "b\0c", ""),
        (1, 0, "a", "b", "\0c"),
        (1, 0, "a", "1:b", "1:c"),
        (10, 0, "a", "b", "c"),
        (1, 0, "0a", "b", "c"),
    ]
    assert len({stream(*one) for one in alike}) == len(alike)


def test_hosts_do_not_collide() -> None:
    names = [f"{channel}-{index:05d}" for channel in ("stable", "edge", "canary") for index in range(100_000)]
    assert len(np.unique(host_keys(names))) == len(names)


def test_numbers_of_a_host_do_not_repeat() -> None:
    # of n random 52-bit numbers two are equal with a probability of about n²/2⁵³: next to none of these 200,000
    found = [uniform(stream(1, 0, "flake", probe="http"), key, n) for key in KEYS[:200].tolist() for n in range(1000)]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("seed", [0, 1, 2, 12_345])
@pytest.mark.parametrize("purpose", ["activation", "tag"])
def test_hosts_are_uniform_at_one_in_a_thousand(seed: int, purpose: str) -> None:
    found = uniforms(stream(seed, 0, purpose, "r1"), KEYS)
    assert stats.kstest(found, "uniform").pvalue > SIGNIFICANCE
    counts = np.histogram(found, bins=100, range=(0, 1))[0]
    assert stats.chisquare(counts).pvalue > SIGNIFICANCE


def test_draws_of_one_host_are_uniform_at_one_in_a_thousand() -> None:
    a_stream = stream(1, 0, "flake", probe="http")
    for key in KEYS[:5].tolist():
        found = [uniform(a_stream, key, n) for n in range(5000)]
        assert stats.kstest(found, "uniform").pvalue > SIGNIFICANCE


def test_replications_of_one_host_are_uniform_at_one_in_a_thousand() -> None:
    found = [uniform(stream(1, replication, "activation", "r1"), int(KEYS[0])) for replication in range(5000)]
    assert stats.kstest(found, "uniform").pvalue > SIGNIFICANCE


def _independent(first: np.ndarray, second: np.ndarray) -> bool:
    """No linear or rank correlation, and every cell of a 10 by 10 table as full as the others."""
    table = np.histogram2d(first, second, bins=10, range=((0, 1), (0, 1)))[0]
    pvalues = (
        stats.pearsonr(first, second).pvalue,
        stats.spearmanr(first, second).pvalue,
        stats.chisquare(table.ravel()).pvalue,
    )
    return min(pvalues) > SIGNIFICANCE / 3  # three looks at one pair


def test_streams_are_independent_at_one_in_a_thousand() -> None:
    asked = [
        (1, 0, "activation", "r1", ""),
        (2, 0, "activation", "r1", ""),
        (1, 1, "activation", "r1", ""),
        (1, 0, "activation", "r2", ""),
        (1, 0, "rollback", "r1", ""),
        (1, 0, "activation", "r1", "http"),
    ]
    drawn = [uniforms(stream(*one), KEYS) for one in asked]
    assert all(_independent(first, second) for first, second in combinations(drawn, 2))


def test_draws_are_independent_of_the_one_before_at_one_in_a_thousand() -> None:
    a_stream = stream(1, 0, "stay")
    drawn = [uniforms(a_stream, KEYS, n) for n in range(4)]
    assert all(_independent(first, second) for first, second in combinations(drawn, 2))


def test_neighbouring_hosts_are_independent_at_one_in_a_thousand() -> None:
    found = uniforms(stream(1, 0, "activation", "r1"), KEYS)
    assert _independent(found[:-1], found[1:])
    assert _independent(found[:-7], found[7:])


def test_neighbouring_keys_and_numbers_are_independent_at_one_in_a_thousand() -> None:
    # keys are hashes and so far apart; the mix must not need that
    keys = np.arange(20_000, dtype=np.uint64)
    found = uniforms(0, keys)
    assert stats.kstest(found, "uniform").pvalue > SIGNIFICANCE
    assert _independent(found[:-1], found[1:])
    assert _independent(found, uniforms(1, keys))


def test_every_bit_is_even_at_one_in_a_thousand() -> None:
    steps = (uniforms(stream(1, 0, "activation"), KEYS) * 2.0**52).astype(np.uint64)
    for bit in range(52):
        ones = int(((steps >> np.uint64(bit)) & np.uint64(1)).sum())
        # 52 looks at one sample
        assert stats.binomtest(ones, len(KEYS)).pvalue > SIGNIFICANCE / 52


def test_any_change_of_a_key_changes_half_of_the_bits() -> None:
    a_stream = stream(1, 0, "activation")
    changed = []
    for key in KEYS[:200].tolist():
        was = int(uniform(a_stream, key) * 2**52)
        changed += [(was ^ int(uniform(a_stream, key ^ (1 << bit)) * 2**52)).bit_count() for bit in range(64)]
    # the mean of 12,800 counts of 52 fair bits: 3.3 standard errors are one in a thousand
    assert abs(np.mean(changed) - 26.0) < 3.3 * np.sqrt(13.0 / len(changed))
