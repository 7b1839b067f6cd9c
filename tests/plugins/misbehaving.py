"""The NumPy backend, except that it misbehaves in some cases.

`MISBEHAVE="segfault lstm learning 3; wrong * parity *"` holds rules: a misdeed, then the cell, the
probe and the random seed of the cases in which it happens; `*` stands for any. `wrong` returns a
session whose outputs are off by one; every other misdeed happens while the session is opened.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backends import numpy_backend
from bench.spec import Supports

REQUIRES = tuple(os.environ.get("MISBEHAVE_REQUIRES", "numpy").split())
SUPPORTS = Supports(cells=os.environ.get("MISBEHAVE_CELLS", "rnn lstm gru feedforward").split())
MOST_BYTES = 1 << 30
"""The most memory that `grow` takes if nobody stops it."""

devices, unavailable = numpy_backend.devices, numpy_backend.unavailable


def environment(threads: int) -> dict[str, str]:
    """A variable of this adapter, and one that the harness sets as well."""
    return {"MISBEHAVE_THREADS": str(threads), "NUMEXPR_NUM_THREADS": "99"}


def settings(device: str) -> dict[str, Any]:
    """Values of types that JSON lacks, as frameworks have them."""
    variables = {name: os.environ.get(name) for name in environment(1)}
    return {"precision": np.float32(0.5), "dtype": np.dtype("float32"), **variables}


def open_session(spec: Any, params: Any, device: str, *training: Any) -> Any:
    session = numpy_backend.open_session(spec, params, device, *training)
    misdeed = chosen_misdeed(current_case())
    if misdeed == "wrong":
        return WrongSession(session)
    MISDEEDS[misdeed]()
    return session


def chosen_misdeed(case: Any) -> str:
    """The misdeed of the first rule that matches the case."""
    case_fields = (case.model.cell, case.probe, str(case.seed))
    for rule in os.environ.get("MISBEHAVE", "nothing * * *").split(";"):
        misdeed, *patterns = rule.split()
        pairs = zip(patterns, case_fields, strict=True)
        if all(pattern in ("*", value) for pattern, value in pairs):
            return misdeed
    return "nothing"


def current_case() -> Any:
    """The case that the worker is answering, read from its stack: sessions do not receive it."""
    frames = (frame for frame, _ in traceback.walk_stack(None))
    return next(f.f_locals["case"] for f in frames if f.f_code.co_name == "answer")


class WrongSession:
    """A session whose predictions are too large by one."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def predict(self, *inputs: Any) -> Any:
        return self.session.predict(*inputs) + 1


def fail() -> None:
    raise RuntimeError("something\n  is broken")


def segfault() -> None:
    ctypes.memset(0, 0, 1)


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang() -> None:
    """Sleep, with a child that sleeps as well, as a compiler's helper may."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    while True:
        time.sleep(600)


def grow() -> None:
    """Take and touch more and more memory until the process is stopped."""
    blocks: list[bytearray] = []
    while sum(map(len, blocks)) < MOST_BYTES:
        blocks.append(bytearray(b"x" * (8 << 20)))
        time.sleep(0.01)
    raise RuntimeError("nobody stopped it")


def leave() -> None:
    sys.exit(0)


def vanish() -> None:
    """Exit without a message, exit handlers or flushing."""
    os._exit(7)


def chatter() -> None:
    """Print to standard output in every way a framework may."""
    print('{"status": "ok"}', flush=True)
    os.write(1, b"\xff\xfe not JSON\n")
    subprocess.run(["echo", "from a child"], check=True)


def answer_nonsense() -> None:
    """Write to the worker's pipe to its parent, whatever its number is."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and os.readlink(f"/proc/self/fd/{name}").startswith("pipe:"):
            os.write(int(name), b"nonsense\n")


def run_out() -> None:
    raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")


def fork() -> None:
    """Leave a second process that goes on where this one does, once."""
    if os.environ.setdefault("MISBEHAVE_FORKED_IN", str(os.getpid())) == str(os.getpid()):
        os.environ["MISBEHAVE_FORKED_IN"] = "done"
        os.fork()


def fail_in_bytes() -> None:
    """Fail with the name of a file that is not UTF-8."""
    Path(os.fsdecode(b"/nowhere/caf\xe9")).read_bytes()


def wait() -> None:
    time.sleep(float(os.environ["MISBEHAVE_SECONDS"]))


MISDEEDS: dict[str, Callable[[], None]] = {
    "nothing": lambda: None,
    "fail": fail,
    "segfault": segfault,
    "be_killed": be_killed,
    "hang": hang,
    "grow": grow,
    "leave": leave,
    "vanish": vanish,
    "chatter": chatter,
    "answer_nonsense": answer_nonsense,
    "run_out": run_out,
    "fork": fork,
    "fail_in_bytes": fail_in_bytes,
    "wait": wait,
}
