"""How dates are written: the formats that are tried, as pandas takes them."""

import re
from collections.abc import Iterator, Mapping
from itertools import product

DAYS = (
    *("%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d/%m/%y", "%m/%d/%y", "%y/%m/%d", "%m/%Y", "%Y/%m"),
    *("%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%b %d, %Y", "%B %d, %Y"),
    *("%Y %b %d", "%Y %B %d", "%d %b %y", "%b %Y", "%B %Y", "%Y %b", "%Y %B"),
    *("%a, %d %b %Y", "%A, %d %B %Y"),
)
"""How days and months are written, beside ISO 8601. In place of a slash or a blank there may be a
hyphen, a point, a slash or nothing."""
CLOCKS = ("", " %H", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p")
COMPACT: Mapping[int, str] = {
    6: "%Y%m",
    8: "%Y%m%d",
    10: "%Y%m%d%H",
    12: "%Y%m%d%H%M",
    14: "%Y%m%d%H%M%S",
}
"""How dates are written as one number, by its digits."""
COMPACT_YEARS = range(1800, 2200)
"""Years of dates written as one number: a number such as 1600000000 is not the year 1600."""
COMPACT_SHARE = 0.9
"""Numbers are dates if at least this share of them can be."""
ISO = "ISO8601"
QUARTER = r"(?:\d{4}[- ]?[Qq][1-4])|(?:[Qq][1-4][- /]?\d{4})"


def date_forms() -> Iterator[str]:
    """Every format to try, beside ISO 8601, quarters and numbers."""
    for day, clock in product(DAYS, CLOCKS):
        if clock and "%d" not in day:
            continue
        gaps = "/-. " if "/" in day else " -/" if "," not in day else " "
        marks = dict.fromkeys([*gaps, ""]) if "%b" in day or "%B" in day else gaps
        for mark in marks:
            yield re.sub(r"(?<=[a-zA-Z])[ /](?=%)", mark, day) + clock
