"""The pipes between a worker and its parent, from the worker's side."""

import os
from typing import IO

from bench.run.turns import PAUSED


class Channel:
    """The pipes between this worker and its parent.

    An adapter and the processes that it starts find neither of them: their standard input is empty,
    and their standard output goes to standard error.
    """

    def __init__(self) -> None:
        self.request = ""
        """The name of the request that is answered now; empty where it has none."""
        self._output, self._process = take_over_output(), os.getpid()
        self._input = os.fdopen(os.dup(0))
        with open(os.devnull) as empty:
            os.dup2(empty.fileno(), 0)

    def receive(self) -> str:
        """The next line; empty once the parent has closed the pipe."""
        return self._input.readline()

    def send(self, line: str) -> None:
        """Send one line."""
        if os.getpid() != self._process:
            os._exit(0)  # a process that the adapter has forked: one answer is enough
        self._output.write(f"{self.request} {line}".lstrip().rstrip("\n") + "\n")
        self._output.flush()

    def pause(self) -> None:
        """Say that this worker pauses, and wait until it is to go on."""
        self.send(PAUSED.decode())
        if not self.receive():
            os._exit(1)  # the parent has closed the pipe


def take_over_output() -> IO[str]:
    """Return the pipe to the parent; from now on standard output goes to standard error.

    Frameworks print to standard output, which would garble the answers.
    """
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return channel
