"""The uniform number of a key: a stateless integer mix, the same bits for one host or for a whole fleet (spec page 9).

A stream stands for (seed, replication, purpose, release reference, probe); a host's key for its name. Both are
64 bits of BLAKE2b. With all arithmetic modulo 2⁶⁴ and `mix` the finalizer of SplitMix64 (Steele, Lea and Flood,
2014, with the constants of Stafford's variant 13):

    uniform(stream, key, n) = ((mix(stream ^ mix(key + (n + 1) * 0x9E3779B97F4A7C15)) >> 12) + 1/2) / 2⁵²

The numbers lie strictly between 0 and 1, and depend on nothing else: not on the order in which they are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB


def stream(seed: int, replication: int, purpose: str, ref: str = "", probe: str = "") -> int:
    """The 64-bit number of a stream of draws."""
    return _hash64("\0".join(f"{len(part)}:{part}" for part in (str(seed), str(replication), purpose, ref, probe)))


def host_key(name: str) -> int:
    """The 64-bit number of a host's name."""
    return _hash64(name)


def host_keys(names: Sequence[str]) -> NDArray[np.uint64]:
    """`host_key` of every name, in their order."""
    digests = b"".join([blake2b(name.encode(), digest_size=8).digest() for name in names])
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def uniform(stream: int, key: int, n: int = 0) -> float:
    """The n-th uniform number (from 0) of a host in a stream, in (0, 1)."""
    mixed = _mix(stream ^ _mix((key + (n + 1) * _GOLDEN) & _MASK))
    return ((mixed >> 12) + 0.5) * 2.0**-52


def uniforms(stream: int, keys: NDArray[np.uint64], n: int = 0) -> NDArray[np.float64]:
    """`uniform` of every key, to the bit."""
    step = np.uint64(((n + 1) * _GOLDEN) & _MASK)
    mixed = _mix_array(_mix_array(keys + step) ^ np.uint64(stream))
    return ((mixed >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def _hash64(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * _FIRST) & _MASK
    z = ((z ^ (z >> 27)) * _SECOND) & _MASK
    return z ^ (z >> 31)


def _mix_array(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_FIRST)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_SECOND)
    return z ^ (z >> np.uint64(31))
