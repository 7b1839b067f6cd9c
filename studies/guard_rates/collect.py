"""Collect launches of a base and of heads that do extra work."""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
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
from bench.records import machine
from bench.records.folder import RunFolder
from bench.run.display import SilentProgress
from bench.run.environment import worker_environment
from bench.run.limits import Limits
from bench.run.runner import Runner
from bench.run.worker_command import WorkerCommand, worker_arguments
from studies.guard_rates.calibrate import corrected_products, products_for
from studies.json_lines import JsonLines
from tasks import adding

ROOT = Path(__file__).parents[2]
PLUGIN = "studies/guard_rates/injected_backend.py"
TASK: tuple[str, Any] = ("adding", adding.PROFILES["short"])
"""The task of a comparison unless the user says otherwise; a comparison covers three cells."""
BASE, SAME, CONTROL = "base", "same", "control"
EFFECTS: Mapping[str, float] = {"+3%": 0.03, "+5%": 0.05, "+7%": 0.07, "+10%": 0.1, "+20%": 0.2}
"""The heads that do extra work, by the share that it adds to the time of an update."""
PRODUCTS_FILE = "products.json"
"""The number of products that adds each share, by model."""
Products = Mapping[str, Mapping[str, int]]
"""The number of products by model and effect."""
CORRECTION_TRIALS = 16
"""Trials that correct the calibration."""
FIRST_CORRECTION = 10_000
"""The number of the first of them: their orders are not those of a recorded trial."""
LIMITS = Limits(time_s=300, memory_bytes=8 << 30)
DIGITS = 4
"""Significant digits of a recorded time."""


class State(StrEnum):
    """What else the machine does during a collection."""

    QUIET = "quiet"
    """Nothing."""
    BUSY = "busy"
    """A second process keeps one of the processors busy, whichever the kernel gives it."""
    BIMODAL = "bimodal"
    """A second process works and sleeps by turns on the processor of the timed processes, for two
    seconds on average: their speed jumps between two levels."""

    @property
    def file(self) -> str:
        """The name of its records."""
        return f"{self.value}.jsonl"


SPIN = "import numpy as np\na = np.ones((200, 200))\nwhile True: a @ a"
SPIN_BY_TURNS = """
import os, random, sys, time
import numpy as np
os.sched_setaffinity(0, {int(sys.argv[1])})
a, rng = np.ones((200, 200)), random.Random(0)
while True:
    end = time.monotonic() + rng.expovariate(0.5)
    while time.monotonic() < end: a @ a
    time.sleep(rng.expovariate(0.5))
"""


def collect(folder: Path, state: State, trials: int) -> None:
    """Record trials until there are this many, including those of earlier collections."""
    products = _calibrated_products(folder / PRODUCTS_FILE)
    lines = JsonLines(folder / state.file)
    numbers = range(len(lines.read()), trials)
    with disturbance(state):
        for number, launches in zip(numbers, _trials(products, numbers), strict=True):
            lines.append({"number": number, "launches": launches})


def _calibrated_products(file: Path) -> Products:
    """The products of each effect by model: measured once, before the first collection."""
    if not file.exists():
        first = {model_name(case): products_for(case, TASK[1], EFFECTS) for case in timed_cases()}
        trials = list(_trials(first, range(FIRST_CORRECTION, FIRST_CORRECTION + CORRECTION_TRIALS)))
        products = {
            model: corrected_products(
                first[model],
                EFFECTS,
                [{side: models[model] for side, models in trial.items()} for trial in trials],
                (BASE, SAME),
            )
            for model in first
        }
        file.write_text(json.dumps(products, indent=1) + "\n")
    loaded: Products = json.loads(file.read_text())
    return loaded


def _trials(products: Products, numbers: Iterable[int]) -> Iterator[dict[str, Any]]:
    """The launches of each trial, by side and model."""
    for number in numbers:
        with TemporaryDirectory() as scratch:
            yield asyncio.run(run_trial(Path(scratch), products, number))


@contextmanager
def disturbance(state: State) -> Iterator[None]:
    """A second process that disturbs the machine; none on a quiet machine."""
    if state == State.QUIET:
        yield
        return
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    program = SPIN if state == State.BUSY else SPIN_BY_TURNS
    command = [sys.executable, "-c", program, str(machine.cpus()[0])]
    process = subprocess.Popen(command, env=environment)
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def run_trial(folder: Path, products: Products, number: int) -> dict[str, Any]:
    """One launch of the base and of each head: the samples of each model by side.

    As in a comparison, the sides take turns within each case, in an order that is drawn anew for
    each trial, and so does the control after them.
    """
    rng = random.Random(number)
    cases = rng.sample(timed_cases(), len(timed_cases()))
    unit = Unit(PLUGIN, "cpu", THREADS, timed=True, cases=tuple(cases))
    sides = rng.sample([BASE, SAME, *EFFECTS], 2 + len(EFFECTS))
    runners = {side: _runner(folder, side, products) for side in sides}
    for runner in runners.values():
        runner.gate_failures.update(dict.fromkeys((case.model_key for case in cases), ""))
    await run_launches(
        [(runner, unit) for runner in runners.values()],
        [(runner, control_unit(runner, unit, backends.REFERENCE)) for runner in runners.values()],
    )
    return {side: _samples(runner) for side, runner in runners.items()}


def _runner(folder: Path, side: str, products: Products) -> Runner:
    counts = [
        f"{case.model.cell}={products[model_name(case)].get(side, 0)}" for case in timed_cases()
    ]

    def command(unit: Unit, processors: Sequence[int]) -> WorkerCommand:
        entry = str(ROOT / "run_bench.py")
        environment = worker_environment(backends, unit.backend, len(processors))
        return WorkerCommand(
            [sys.executable, entry, *worker_arguments(unit.backend, processors)],
            {**environment, "INJECT": " ".join(["work", *counts])},
        )

    return Runner(RunFolder.create(folder, side, {}), command, LIMITS, SilentProgress(), {})


def _samples(runner: Runner) -> dict[str, list[list[float]]]:
    """The samples in seconds by model, block after block."""
    samples = {}
    for record in runner.folder.records():
        assert record.status == "ok", record.reason
        ((phase, seconds),) = record.samples.items()
        size = int(record.metrics[f"{phase}_block"] or 1)
        rounded = [float(f"{s:.{DIGITS}g}") for s in seconds]
        name = model_name(Case.from_flat(record.case))
        samples[name] = [rounded[first : first + size] for first in range(0, len(rounded), size)]
    return samples


def timed_cases() -> list[Case]:
    """The speed cases of one launch of the injected backend."""
    settings = Settings(
        probes=["speed"], launches=1, phases=["step"], phase_s=PHASE_S, threads=THREADS
    )
    selection = Selection(
        settings=settings, backends=[PLUGIN], tasks=[TASK], devices={PLUGIN: ["cpu"]}
    )
    return [case for case in plan_cases(selection) if case.probe == "speed"]


def model_name(case: Case) -> str:
    """The cell, or the control."""
    return CONTROL if case.probe == CONTROL else case.model.cell
