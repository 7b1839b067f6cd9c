"""Take the samples: in fresh processes, all candidates in a new order in each round."""

import os
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import backends
from bench.records import machine
from bench.records.speed_variables import speed_variables
from bench.run.environment import PINNED
from bench.run.status import StatusLine
from studies.json_lines import JsonLines
from studies.native.comparisons import Comparison, comparisons, family
from studies.native.processes import ROOT, CandidateFailed, FamilyProcess

PACKAGES = ("numpy", "torch", "tensorflow", "keras", "jax", "jaxlib", "optax", "flax", "equinox")
FEWEST_ROUNDS, MOST_ROUNDS = 4, 30
"""In one launch."""
PAUSE_S = 0.15
"""Pause before each sample: idle threads of the library that was timed last still spin, those of
NumPy's OpenBLAS for an eighth of a second."""

Entry = tuple[str, str]
"""A candidate's name and the phase that is timed."""


@dataclass(frozen=True, kw_only=True)
class NativeSettings:
    """What is measured; stored with the samples."""

    parts: Sequence[str]
    shapes: Sequence[str]
    cells: Sequence[str]
    frameworks: Sequence[str]
    launches: int
    seconds: float
    """The time for the rounds of one model in one launch."""
    threads: int
    device: str = "cpu"
    seed: int = 0

    def comparisons(self, shape: str, cell: str) -> list[Comparison]:
        """The chosen comparisons at one model."""
        return list(comparisons(shape, cell, self.parts, self.frameworks))

    def entries(self, shape: str, cell: str) -> list[Entry]:
        """Every candidate of the comparisons once, with its phase."""
        sides = [(c.phase, (*c.tested, *c.base)) for c in self.comparisons(shape, cell)]
        return list(dict.fromkeys((name, phase) for phase, names in sides for name in names))


def measure(settings: NativeSettings, file: Path) -> None:
    """Record the environment, then a line for each candidate, model and launch."""
    rng, lines = random.Random(settings.seed), JsonLines(file)
    models = [(s, c) for s in settings.shapes for c in settings.cells if settings.entries(s, c)]
    lines.clear()
    lines.append(environment(settings))
    with StatusLine() as status, (file.parent / "workers.log").open("wb") as log:
        for number in range(settings.launches):
            status.show(f"launch {number + 1} of {settings.launches}, {len(models)} models")
            rng.shuffle(models)
            for record in launch(settings, models, log, rng):
                lines.append({"launch": number, **record})


def environment(settings: NativeSettings) -> dict[str, Any]:
    """The settings, the machine, the variables that decide speed, and the versions."""
    return {
        "settings": asdict(settings),
        "machine": machine.describe_machine(),
        "variables": speed_variables(os.environ, backends.SPEED_VARIABLES, PINNED),
        "processors": machine.cpus()[: settings.threads],
        "python": sys.version.split()[0],
        "versions": machine.versions((*PACKAGES, "onnx", "onnxruntime", "ai-edge-litert")),
        **machine.commit(ROOT),
        "started": time.time(),
    }


def launch(
    settings: NativeSettings, models: Sequence[tuple[str, str]], log: IO[bytes], rng: random.Random
) -> Iterator[dict[str, Any]]:
    """A record of each candidate at each model, from fresh processes."""
    processors = machine.cpus()[: settings.threads]
    processes: dict[str, FamilyProcess] = {}
    try:
        for shape, cell in models:
            entries = settings.entries(shape, cell)
            for name in {family(name) for name, _ in entries}:
                if name not in processes or not processes[name].is_running:
                    processes[name] = FamilyProcess(name, processors, settings.device, log)
            session, start = ModelSession(processes, shape, cell, entries, rng), time.perf_counter()
            session.open(settings.threads)
            session.run_rounds(settings.seconds)
            seconds = time.perf_counter() - start
            progress = f"{shape} {cell}: {session.rounds} rounds, {seconds:.0f} s"
            print(progress, file=sys.stderr, flush=True)
            yield from session.records.values()
    finally:
        for process in processes.values():
            process.end()


class ModelSession:
    """All candidates at one model in one launch."""

    def __init__(
        self,
        processes: Mapping[str, FamilyProcess],
        shape: str,
        cell: str,
        entries: Sequence[Entry],
        rng: random.Random,
    ) -> None:
        self.processes, self.shape, self.cell, self.rng = processes, shape, cell, rng
        self.records: dict[Entry, dict[str, Any]] = {
            (name, phase): {"shape": shape, "cell": cell, "name": name, "phase": phase}
            for name, phase in entries
        }
        self.rounds = 0

    @property
    def _running(self) -> list[Entry]:
        """The candidates that have not failed."""
        return [entry for entry, record in self.records.items() if not record["error"]]

    def open(self, workers: int) -> None:
        """Compile and prove the candidates, in several processes at a time; then warm them up one
        after the other."""
        families = {family(name) for name, _ in self.records}
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(self._open_family, families))
        for entry in self._running:
            self._call("warm_up", entry)

    def _open_family(self, name: str) -> None:
        entries = [entry for entry in self.records if family(entry[0]) == name]
        try:
            answers = self.processes[name].call("open", self.shape, self.cell, entries)
        except CandidateFailed as failure:
            answers = [{"losses": [], "flop": 0, "error": str(failure)}] * len(entries)
        for entry, answer in zip(entries, answers, strict=True):
            self.records[entry] |= {**answer, "seconds": []}

    def run_rounds(self, seconds: float) -> None:
        """Sample round after round for this long, then drop all candidates."""
        end = time.perf_counter() + seconds
        while self.rounds < FEWEST_ROUNDS or (
            self.rounds < MOST_ROUNDS and time.perf_counter() < end
        ):
            self.rounds += 1
            for entry in round_order(self._running, self.rng):
                time.sleep(PAUSE_S)
                if (sample := self._call("sample", entry)) is not None:
                    self.records[entry]["seconds"].append(sample)
        for name in {family(name) for name, _ in self.records}:
            with suppress(CandidateFailed):
                self.processes[name].call("close")

    def _call(self, method: str, entry: Entry) -> Any:
        """The worker's answer, or None where the candidate failed, which its record then says."""
        try:
            return self.processes[family(entry[0])].call(method, *entry)
        except CandidateFailed as failure:
            self.records[entry]["error"] = str(failure)
            return None


def round_order(entries: Sequence[Entry], rng: random.Random) -> Iterator[Entry]:
    """A random order that keeps each family together, and an adapter beside its native
    counterpart."""
    by_family: dict[str, dict[Entry, list[Entry]]] = {}
    for name, phase in entries:
        pair = (name.removeprefix("native "), phase)
        by_family.setdefault(family(name), {}).setdefault(pair, []).append((name, phase))
    for pairs in rng.sample(list(by_family.values()), len(by_family)):
        for members in rng.sample(list(pairs.values()), len(pairs)):
            yield from rng.sample(members, len(members))
