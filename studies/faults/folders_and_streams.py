"""Faults: folders that are deleted or become read-only, and output that nobody takes."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from studies.faults.scene import Scene
from studies.faults.signals import PAUSE, wait_for_a_moment

STREAMS = ("stdout", "stderr")


def read_only_during_run(scene: Scene) -> None:
    """The folder of the run, or of all runs before that, becomes read-only and writable again."""
    run = scene.start(*scene.new_run(), variables=PAUSE)
    wait_for_a_moment(scene, run)
    with read_only(scene.run_folder if scene.run_folder.exists() else scene.results):
        ended = scene.end(run, 0, 2)
    if ended.code == 2:
        scene.require(ended, "cannot ")
    scene.complete()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nobody may write into this folder: for the administrator, whom modes do not stop, its files
    get an attribute of the file system."""
    root = os.geteuid() == 0
    off, on = ("-i", "+i") if root else ("u+w", "a-w")
    program = ["chattr" if root else "chmod", "-R"]
    subprocess.run([*program, on, folder], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run([*program, off, folder], check=True, capture_output=True)


def delete(scene: Scene, which: str) -> None:
    """Delete a folder in the middle of a run; the run is begun anew where it was deleted."""
    folder = {"results": scene.results, "run": scene.run_folder}.get(
        which, scene.run_folder / which
    )
    run = scene.start(*scene.new_run(), variables=PAUSE)
    wait_for_a_moment(scene, run)
    shutil.rmtree(folder, ignore_errors=True)
    ended = scene.end(run, 0, 2)
    if ended.code == 2:
        scene.require(ended, "cannot ")
    if which in ("results", "run"):
        shutil.rmtree(scene.run_folder, ignore_errors=True)
    scene.complete()


def closed_stream(scene: Scene, stream: str) -> None:
    """Nobody reads the output of a run any more."""
    reading, writing = os.pipe()
    os.close(reading)
    streams: dict[str, Any] = {stream: writing}
    command = scene.start(*scene.new_run(), **streams)
    os.close(writing)
    scene.end(command, 0, 141)
    scene.complete()


def full_output(scene: Scene) -> None:
    """The output of a run goes to a full disk."""
    with open("/dev/full", "w") as full:
        scene.run(*scene.new_run(), codes=(0, 2), stdout=full)
    scene.complete()


KINDS: Mapping[str, Callable[[Scene], None]] = {
    "run deleted": partial(delete, which="run"),
    "results deleted": partial(delete, which="results"),
    "logs deleted": partial(delete, which="workers"),
    "run made read-only": read_only_during_run,
    **{f"{name} closed in a run": partial(closed_stream, stream=name) for name in STREAMS},
    "output on a full disk": full_output,
}
