"""Whether points in time go forwards, one step at a time.

Times `(rows,)` are in seconds for dates, and in any unit for numbers. Comparisons with NaN are
false, so a time that could not be read is not a fault here.
"""

from dataclasses import dataclass

import numpy as np

from bench.spec import Array

DAY = 86_400
LATE = 1.5
"""A step longer than this many median steps is late."""
SHARE_OF_BREAKS, SHARE_EQUAL, FEWEST_EQUAL = 0.1, 0.5, 3
"""Late steps are regular breaks if they are at least a tenth of all steps and equally far apart,
or if more than half of at least three distances between them are equal."""


@dataclass(frozen=True)
class Clock:
    """How messages call the points in time, and when one of several regular breaks is too long.

    Such a break is a gap if it is longer than `longest_break` median breaks and than `holidays`:
    the nights of a market last 17 hours, its holidays ten days.
    """

    noun: str
    longest_break: float
    holidays: float


DATES = Clock("date", longest_break=4, holidays=12 * DAY)
NUMBERS = Clock("number", longest_break=20, holidays=0)


@dataclass(frozen=True)
class Disorder:
    """A row, counted from 0, whose point in time is wrong, and why."""

    row: int
    problem: str


def rising_fault(times: Array, clock: Clock) -> Disorder | None:
    """The first time that is not after the one before it, else the first gap.

    A gap is a late step, unless late steps are regular breaks such as nights and weekends; of
    these, one that is far too long is a gap all the same.
    """
    steps = np.diff(times)
    if (steps <= 0).any():
        return _backwards(int(np.argmax(steps <= 0)), clock)
    late = np.flatnonzero(steps > LATE * np.median(steps))
    if len(late) and are_regular(late, len(steps)):
        longest = max(clock.longest_break * np.median(steps[late]), clock.holidays)
        late = late[steps[late] > longest]
    if not len(late):
        return None
    problem = (
        f"is more than a step after the {clock.noun} before it: a gap. Fill the gap, or remove the "
        "column"
    )
    return Disorder(int(late[0]) + 1, problem)


def non_falling_fault(times: Array, clock: Clock) -> Disorder | None:
    """The first time that is before the one before it; if no two are equal, as `rising_fault`."""
    steps = np.diff(times)
    if (steps < 0).any():
        return _backwards(int(np.argmax(steps < 0)), clock)
    return rising_fault(times, clock) if (steps > 0).all() else None


def are_regular(places: Array, count: int) -> bool:
    """Whether these places among `count` steps recur at equal distances."""
    distances = np.diff(places)
    if not len(distances):
        return False
    equal = float(np.mean(distances == np.median(distances)))
    always = len(places) >= SHARE_OF_BREAKS * count and equal == 1
    return always or (len(distances) >= FEWEST_EQUAL and equal > SHARE_EQUAL)


def _backwards(step: int, clock: Clock) -> Disorder:
    problem = f"does not come after the {clock.noun} before it. Sort the rows, or remove the column"
    return Disorder(step + 1, problem)
