"""Work that escapes the clock: `wait` returns before the device has done what was submitted to it.

The weights after an update cannot be read before it is done. So reading them takes longer after
many updates than after one, where the updates were still going on.
"""

import math
import time
from collections.abc import Callable
from typing import Any

ESCAPED_SHARE = 0.25
"""The share of the time of a call that must escape before it counts: below are disturbances."""
TRIES = 3
"""How often work must seem to escape before it counts."""
ENOUGH_S, MOST_CALLS = 0.005, 100
"""The clocked seconds of the calls that are compared with one call, and the most calls."""


def escaped_seconds(step: Callable[[], Any], session: Any, seconds: float) -> float:
    """The seconds of each update that the clock misses, where it shows `seconds` for an update; 0
    where that is less than a disturbance could be."""
    calls = min(MOST_CALLS, max(1, math.ceil(ENOUGH_S / seconds)))
    least = math.inf
    for _ in range(TRIES):
        once, many = (_reading_seconds(step, session, count) for count in (1, 1 + calls))
        least = min(least, (many - once) / calls)
        if least <= ESCAPED_SHARE * seconds:
            return 0.0
    return least


def _reading_seconds(step: Callable[[], Any], session: Any, count: int) -> float:
    """Seconds to read the weights after this number of updates and a wait."""
    for _ in range(count):
        step()
    session.wait()
    start = time.perf_counter()
    session.params()
    return time.perf_counter() - start
