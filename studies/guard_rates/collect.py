"""Collect launches of a base and of heads that do extra work."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import backends
from bench.compare.defaults import PHASE_S, THREADS
from bench.compare.launches import control_unit, run_launches
from bench.options import Settings
from bench.plan.case import Case
from bench.plan.cases import Selection, plan_cases
from bench.plan.units import Unit
from bench.records.folder import RunFolder
from bench.run.display import SilentProgress
from bench.run.environment import worker_environment
from bench.run.process import Limits, WorkerCommand, worker_arguments
from bench.run.runner import Runner
from studies.json_lines import JsonLines
from tasks import adding, forecasting, memory

ROOT = Path(__file__).parents[2]
PLUGIN = "studies/guard_rates/injected_backend.py"
QUIET, BUSY = "quiet.jsonl", "busy.jsonl"
TASKS = (
    ("adding", adding.PROFILES["standard"]),
    ("adding", adding.PROFILES["paper"]),
    ("memory", memory.PROFILES["standard"]),
    ("forecasting", forecasting.PROFILES["standard"]),
)
"""A comparison covers the three cells of one task."""
BASE, CONTROL = "base", "control"
HEADS: Mapping[str, str] = {
    "same": "nothing",
    "5%": "work 0.05",
    "10%": "work 0.1",
    "20%": "work 0.2",
}
"""What `INJECT` says to the backend of a head."""
LIMITS = Limits(time_s=300, memory_bytes=8 << 30)
SPIN = "import numpy as np\na = np.ones((200, 200))\nwhile True: a @ a"
DIGITS = 4
"""Significant digits of a recorded time."""


def collect(folder: Path, heads: Sequence[str], blocks: int, busy: bool) -> None:
    """Record blocks until there are this many, including the blocks of earlier collections."""
    lines = JsonLines(folder / (BUSY if busy else QUIET))
    with spinning_process() if busy else nullcontext():
        for number in range(len(lines.read()), blocks):
            with TemporaryDirectory() as scratch:
                samples = asyncio.run(run_block(Path(scratch), [BASE, *heads], number))
            lines.append({"number": number, "launches": samples})


@contextmanager
def spinning_process() -> Iterator[None]:
    """A second process that keeps one processor busy."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", SPIN], env=environment)
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def run_block(folder: Path, sides: Sequence[str], number: int) -> dict[str, Any]:
    """One launch of each side: samples in seconds, by side and model.

    As in a comparison, two sides import side by side and are then timed one after the other, each
    followed by the control.
    """
    rng = random.Random(number)
    runners = {side: _runner(folder, side) for side in sides}
    cases = rng.sample(timed_cases(), len(timed_cases()))
    unit = Unit(PLUGIN, "cpu", THREADS, timed=True, cases=tuple(cases))
    order = rng.sample(list(runners), len(runners))
    for first in range(0, len(order), 2):
        work: list[tuple[Runner, Unit]] = []
        for runner in (runners[side] for side in order[first : first + 2]):
            runner.gate_failures.update(dict.fromkeys((case.model_key for case in cases), ""))
            work += [(runner, unit), (runner, control_unit(runner, unit, backends.REFERENCE))]
        await run_launches(work)
    return {side: _samples(runner) for side, runner in runners.items()}


def _runner(folder: Path, side: str) -> Runner:
    def command(unit: Unit, processors: Sequence[int]) -> WorkerCommand:
        entry = str(ROOT / "run_bench.py")
        environment = worker_environment(backends, unit.backend, len(processors))
        return WorkerCommand(
            [sys.executable, entry, *worker_arguments(unit.backend, processors)],
            {**environment, "INJECT": HEADS.get(side, "nothing")},
        )

    return Runner(RunFolder.create(folder, side, {}), command, LIMITS, SilentProgress(), {})


def _samples(runner: Runner) -> dict[str, list[float]]:
    samples = {}
    for record in runner.folder.records():
        assert record.status == "ok", record.reason
        (seconds,) = record.samples.values()
        name = model_name(Case.from_flat(record.case))
        samples[name] = [float(f"{s:.{DIGITS}g}") for s in seconds]
    return samples


def timed_cases() -> list[Case]:
    """The speed cases of one launch of the injected backend."""
    settings = Settings(
        probes=["speed"], launches=1, phases=["step"], phase_s=PHASE_S, threads=THREADS
    )
    selection = Selection(
        settings=settings, backends=[PLUGIN], tasks=TASKS, devices={PLUGIN: ["cpu"]}
    )
    return [case for case in plan_cases(selection) if case.probe == "speed"]


def model_name(case: Case) -> str:
    """`lstm adding 64`, with the units that distinguish two sizes of a task; or the control."""
    if case.probe == CONTROL:
        return CONTROL
    return f"{case.model.cell} {case.task.name} {case.model.hidden}"
