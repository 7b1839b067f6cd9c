"""Runs commands of `run_bench.py`, in processes of their own or inside this one."""

import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import run_bench
from studies.faults.checks import Ended

ROOT = Path(__file__).parents[2]
ENTRY = (sys.executable, str(ROOT / "run_bench.py"))
LIMIT_S = 120
"""Seconds in which every command must end."""
DRAIN_S = 5
"""Seconds in which the output of a command that has ended can be read."""
PIPE_BYTES = 1 << 20
"""How much a command may print before it ends."""
MEMORY_BYTES = 12 << 30
"""The address space of a command: reading an endless file must not take the whole machine."""


@dataclass(frozen=True)
class Command:
    """A command that runs."""

    process: subprocess.Popen[str]
    words: str

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def end(self, limit_s: float = LIMIT_S) -> Ended:
        """Wait until the command ends; kill it where it does not end in time."""
        try:
            code: int | None = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = None
        try:
            out, err = self.process.communicate(timeout=DRAIN_S)
        except subprocess.TimeoutExpired:
            return Ended(self.words, None, "", "another process holds its output open")
        return Ended(self.words, code, out or "", err or "")


def start(
    program: Sequence[str],
    arguments: Sequence[str | Path],
    environment: Mapping[str, str],
    before: Callable[[], None] | None = None,
    **streams: Any,
) -> Command:
    """Start a command in a session of its own. `before` runs in the new process before the program
    does; `streams` replaces `stdout` or `stderr`."""
    words = list(map(str, arguments))

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored in background jobs of a shell
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        if before:
            before()

    process = subprocess.Popen(
        [*program, *words],
        cwd=ROOT,
        env=dict(environment),
        text=True,
        errors="replace",
        preexec_fn=prepare,
        start_new_session=True,
        pipesize=PIPE_BYTES,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
    )
    return Command(process, " ".join(words[:2]))


class Hung(BaseException):
    """A command inside this process did not end in time."""


def run_inside(arguments: Sequence[str | Path], limit_s: float = LIMIT_S) -> Ended:
    """Run a command inside this process, which has imported everything already."""
    words = list(map(str, arguments))
    code: int | None
    with chdir(ROOT), redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        try:
            with _alarm(limit_s):
                code = run_bench.main(words)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except Hung:
            code = None
        except BaseException:  # noqa: BLE001 - as a process of its own would end
            traceback.print_exc()
            code = 1
    return Ended(" ".join(words[:2]), code, out.getvalue(), err.getvalue())


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise `Hung` where the block takes longer."""

    def ring(*_: object) -> None:
        raise Hung

    earlier = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)


def with_room_for(size: int) -> Callable[[], None]:
    """A limit on the size of files, which acts like a full disk: longer writes are refused."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
