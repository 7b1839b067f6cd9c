"""Runs one program, and ends everything that the program has started.

`python -I -S supervisor.py PARENT LOG PROGRAM…` runs the program in a session of its own. When the
program ends, when this process gets SIGTERM, or when the parent dies, all processes below this one
are killed, and it ends as the program did. On Linux it adopts processes whose parents have died, so
that none escapes; elsewhere a process that has left the program's session does.

LOG is a file descriptor to which the program's standard error is copied, bounded in size; the
program's process id is then the first line of standard output. With `-` nothing is copied and no
line is added.

It starts quickly because it imports neither another module of this project nor any package.
"""

import ctypes
import os
import resource
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import NoReturn

END_S = 5.0
"""Seconds after which processes that SIGKILL has not ended are left: a driver can hold them."""
RETRY_S = 0.01
"""Seconds between two looks for processes that are left."""
HEAD_BYTES = TAIL_BYTES = 1 << 20
"""How much of the beginning and of the end of a log is kept."""
PARENT = "{supervisor}"
"""Stands among the arguments of a program for the process id of its supervisor."""
SET_PARENT_DEATH_SIGNAL, SET_CHILD_SUBREAPER = 1, 36
"""Operations of Linux's prctl."""


class BoundedLog:
    """Writes the beginning of a log as it arrives, and its end when the log is closed.

    A full disk costs what does not fit.
    """

    def __init__(self, file: int) -> None:
        """`file` is the descriptor of a file that is open for writing."""
        self.file, self.room, self.tail, self.left_out = file, HEAD_BYTES, bytearray(), 0

    def add(self, data: bytes) -> None:
        """Add what the program has written."""
        self._write(data[: self.room])
        self.tail += data[self.room :]
        self.room = max(0, self.room - len(data))
        surplus = max(0, len(self.tail) - TAIL_BYTES)
        del self.tail[:surplus]
        self.left_out += surplus

    def close(self) -> None:
        """Write the end."""
        if self.left_out:
            self._write(b"\n[%d bytes left out]\n" % self.left_out)
        self._write(self.tail)

    def _write(self, data: bytes | bytearray) -> None:
        with suppress(OSError):
            while data:
                data = data[os.write(self.file, data) :]


class Supervisor:
    """The program, its log, and the signals that this process gets."""

    def __init__(self, program: Sequence[str], log: BoundedLog | None) -> None:
        self.log = log
        self.status: int | None = None
        """The status of the program, as `os.waitpid` gives it; None while it runs."""
        self.poll = select.poll()
        self.wakeups, wakeup = os.pipe()
        for file in (self.wakeups, wakeup):
            os.set_blocking(file, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        # A signal with a handler, unlike one that is ignored, has its default in the program.
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self.poll.register(self.wakeups, select.POLLIN)
        self.errors, errors = os.pipe()
        os.set_blocking(self.errors, False)
        self.program = _start(program, errors if log else None)
        os.close(errors)
        self.poll.register(self.errors, select.POLLIN)
        # The program alone holds the pipes, so that their other ends notice when it closes them.
        null = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(null, stream)

    def run(self) -> None:
        """Wait until the program has ended or SIGTERM has come, and end what is left."""
        while self._has_children() and self.status is None:
            if signal.SIGTERM in self._wait(None):
                break
        deadline = monotonic() + END_S
        self._kill()
        while self._has_children() and monotonic() < deadline:
            self._wait(RETRY_S)
            self._kill()
        if self.log:
            while self._copy_errors():
                pass
            self.log.close()

    def _has_children(self) -> bool:
        """Collect the children that have ended; return whether there are others."""
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self.program:
                    self.status = ended[1]
        except ChildProcessError:
            return False
        return True

    def _wait(self, seconds: float | None) -> bytes:
        """Wait for a signal or for output to copy; return the numbers of the signals."""
        ready = self.poll.poll(None if seconds is None else 1000 * seconds)
        if self.errors in dict(ready) and not self._copy_errors():
            self.poll.unregister(self.errors)
        return os.read(self.wakeups, 1 << 10) if self.wakeups in dict(ready) else b""

    def _copy_errors(self) -> bool:
        """Copy what has arrived to the log; return whether there was anything."""
        with suppress(BlockingIOError):
            data = os.read(self.errors, 1 << 16)
            if self.log:
                self.log.add(data)
            return bool(data)
        return False

    def _kill(self) -> None:
        """Kill the children; theirs then become children of this process."""
        for child in _children():
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
        if sys.platform != "linux":
            with suppress(OSError):
                os.killpg(self.program, signal.SIGKILL)


def _start(program: Sequence[str], errors: int | None) -> int:
    """Start the program in a new session; return its process id.

    Standard error goes to `errors` if it is given. A program that cannot be started says why
    there, and its exit code is 127.
    """
    if process := os.fork():
        return process
    try:
        os.setsid()
        at_death_of_parent(signal.SIGKILL)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them
            signal.signal(number, signal.SIG_DFL)
        if errors is not None:
            os.dup2(errors, 2)
            os.write(1, b"%d\n" % os.getpid())
        os.execvp(program[0], list(program))
    except BaseException as error:  # noqa: BLE001 - this process must not go on as a second one
        os.write(2, f"{program[0]}: {error}\n".encode(errors="backslashreplace"))
    finally:
        os._exit(127)


def at_death_of_parent(number: int) -> None:
    """Send this process this signal when its parent dies, on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, number)


def _children() -> list[int]:
    """The children of this process, those that it has adopted included; none unless on Linux."""
    parent, children = str(os.getpid()).encode(), []
    processes = filter(str.isdigit, os.listdir("/proc")) if sys.platform == "linux" else ()
    for name in processes:
        with suppress(OSError):
            with open(f"/proc/{name}/stat", "rb") as file:
                # The second field, a name in parentheses, may hold anything.
                fields = file.read().rpartition(b")")[2].split()
            if fields[1] == parent:
                children.append(int(name))
    return children


def _end_as(status: int | None) -> NoReturn:
    """End this process with the exit code or by the signal of a program."""
    if status is None:
        os._exit(128 + signal.SIGTERM)
    if os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the program has left its own core
        with suppress(OSError):
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def main(parent: int, log: str, *program: str) -> NoReturn:
    """Run the program; end as it did. `parent` is the process that started this one."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1)
    at_death_of_parent(signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("the parent process has ended")
    if log != "-":
        os.set_inheritable(int(log), False)
    arguments = [str(os.getpid()) if word == PARENT else word for word in program]
    supervisor = Supervisor(arguments, None if log == "-" else BoundedLog(int(log)))
    supervisor.run()
    _end_as(supervisor.status)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
