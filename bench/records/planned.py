"""Which cases a run has when it is finished, as `run.json` holds them."""

import zlib
from collections.abc import Iterable

DIGITS = 8
"""Digits of the CRC-32 of the key of a case."""


def planned_digests(keys: Iterable[str]) -> str:
    """A digest of each planned case, one after the other, from the keys of the cases."""
    return "".join(sorted(set(map(_digest, keys))))


def missing_count(digests: str, recorded: Iterable[str]) -> int:
    """How many of the planned cases are not among the recorded ones, whose keys these are."""
    planned = {digests[k : k + DIGITS] for k in range(0, len(digests), DIGITS)}
    return len(planned.difference(map(_digest, recorded)))


def _digest(key: str) -> str:
    return f"{zlib.crc32(key.encode()):0{DIGITS}x}"
