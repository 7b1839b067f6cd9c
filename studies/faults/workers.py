"""Faults: workers that crash, hang, send garbage, take memory, or leave processes behind."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from studies.faults.checks import Sort
from studies.faults.misbehaving_backend import MISDEEDS
from studies.faults.reference import CELLS, MODEL
from studies.faults.scene import RUN, Scene

LIMITS = ("--time-limit", "15", "--memory-limit", "0.6")
PROBES = ("parity", "learning", "gradients")
LATE = ("send_garbage_later", "close_input")
"""Misdeeds that show when the worker has answered its case: they may cost the next one."""
IMPORTS: Mapping[str, str] = {
    "exit at import": "import sys; sys.exit(0)",
    "end of the process at import": "import os; os._exit(0)",
    "interrupt at import": "raise KeyboardInterrupt",
    "wrong declarations": "from backends.numpy_backend import *\nREQUIRES = None",
    "error in unavailable()": (
        "from backends.numpy_backend import *\n"
        "def unavailable(device): raise RuntimeError('the driver is broken')"
    ),
}
"""What is in the adapter's file, by the kind of fault."""


def misbehave(scene: Scene, misdeed: str) -> None:
    """A misdeed in one case costs that case at most; no resumed run loses what is recorded."""
    probe, cell = scene.rng.choice(PROBES), scene.rng.choice(CELLS)
    fault = {"FAULT": f"{misdeed} {probe} {cell}"}
    scene.run(*scene.new_run(), *LIMITS, codes=(0, 1), variables=fault)
    scene.check_records(failures=1)
    failed = [record["case"] for record in scene.records() if record["status"] == "failed"]
    others = [case for case in failed if (case["probe"], case["cell"]) != (probe, cell)]
    if others and misdeed not in LATE:
        scene.say(Sort.LOST, f"the fault in {cell} {probe} failed {others}")
    scene.complete(failures=1)


def import_badly(scene: Scene, text: str) -> None:
    """An adapter that cannot be imported: a message that names it, and nothing is measured."""
    adapter = scene.folder / "adapter.py"
    adapter.write_text(text + "\n")
    words = [adapter if str(word).endswith("_backend.py") else word for word in MODEL]
    name = ("--results-dir", scene.results, "--run-id", RUN)
    ended = scene.run(*words, *name, *LIMITS, codes=(1, 2, 3))
    scene.require(ended, Path(adapter).name)
    if any(record["status"] == "ok" for record in scene.records()):
        scene.say(Sort.UNCLEAR, "a case of a broken adapter is recorded as ok")


KINDS: Mapping[str, Callable[[Scene], None]] = {
    **{f"worker: {name.replace('_', ' ')}": partial(misbehave, misdeed=name) for name in MISDEEDS},
    **{f"adapter: {name}": partial(import_badly, text=text) for name, text in IMPORTS.items()},
}
