"""The turns of one worker: where a probe lets the worker of the other side go on."""

import time
from collections.abc import Callable


class Turns:
    """Lets the other side have its turn, and adds up how long this side waited."""

    def __init__(self, wait: Callable[[], None]) -> None:
        self._wait = wait
        self.waited_s = 0.0

    def pass_on(self) -> None:
        """Return when it is this side's turn again."""
        start = time.perf_counter()
        self._wait()
        self.waited_s += time.perf_counter() - start
