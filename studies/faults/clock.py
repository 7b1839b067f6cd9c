"""Faults: a system clock that jumps in the middle of a run."""

from collections.abc import Callable, Mapping
from functools import partial

from studies.faults.scene import Scene

HOUR_S, YEAR_S = 3600, 365.25 * 24 * 3600
# Python imports a module of this name when it starts, from the first folder that has one.
MODULE = "sitecustomize.py"
JUMPING_CLOCK = """
import os, time
true_time, began = time.time, time.monotonic()
after_s, jump_s = float(os.environ["CLOCK_AFTER_S"]), float(os.environ["CLOCK_JUMP_S"])
def jumping_time():
    return max(0.0, true_time() + (jump_s if time.monotonic() - began > after_s else 0))
time.time = jumping_time
"""
LATEST_START_S = 2.0


def jump(scene: Scene, seconds: float) -> None:
    """The clock of a run and its workers jumps; then the run is reported and resumed as usual."""
    folder = scene.folder / "clock"
    folder.mkdir()
    (folder / MODULE).write_text(JUMPING_CLOCK)
    variables = {
        "PYTHONPATH": str(folder),
        "CLOCK_AFTER_S": str(scene.rng.choice([0, scene.rng.uniform(0, LATEST_START_S)])),
        "CLOCK_JUMP_S": str(seconds),
    }
    scene.run(*scene.new_run(), variables=variables)
    scene.check_records()
    scene.inside("report", scene.run_folder, "--format", "csv,markdown")
    scene.complete()


KINDS: Mapping[str, Callable[[Scene], None]] = {
    "clock an hour back": partial(jump, seconds=-HOUR_S),
    "clock back to 1970": partial(jump, seconds=-100 * YEAR_S),
    "clock a century ahead": partial(jump, seconds=100 * YEAR_S),
}
