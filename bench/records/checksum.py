"""The checksum of a record and of `run.json`: it shows that a value was damaged, and is no proof
against forgery.

It is the CRC-32 of the canonical form: JSON without spaces, the fields in the order in which they
were written, which has a meaning for metrics and settings.
"""

import json
import zlib
from collections.abc import Mapping
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
    _compare(_digest(content), checksum)


def described_with_checksum(info: Mapping[str, Any]) -> dict[str, Any]:
    """The contents of `run.json` with their checksum as the last field."""
    data = json.loads(canonical({name: value for name, value in info.items() if name != NAME}))
    return {**data, NAME: _digest(canonical(data).encode())}


def without_checksum(info: Mapping[str, Any]) -> dict[str, Any]:
    """The contents of `run.json` without their checksum; ValueError where it is not theirs.
    Files of older versions have none."""
    data = {name: value for name, value in info.items() if name != NAME}
    if NAME in info:
        _compare(_digest(canonical(data).encode()), info[NAME])
    return data


def _compare(digest: str, checksum: Any) -> None:
    if digest != checksum:
        raise ValueError(
            f"its values are not those that were written: their {NAME} is {digest}, not "
            f"{checksum}. If they are right, remove the field {NAME}"
        )


def _digest(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"


def _last_field(digest: str) -> str:
    return f',"{NAME}":"{digest}"}}'
