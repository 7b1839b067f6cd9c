"""Which series to read from a user's file, and how the file is written."""

import csv
from dataclasses import dataclass, fields
from pathlib import Path

from bench.spec import added_setting

FILLS = ("forward", "linear")
"""How missing values are filled: with the last value, or on the line between the neighbours."""


def split(text: str) -> list[str]:
    """The values of a setting that may have several, separated as in a CSV file."""
    try:
        [values] = csv.reader([text])
    except (csv.Error, ValueError) as error:
        raise ValueError(f"{text[:60]!r} is not a list as in a line of a CSV file") from error
    return values


@dataclass(frozen=True, kw_only=True)
class FileSettings:
    """Which series to read from which file, as text.

    `data` is the file and `column` the heading of the values. `time_column`, `where` and `missing`
    may name several, separated as in a CSV file: columns of times that are read together,
    conditions `NAME=VALUE`, and texts that stand for no value. `digest` is the beginning of the
    file's sha256; empty if it does not matter.
    """

    data: str = ""
    column: str = ""
    digest: str = ""
    time_column: str = added_setting("")
    time_format: str = added_setting("")
    where: str = added_setting("")
    separator: str = added_setting(",")
    decimal: str = added_setting(".")
    missing: str = added_setting("")
    fill: str = added_setting("")

    def __post_init__(self) -> None:
        if len(self.separator) != 1 and self.separator != r"\t":
            raise ValueError(rf"--separator must be one character, or \t, not {self.separator!r}")
        if self.decimal not in (".", ","):
            raise ValueError(f"--decimal must be '.' or ',', not {self.decimal!r}")
        if self.fill not in ("", *FILLS):
            raise ValueError(f"--fill must be {' or '.join(FILLS)}, not {self.fill!r}")
        if self.time_format and not self.time_column:
            raise ValueError("--time-format goes with a column of times: --time NAME")
        for text in (self.time_column, self.where, self.missing):
            split(text)
        if self.data and (path := Path(self.data)).exists() and not path.is_file():
            raise ValueError(f"{path} is not a regular file")

    @property
    def file(self) -> "FileSettings":
        """The settings of the file alone."""
        return FileSettings(**{name: getattr(self, name) for name in FILE_SETTINGS})


FILE_SETTINGS = tuple(f.name for f in fields(FileSettings))
