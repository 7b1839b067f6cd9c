"""Stop signals: the first one ends a command in good order, and later ones change nothing."""

import signal
from collections.abc import Callable
from dataclasses import dataclass

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """A signal has stopped the command."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@dataclass
class StopHandler:
    """Handles the stop signals of a process: at the first one it raises `Stopped` in the main
    thread, or calls `cancel` where that is set. It ignores later ones, because the clean-up after
    the first must not end half-way.
    """

    number: int | None = None
    """The first signal, once it has come."""
    cancel: Callable[[], object] | None = None
    """Ends what runs without an error in the middle of it."""

    def __call__(self, number: int, frame: object) -> None:
        if self.number is None:
            self.number = number
            if self.cancel is None:
                raise Stopped(number)
            self.cancel()

    def install(self) -> None:
        """Handle the signals that this process does not ignore, as it does under `nohup`."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self)


def ignore_stop_signals() -> None:
    """Ignore the signals from now on: the process ends anyway."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def exit_code(stopped: KeyboardInterrupt) -> int:
    """The exit code of a command that a signal has stopped, as a shell gives it: 130 for SIGINT,
    143 for SIGTERM, 129 for SIGHUP."""
    return 128 + (stopped.number if isinstance(stopped, Stopped) else signal.SIGINT)
