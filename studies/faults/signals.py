"""Faults: signals at random moments of a run, to the parent, to a worker, or to both."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from signal import SIGHUP, SIGINT, SIGKILL, SIGSTOP, SIGTERM, Signals

import psutil

from studies.faults.commands import Command
from studies.faults.scene import Scene, wait_until, whole_lines

ENDS: Mapping[Signals, Collection[int]] = {
    SIGKILL: (-SIGKILL,),
    SIGTERM: (128 + SIGTERM, -SIGTERM),
    SIGINT: (128 + SIGINT, -SIGINT),
    SIGHUP: (128 + SIGHUP, 128 + SIGTERM, 128 + SIGINT, -SIGHUP),
}
"""The exit codes of a command that a signal ended; negative where it did not come to handle it."""
PAUSE = {"FAULT_PAUSE": "0.03"}
"""Makes the cases longer, so that signals meet them."""
TIME_LIMIT = ("--time-limit", "20")
"""Ends the case of a worker that was stopped."""
MOST_BETWEEN_S = 0.3
"""Seconds at most between two signals."""


def to_run(scene: Scene, *numbers: Signals) -> None:
    """Signals to the parent alone, one after the other."""
    _disturb(scene, numbers, workers=False)


def to_both(scene: Scene, number: Signals) -> None:
    """A signal to the parent and to its workers. A worker that dies first may fail its case."""
    _disturb(scene, (number,), workers=True)


def _disturb(scene: Scene, numbers: Collection[Signals], *, workers: bool) -> None:
    run = scene.start(*scene.new_run(), variables=PAUSE)
    wait_for_a_moment(scene, run)
    for number in numbers:
        send(run, number)
        if workers:
            send_to_workers(run, number)
        wait(run, scene.rng.uniform(0, MOST_BETWEEN_S))
    codes = {code for number in numbers for code in ENDS[number]}
    ended = scene.end(run, 0, *((1,) if workers else ()), *codes)
    if SIGKILL not in numbers and _is_unfinished(scene):
        scene.require(ended, "--resume")
    scene.complete(failures=int(workers))


def _is_unfinished(scene: Scene) -> bool:
    """Whether the run has begun and lacks records."""
    begun = (scene.run_folder / "records.jsonl").exists()
    return begun and len(scene.records()) < len(scene.reference.expected)


def to_worker(scene: Scene, number: Signals) -> None:
    """A signal to a worker alone: it may cost the case in hand."""
    run = scene.start(*scene.new_run(), *TIME_LIMIT, variables=PAUSE)
    wait_for_a_moment(scene, run)
    send_to_workers(run, number)
    scene.end(run, 0, 1)
    scene.check_records(failures=1)
    scene.complete(failures=1)


def wait_for_a_moment(scene: Scene, command: Command) -> None:
    """Wait until a random moment of a run: any moment, or one shortly after a record."""
    if scene.rng.random() < 0.5:
        wait(command, scene.rng.uniform(0, scene.reference.seconds))
        return
    count = scene.rng.randrange(len(scene.reference.expected))
    wait_until(lambda: not command.runs or len(whole_lines(scene.run_folder)) >= count)
    wait(command, scene.rng.uniform(0, 0.2))


def wait(command: Command, seconds: float) -> None:
    """Wait so long, or until the command has ended."""
    wait_until(lambda: not command.runs, seconds)


def send(command: Command, number: Signals) -> None:
    """Send a signal to a command, unless it has ended."""
    if command.runs:
        command.process.send_signal(number)


def send_to_workers(command: Command, number: Signals) -> None:
    """Send a signal to the workers of a command."""
    with suppress(psutil.Error):
        for process in psutil.Process(command.process.pid).children():
            with suppress(psutil.Error):
                if "worker" in process.cmdline():
                    process.send_signal(number)


KINDS: Mapping[str, Callable[[Scene], None]] = {
    "SIGKILL to a run": lambda scene: to_run(scene, SIGKILL),
    "SIGTERM to a run": lambda scene: to_run(scene, SIGTERM),
    "SIGINT to a run": lambda scene: to_run(scene, SIGINT),
    "SIGINT twice to a run": lambda scene: to_run(scene, SIGINT, SIGINT),
    "SIGHUP to a run": lambda scene: to_run(scene, SIGHUP),
    "SIGKILL to a worker": lambda scene: to_worker(scene, SIGKILL),
    "SIGTERM to a worker": lambda scene: to_worker(scene, SIGTERM),
    "SIGSTOP to a worker": lambda scene: to_worker(scene, SIGSTOP),
    "SIGKILL to a run and its worker": lambda scene: to_both(scene, SIGKILL),
    "SIGTERM to a run and its worker": lambda scene: to_both(scene, SIGTERM),
    "SIGINT to a run and its worker": lambda scene: to_both(scene, SIGINT),
}
