"""Text that cannot steer what it is shown in: a terminal, a log, an XML file."""

import re

BLANKS = re.compile(r" *(?:\r\n|[\t\n])(?:\r\n|[ \t\n])*")
COMMAND = re.compile(r"(\s*)(?=::|##\[)")
"""Continuous integration takes a line of a log that begins so for a command."""


def inert(value: object) -> str:
    """The value on one line, with an escape such as `\\x1b` for each character that does not print:
    control characters, marks that turn the direction of writing, what UTF-8 cannot write."""
    return _escaped(BLANKS.sub(" ", str(value)).strip(" "))


def inert_lines(text: object) -> str:
    """The same for a text whose line breaks and indentation stay."""
    return "\n".join(map(_escaped, str(text).split("\n")))


def without_command(line: str) -> str:
    """The line with a backslash before what would be a command of continuous integration."""
    start = COMMAND.match(line)
    return f"{start[1]}\\{line[start.end() :]}" if start else line


def _escaped(line: str) -> str:
    if not line.isprintable():
        line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return without_command(line)
