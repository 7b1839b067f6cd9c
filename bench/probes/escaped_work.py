"""Work that escapes the clock: `wait` returns before the device has done what was submitted to it.

The weights after an update cannot be read before it is done. So reading them takes longer after
many updates than after one, where the updates were still going on.
"""

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

ESCAPED_SHARE, LEAST_S = 0.25, 1e-3
"""Work counts as escaped from this share of the clocked time on, and from so many seconds on: less
is a disturbance."""
TRIES = 2
"""Further tries where work seems to escape."""
ENOUGH_S, MOST_CALLS = 0.005, 50
"""The clocked seconds of the updates that are compared with one, and the most updates."""


class EarlyReturnError(RuntimeError):
    """`wait` returns before the work of the updates is done."""


class _Updates(NamedTuple):
    """Seconds of some updates up to the end of `wait`, and of reading the weights after them."""

    clocked: float
    reading: float

    @property
    def disturbance(self) -> float:
        """Seconds up to which a longer reading says nothing."""
        return max(LEAST_S, ESCAPED_SHARE * self.clocked)

    def fastest(self, other: "_Updates") -> "_Updates":
        """The smaller seconds of both: a disturbance only adds time."""
        return _Updates(min(self.clocked, other.clocked), min(self.reading, other.reading))


def check_wait(step: Callable[[], Any], session: Any) -> None:
    """Raise `EarlyReturnError` where a clock around `step` and `wait` misses work. The first call,
    which may compile, must be over."""
    session.params()
    once = _run(step, session, 1)
    calls = min(MOST_CALLS, 1 + math.ceil(ENOUGH_S / once.clocked))
    many = _run(step, session, calls)
    if many.reading <= many.disturbance:
        return
    for _ in range(TRIES):
        once = once.fastest(_run(step, session, 1))
        many = many.fastest(_run(step, session, calls))
    if many.reading - once.reading <= many.disturbance:
        return
    seconds = (many.reading - once.reading) / (calls - 1)
    raise EarlyReturnError(f"wait() returned {seconds:.2g} s before the work of an update was done")


def _run(step: Callable[[], Any], session: Any, count: int) -> _Updates:
    start = time.perf_counter()
    for _ in range(count):
        step()
    session.wait()
    waited = time.perf_counter()
    session.params()
    return _Updates(waited - start, time.perf_counter() - waited)
