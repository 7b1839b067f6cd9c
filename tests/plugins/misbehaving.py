"""The NumPy backend, but for some cases, in which it does what the environment asks for.

`MISBEHAVE="segfault lstm learning 3; wrong * parity *"` names what goes wrong, then the cell, the
probe and the seed that it befalls; `*` is any. `wrong` is a session whose outputs are off;
everything else happens as a session is opened.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from backends import numpy_backend
from bench.spec import Supports

REQUIRES = tuple(os.environ.get("MISBEHAVE_REQUIRES", "numpy").split())
SUPPORTS = Supports(cells=os.environ.get("MISBEHAVE_CELLS", "rnn lstm gru feedforward").split())
MOST_BYTES = 1 << 30
"""What `grow` takes at most, should nobody stop it."""

devices, unavailable = numpy_backend.devices, numpy_backend.unavailable


def settings(device: str) -> dict[str, Any]:
    """Values of a framework's own kinds, which JSON does not know."""
    return {"precision": np.float32(0.5), "dtype": np.dtype("float32")}


def open_session(spec: Any, params: Any, device: str, *training: Any) -> Any:
    session = numpy_backend.open_session(spec, params, device, *training)
    what = misdeed(case_in_hand())
    if what == "wrong":
        return Wrong(session)
    MISDEEDS[what]()
    return session


def misdeed(case: Any) -> str:
    for rule in os.environ.get("MISBEHAVE", "nothing * * *").split(";"):
        what, *whom = rule.split()
        own = (case.model.cell, case.probe, str(case.seed))
        if all(wanted in ("*", found) for wanted, found in zip(whom, own, strict=True)):
            return what
    return "nothing"


def case_in_hand() -> Any:
    """The worker's own case, read from the stack: a session is not told why it is opened."""
    frames = (frame for frame, _ in traceback.walk_stack(None))
    return next(f.f_locals["case"] for f in frames if f.f_code.co_name == "answer")


class Wrong:
    """A session that predicts too much by one."""

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
    """With a child that holds on, as a compiler's helper may."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    while True:
        time.sleep(600)


def grow() -> None:
    """Take memory page by page, and touch it, until somebody puts an end to it."""
    held: list[bytearray] = []
    while sum(map(len, held)) < MOST_BYTES:
        held.append(bytearray(b"x" * (8 << 20)))
        time.sleep(0.01)
    raise RuntimeError("nobody stopped it")


def leave() -> None:
    sys.exit(0)


def vanish() -> None:
    """Without a word, exit handlers or flushing."""
    os._exit(7)


def chatter() -> None:
    print('{"status": "ok"}', flush=True)
    os.write(1, b"\xff\xfe not JSON\n")
    subprocess.run(["echo", "from a child"], check=True)


def answer_nonsense() -> None:
    """Write to the pipe that belongs to the worker, whatever its number is."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and os.readlink(f"/proc/self/fd/{name}").startswith("pipe:"):
            os.write(int(name), b"nonsense\n")


def run_out() -> None:
    raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")


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
    "wait": wait,
}
