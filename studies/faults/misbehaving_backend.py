"""The NumPy backend, except that it misbehaves when it opens a session in chosen cases.

`FAULT="hang_in_c learning gru"` names a misdeed, the probe and the cell in whose case it happens.
`FAULT_PAUSE` is how many seconds every session takes longer to open.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from backends import numpy_backend

REQUIRES, SUPPORTS = numpy_backend.REQUIRES, numpy_backend.SUPPORTS
devices, unavailable = numpy_backend.devices, numpy_backend.unavailable
BLOCK = 1 << 20
MOST_BLOCKS = 1200
"""The most memory, in blocks, that a misdeed takes if nobody stops it."""
FLOOD_BLOCKS = 300
SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")
EATER = (
    sys.executable,
    "-c",
    f"import time; held = []\nwhile len(held) < {MOST_BLOCKS // 8}:\n"
    f" held.append(bytearray(b'x' * {8 * BLOCK})); time.sleep(0.02)\ntime.sleep(600)",
)


def open_session(spec: Any, params: Any, device: str, *training: Any) -> Any:
    session = numpy_backend.open_session(spec, params, device, *training)
    time.sleep(float(os.environ.get("FAULT_PAUSE", "0")))
    misdeed, probe, cell = os.environ.get("FAULT", "nothing - -").split()
    case = _current_case()
    if case and (case.probe, case.model.cell) == (probe, cell):
        MISDEEDS[misdeed]()
    return session


def _current_case() -> Any:
    """The case that the worker is answering, from its stack: sessions do not receive it."""
    cases = (frame.f_locals.get("case") for frame, _ in traceback.walk_stack(None))
    return next((case for case in cases if hasattr(case, "probe")), None)


def _pipe() -> int:
    """The worker's pipe to its parent."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and os.readlink(f"/proc/self/fd/{name}").startswith("pipe:"):
            return int(name)
    raise RuntimeError("the worker has no pipe")


def fail() -> None:
    raise RuntimeError("something is broken")


def interrupt() -> None:
    raise KeyboardInterrupt


def crash() -> None:
    ctypes.memset(0, 0, 1)


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def be_stopped() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def leave() -> None:
    sys.exit(0)


def vanish() -> None:
    os._exit(0)


def hang_in_c() -> None:
    """Hold Python's lock in C, and ignore what asks the process to end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ctypes.PyDLL(None).sleep(600)


def take_memory() -> None:
    blocks: list[bytearray] = []
    while len(blocks) < MOST_BLOCKS:
        blocks.append(bytearray(b"x" * BLOCK))
        time.sleep(0.002)
    raise RuntimeError("nobody stopped it")


def take_memory_in_a_child() -> None:
    subprocess.run(EATER, check=False)


def use_up_files() -> None:
    opened = []
    try:
        while True:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        globals()["opened"] = opened


def send_garbage() -> None:
    os.write(_pipe(), b"\xff\x00 no answer\n")


def send_endless_line() -> None:
    pipe = _pipe()
    for _ in range(FLOOD_BLOCKS):
        os.write(pipe, b"g" * BLOCK)
    time.sleep(600)


def send_many_lines() -> None:
    pipe = _pipe()
    for _ in range(20_000):
        os.write(pipe, b"{}\n")


def send_garbage_later() -> None:
    def send() -> None:
        time.sleep(0.2)
        os.write(_pipe(), b"late\n")

    threading.Thread(target=send, daemon=True).start()


def forge_an_answer() -> None:
    """Answer in the form of a result before the case is measured."""
    answer: dict[str, Any] = {
        "status": "ok",
        "reason": None,
        "metrics": {},
        "samples": {},
        "environment": {},
    }
    rest = {"traceback": None, "started": time.time(), "wall_s": 0.1}
    os.write(_pipe(), json.dumps({**answer, **rest}).encode() + b"\n")


def flood_the_log() -> None:
    for _ in range(FLOOD_BLOCKS):
        os.write(2, b"y" * BLOCK)
    os._exit(3)


def flood_output() -> None:
    for _ in range(FLOOD_BLOCKS // 10):
        print("z" * BLOCK, flush=True)


def close_the_pipe() -> None:
    os.close(_pipe())


def close_input() -> None:
    os.close(0)


def fork_and_go_on() -> None:
    """Leave a second process that goes on where this one does."""
    os.fork()


def leave_a_child() -> None:
    subprocess.Popen(SLEEPER)


def leave_a_child_in_a_session() -> None:
    subprocess.Popen(SLEEPER, start_new_session=True)


def leave_a_daemon() -> None:
    """Leave a process without the parent, the session and the environment of this one."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve(sys.executable, SLEEPER, {})
        os._exit(0)


def die_while_a_child_holds_the_pipe() -> None:
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
    os._exit(7)


def hang_while_a_child_holds_the_pipe() -> None:
    if os.fork() == 0:
        os.setsid()
    time.sleep(600)


MISDEEDS: dict[str, Callable[[], None]] = {
    function.__name__: function
    for function in (
        fail,
        interrupt,
        crash,
        be_killed,
        be_stopped,
        leave,
        vanish,
        hang_in_c,
        take_memory,
        take_memory_in_a_child,
        use_up_files,
        send_garbage,
        send_endless_line,
        send_many_lines,
        send_garbage_later,
        forge_an_answer,
        flood_the_log,
        flood_output,
        close_the_pipe,
        close_input,
        fork_and_go_on,
        leave_a_child,
        leave_a_child_in_a_session,
        leave_a_daemon,
        die_while_a_child_holds_the_pipe,
        hang_while_a_child_holds_the_pipe,
    )
}
