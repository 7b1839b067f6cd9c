"""Ways to damage the content of a file: each returns the damaged content."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

Damage = Callable[[bytes, Random], bytes]
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    0.5,
    1e308,
    10**400,
    "",
    "x",
    "\ud800",
    [],
    {},
    [1],
    {"a": 1},
)
"""Values that a field may not accept."""


def cut(content: bytes, rng: Random) -> bytes:
    """Only the beginning."""
    return content[: rng.randrange(len(content))]


def empty(content: bytes, rng: Random) -> bytes:
    """Nothing."""
    return b""


def flip_a_bit(content: bytes, rng: Random) -> bytes:
    """One bit is another one."""
    place = rng.randrange(len(content))
    flipped = bytes([content[place] ^ 1 << rng.randrange(8)])
    return content[:place] + flipped + content[place + 1 :]


def change_a_digit(content: bytes, rng: Random) -> bytes:
    """One digit is another one: the text stays valid JSON."""
    place = rng.choice([place for place, byte in enumerate(content) if byte in b"0123456789"])
    other = bytes([rng.choice([digit for digit in b"0123456789" if digit != content[place]])])
    return content[:place] + other + content[place + 1 :]


def insert_garbage(content: bytes, rng: Random) -> bytes:
    """Random bytes stand somewhere in it."""
    place = rng.randrange(len(content))
    return content[:place] + rng.randbytes(rng.randint(1, 40)) + content[place:]


def insert_zeros(content: bytes, rng: Random) -> bytes:
    """A block of zeros is in the place of some bytes, as after a crash of the machine."""
    place = rng.randrange(len(content))
    size = min(rng.randint(1, 4096), len(content) - place)
    return content[:place] + bytes(size) + content[place + size :]


def double_a_line(content: bytes, rng: Random) -> bytes:
    """One line stands there twice."""
    lines = content.splitlines(keepends=True)
    return b"".join([*lines, rng.choice(lines)])


def remove_a_line(content: bytes, rng: Random) -> bytes:
    """One line is gone."""
    lines = content.splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def join_two_lines(content: bytes, rng: Random) -> bytes:
    """The end of one line is gone."""
    place = rng.choice([place for place, byte in enumerate(content[:-1]) if byte == 10])
    return content[:place] + content[place + 1 :]


def change_the_schema(content: bytes, rng: Random) -> bytes:
    """One record says that it is of another version."""
    lines = content.splitlines()
    number = rng.randrange(len(lines))
    record = {**json.loads(lines[number]), "schema": rng.choice([0, 99, "1", None])}
    return b"\n".join([*lines[:number], json.dumps(record).encode(), *lines[number + 1 :], b""])


def with_other_line_ends(content: bytes, rng: Random) -> bytes:
    """The lines end as on another system."""
    return content.replace(b"\n", b"\r\n")


def change_a_value(content: bytes, rng: Random) -> bytes:
    """One value of a JSON text, or of one of its lines, is an odd one; or its field is gone."""
    lines = content.splitlines()
    whole = content.lstrip().startswith(b"{\n")
    number = 0 if whole else rng.randrange(len(lines))
    data: Any = json.loads(content if whole else lines[number])
    if not isinstance(data, dict) or not data:
        raise ValueError("no JSON object")
    parent, key = data, rng.choice(list(data))
    while isinstance(parent[key], dict | list) and parent[key] and rng.random() < 0.8:
        parent = parent[key]
        key = rng.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
    if rng.random() < 0.2:
        del parent[key]
    else:
        parent[key] = rng.choice(ODD_VALUES)
    changed = json.dumps(data).encode()
    return changed if whole else b"\n".join([*lines[:number], changed, *lines[number + 1 :], b""])
