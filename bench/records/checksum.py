"""The checksum of a record: it shows that a number was damaged, and is no proof against forgery.

It is the CRC-32 of the record's canonical form: JSON without spaces, the fields in the order in
which they were written, which has a meaning for metrics and settings.
"""

import json
import zlib
from typing import Any

NAME = "checksum"


def canonical(data: Any) -> str:
    """The canonical form of JSON data; ValueError for a number that is not finite."""
    return json.dumps(data, allow_nan=False, separators=(",", ":"))


def with_checksum(text: str) -> str:
    """A record in canonical form, with its checksum as the last field."""
    return f"{text[:-1]}{_last_field(_digest(text.encode()))}"


def check_checksum(line: bytes, checksum: str) -> None:
    """Raise ValueError where a line is not what its checksum stands for.

    A line in the form in which records are written must have the same bytes; in a line that another
    program has laid out anew, the values count.
    """
    last_field = _last_field(checksum).encode()
    if line.endswith(last_field):
        content = line.removesuffix(last_field) + b"}"
    else:
        data = json.loads(line)
        content = canonical({k: v for k, v in data.items() if k != NAME}).encode()
    if (digest := _digest(content)) != checksum:
        raise ValueError(
            f"its values are not those that were written: their {NAME} is {digest}, not "
            f"{checksum}. If they are right, remove the field {NAME}"
        )


def _digest(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"


def _last_field(digest: str) -> str:
    return f',"{NAME}":"{digest}"}}'
