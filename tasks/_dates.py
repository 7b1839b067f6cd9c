"""Whether columns of dates go forwards, a step at a time."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

import numpy as np

from bench.spec import Array

if TYPE_CHECKING:
    import pandas as pd

NUMBERED = ("year", "time", "date", "datetime", "timestamp", "ds", "unix", "epoch")
RISING = 0.9
"""Last words of headings below which numbers are points in time, but of `day_of_year`; where there
are other words, too, if this share of their steps does not fall, as those of `travel_time` do."""
COUNTED = ("month", "quarter", "week", "day", "hour", "minute")
COUNTING = 0.8
"""Headings below which numbers are points in time where they count from 0 or 1, by steps of which
this share is 1."""
UNITS = ("s", "sec", "seconds", "ms", "us", "ns", "utc")
"""Words that may follow the last one."""
PARTS = ("year", "month", "day", "hour", "minute", "second")
"""Headings of columns that are a date together, from the first on."""
FINER = ("time", "hour", "hr", "minute", "period", "interval")
"""Headings of columns beside which a date may come again: they part the day."""
NAMED = ("date", "datetime", "timestamp", "ds")
"""Last words of headings below which text must be."""
COMPACT = {
    6: ("%Y%m", "%y%m%d"),
    8: ("%Y%m%d",),
    10: ("%Y%m%d%H",),
    12: ("%Y%m%d%H%M",),
    14: ("%Y%m%d%H%M%S",),
}
"""How dates are written that are numbers, by their digits."""
DATED = re.compile(r"\d{4}|\d+[-/.]\d+[-/.]\d+")
"""What a cell holds that may be a date: a year, or three numbers."""
LATE, OFTEN, REPEATED = 1.5, 0.1, 3
"""Steps are late that are so many times as long as their median. They are gaps unless they come
again after as many steps, as weekends do: always, being this share of the steps, or mostly, and at
least so many times."""
FAR = {"date": 4, "number": 20}
DAY, HOLIDAYS = 86_400, 12
"""Steps so many times as long as the median of those that come again are gaps all the same, those
of dates where they are so many days, too: a market's nights are 17 hours, its holidays ten days."""
BACK = (
    "does not come after the {0} before it. Put the rows in order, or leave out the column of {0}s"
)


@dataclass(frozen=True)
class Fault:
    """A cell of one column of dates or more, by its place from 0 on, and what is wrong with it."""

    columns: Sequence[str]
    place: int
    cell: str
    why: str


Found = tuple[int, str] | None
"""The place of a cell and what is wrong with it, where something is."""


def first_fault(columns: Sequence[tuple[str, Sequence[str]]]) -> Fault | None:
    """The first cell, of the columns of dates among these, that does not come after the one before
    it, or comes more than one step after it. Columns are of dates where their texts are, where
    numbers are and their headings say so, and where they are a date together."""
    finer = [(name, texts) for name, texts in columns if name.lower() in FINER]
    dated = any(_words(name)[-1] in NAMED for name, _ in columns)
    for name, texts in columns:
        if dated and name.lower() in FINER and all(map(_is_number, texts)):
            continue
        judge = _out_of_turn if all(map(_is_number, texts)) else _no_next_date
        if found := judge(name, texts, [own for _, own in finer]):
            told = [(name, texts), *(finer if _come_again(texts) else [])]
            cell = " ".join(own[found[0]] for _, own in told)
            return Fault([own for own, _ in told], found[0], cell, found[1])
    parts = {name.lower(): (name, texts) for name, texts in columns if name.lower() in PARTS}
    used = list(takewhile(parts.__contains__, PARTS))
    found = _parts_out_of_turn({name: parts[name][1] for name in used}) if len(used) > 1 else None
    if not found:
        return None
    cell = " ".join(parts[name][1][found[0]] for name in used)
    return Fault([parts[name][0] for name in used], found[0], cell, found[1])


def _out_of_turn(name: str, texts: Sequence[str], finer: Sequence[Sequence[str]]) -> Found:
    """Of numbers that are points in time the first that is less than the one before it, or that
    comes late. They may stay the same: a year has many months."""
    own, numbers = _words(name), np.array(texts, dtype=np.float64)
    named = own[-1] in NUMBERED and not {*own} & {*COUNTED}
    if not named and (len(own) != 1 or own[0] not in COUNTED):
        return None
    dates = _compact(texts)
    if dates is not None:
        return _dated(dates, finer)
    steps = np.diff(numbers)
    if named and (len(own) == 1 or np.mean(steps >= 0) >= RISING):
        return _backwards(numbers, "number")
    counted = numbers[0] in (0, 1) and len(np.unique(numbers)) == len(numbers)
    return _backwards(numbers, "number") if counted and np.mean(steps == 1) >= COUNTING else None


def _parts_out_of_turn(parts: Mapping[str, Sequence[str]]) -> Found:
    """The same of columns that are a date together: a year, its month and so on. What falls again
    and again, as where the year is a fiscal one, is none."""
    rows = list(zip(*parts.values(), strict=True))
    gap = next((k for k, cells in enumerate(rows) if "" in cells), None)
    if not all(_is_number(cell) for cells in rows for cell in cells if cell):
        return None
    if gap is not None:
        return gap, "is no date: a part of it is a gap"
    import pandas as pd

    numbers = {name: np.array(texts, dtype=np.float64) for name, texts in parts.items()}
    dates = pd.to_datetime(pd.DataFrame({"day": 1.0, **numbers}), errors="coerce")
    times = _seconds(dates)
    falls = np.flatnonzero(np.diff(times) < 0)
    if _again_and_again(falls, len(times) - 1) and len(np.unique(times[falls + 1])) > 1:
        return None
    return _backwards(times, "date")


def _backwards(times: Array, kind: str) -> Found:
    """Of what may stay the same the first that is less than the one before it; where none stays
    the same, the first that comes late, too."""
    steps = np.diff(times)
    back = np.flatnonzero(steps < 0)
    if len(back):
        return int(back[0]) + 1, BACK.format(kind)
    return _uneven(times, kind) if (steps > 0).all() else None


def _words(name: str) -> list[str]:
    """Of a heading, but for units at its end: `unix`, `time` of `unix_time (s)`."""
    own = [word for word in re.split(r"[^a-z]+", name.lower()) if word] or [""]
    while len(own) > 1 and own[-1] in UNITS:
        own.pop()
    return own


def _compact(texts: Sequence[str]) -> Array | None:
    """Seconds of dates written as numbers, such as 20260131 or 202601; or None."""
    if any(len(text) != len(texts[0]) or not text.isdigit() for text in texts):
        return None
    import pandas as pd

    for form in COMPACT.get(len(texts[0]), ()):
        found = pd.Series(pd.to_datetime(list(texts), format=form, errors="coerce", utc=True))
        if not found.isna().any():
            return _seconds(found)
    return None


def _seconds(dates: "pd.Series[pd.Timestamp]") -> Array:
    return (dates - dates.iloc[0]).dt.total_seconds().to_numpy()


def _no_next_date(name: str, texts: Sequence[str], finer: Sequence[Sequence[str]]) -> Found:
    """The first cell of a column of dates that is none, or not the next one."""
    if not DATED.search(texts[0]) or _instants(texts[:1], day_first=False).isna().any():
        why = f"is no date that can be read. Write 2026-01-31, or rename {name!r}"
        return (0, why) if _words(name)[-1] in NAMED else None
    readings = [_instants(texts, day_first=day_first) for day_first in (False, True)]
    found = min(readings, key=lambda dates: (dates.isna().sum(), (dates.diff().dt.days < 0).sum()))
    if found.isna().any():
        return int(np.argmax(found.isna())), "is no date, as those above it are"
    return _dated(_seconds(found), finer)


def _come_again(values: Sequence[Any] | Array) -> bool:
    return any(a == b for a, b in pairwise(values))


def _dated(times: Array, finer: Sequence[Sequence[str]]) -> Found:
    """The first date that is not the next one. Days that come again are parted by columns such as
    hours, into as many parts as these have values; where they mostly lack some, a gap is none."""
    if not finer or not _come_again(times) or (times % DAY).any():
        return _uneven(times, "date")
    keys = [_ordered(texts) for texts in finer]
    if any(np.isnan(key).any() for key in keys):
        return _backwards(times, "date")
    place = np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)[1].ravel()
    part = DAY / (place.max() + 1)
    parted = times + part * place
    regular = np.median(np.diff(parted)) < LATE * part
    return (_uneven if regular else _backwards)(parted, "date")


def _ordered(texts: Sequence[str]) -> Array:
    """Numbers, or seconds of times of the day; NaN for what is neither."""
    if all(map(_is_number, texts)):
        return np.array(texts, dtype=np.float64)
    return _seconds(_instants(texts, day_first=False))


def _uneven(times: Array, kind: str) -> Found:
    """The first that does not come after the one before it, or comes late once in a while."""
    steps = np.diff(times)
    if (steps <= 0).any():
        return int(np.argmax(steps <= 0)) + 1, BACK.format(kind)
    late = np.flatnonzero(steps > LATE * np.median(steps))
    if len(late) and _again_and_again(late, len(steps)):
        far = FAR[kind] * np.median(steps[late])
        late = late[steps[late] > (max(far, HOLIDAYS * DAY) if kind == "date" else far)]
    if not len(late):
        return None
    why = (
        f"comes more than a step after the {kind} before it: a gap. Fill it, or leave out the "
        f"column of {kind}s, the choice is yours"
    )
    return int(late[0]) + 1, why


def _again_and_again(late: Array, count: int) -> bool:
    """Whether late steps are none that is missing, but recur. `late` has their places."""
    apart = np.diff(late)
    alike = float(np.mean(apart == np.median(apart))) if len(apart) else 0.0
    return (len(late) >= OFTEN * count and alike == 1) or (len(apart) >= REPEATED and alike > 0.5)


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _instants(texts: Sequence[str], day_first: bool) -> "pd.Series[pd.Timestamp]":
    """Points in time, all written as the first one is; NaT for what is not."""
    import pandas as pd

    with catch_warnings():
        simplefilter("ignore")  # that no format was found, or that days come first all the same
        return pd.Series(pd.to_datetime(list(texts), errors="coerce", utc=True, dayfirst=day_first))
