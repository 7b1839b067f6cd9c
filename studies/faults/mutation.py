"""Makes odd inputs out of valid ones."""

from collections.abc import Sequence
from contextlib import suppress
from random import Random

from studies.faults import damage

MOST_CHANGES = 3
TOKENS = (
    *(b"null", b"true", b"[]", b"{}", b"1e999", b"NaN", b"-1", b"0", b"9" * 400, b"[" * 2000),
    *(b'"', b"'", b",", b";", b":", b"=", b"\t", b"\0", b"\r", b"\n", b"%", b"--", b"all"),
    *(b"\xff", b"\xef\xbb\xbf", b"\\ud800", b"\xd9\xa3", b"\xe2\x80\xae", b"2020-02-30", b"1,5"),
)
"""Texts with a meaning somewhere."""


def insert_a_token(content: bytes, rng: Random) -> bytes:
    """One of the tokens stands somewhere."""
    place = rng.randint(0, len(content))
    return content[:place] + rng.choice(TOKENS) + content[place:]


def delete_a_part(content: bytes, rng: Random) -> bytes:
    """Some bytes are gone."""
    place = rng.randint(0, len(content))
    return content[:place] + content[place + rng.randint(1, 30) :]


CHANGES: Sequence[damage.Damage] = (
    insert_a_token,
    insert_a_token,
    delete_a_part,
    damage.cut,
    damage.flip_a_bit,
    damage.change_a_digit,
    damage.change_a_value,
    damage.change_a_value,
    damage.insert_garbage,
    damage.double_a_line,
    damage.remove_a_line,
)


def mutated(examples: Sequence[bytes], rng: Random) -> bytes:
    """One of the examples with one to three changes; a change that does not fit is left out."""
    content = rng.choice(examples)
    for _ in range(rng.randint(1, MOST_CHANGES)):
        with suppress(ValueError, IndexError, RecursionError):
            content = rng.choice(CHANGES)(content, rng)
    return content
