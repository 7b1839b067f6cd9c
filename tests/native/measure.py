"""Takes the samples: fresh processes, everyone in turn in a new order each round."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Timer
from typing import IO, Any

from bench.records import machine
from bench.run.worker import environment_variables

from .comparisons import Comparison, comparisons, family

ROOT = Path(__file__).parents[2]
PACKAGES = ("numpy", "torch", "tensorflow", "keras", "jax", "jaxlib", "optax", "flax", "equinox")
KERAS = {"jax": "jax", "tensorflow": "tensorflow", "torch": "torch"}
"""What Keras computes with in each family's process."""
LEAST, MOST = 4, 30
"""Rounds in a launch."""
LIMIT_S = 300.0
PAUSE_S = 0.03
"""Before another than the last is timed, whose idle threads spin for a while yet."""

Entry = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Settings:
    parts: Sequence[str]
    shapes: Sequence[str]
    cells: Sequence[str]
    frameworks: Sequence[str]
    launches: int
    seconds: float
    """Of rounds, for each model in each launch."""
    threads: int
    device: str = "cpu"
    seed: int = 0

    def comparisons(self, shape: str, cell: str) -> list[Comparison]:
        return list(comparisons(shape, cell, self.parts, self.frameworks))

    def entries(self, shape: str, cell: str) -> list[Entry]:
        """Everyone in any of the comparisons, as name and phase, once."""
        both = [(c.phase, (*c.ours, *c.base)) for c in self.comparisons(shape, cell)]
        return list(dict.fromkeys((name, phase) for phase, names in both for name in names))


def measure(settings: Settings, file: Path) -> None:
    """Write what ran it, then a line for each contestant, model and launch."""
    rng = random.Random(settings.seed)
    models = [(s, c) for s in settings.shapes for c in settings.cells if settings.entries(s, c)]
    with file.open("w") as out, (file.parent / "workers.log").open("wb") as log:
        _write(out, environment(settings))
        for number in range(settings.launches):
            rng.shuffle(models)
            for record in launch(settings, models, log, rng):
                _write(out, {"launch": number, **record})


def environment(settings: Settings) -> dict[str, Any]:
    return {
        "settings": asdict(settings),
        "machine": machine.describe_machine(),
        "processors": machine.cpus()[: settings.threads],
        "python": sys.version.split()[0],
        "versions": machine.versions((*PACKAGES, "onnx", "onnxruntime")),
        **machine.commit(ROOT),
        "started": time.time(),
    }


def _write(out: IO[str], record: Mapping[str, Any]) -> None:
    out.write(json.dumps(record) + "\n")
    out.flush()


class Lost(Exception):
    """A contestant failed, or its process died; the message says how."""


class Process:
    """A worker of one family."""

    def __init__(self, name: str, processors: Sequence[int], device: str, log: IO[bytes]) -> None:
        keras = {"KERAS_BACKEND": KERAS[name]} if name in KERAS else {}
        where = [str(os.getpid()), ",".join(map(str, processors)), device]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.native.worker", *where],
            cwd=ROOT,
            env={**os.environ, **environment_variables(len(processors)), **keras},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )

    def ask(self, *question: Any) -> Any:
        """The worker's answer; `Lost` where it has none."""
        assert self.process.stdin and self.process.stdout
        watch = Timer(LIMIT_S, self.process.kill)
        watch.start()
        try:
            print(json.dumps(question), file=self.process.stdin, flush=True)
            answer = json.loads(self.process.stdout.readline())
        except (OSError, ValueError):
            raise Lost(f"its process died (exit code {self.process.wait()})") from None
        finally:
            watch.cancel()
        if "error" in answer:
            raise Lost(answer["error"])
        return answer["value"]

    def end(self) -> None:
        assert self.process.stdin and self.process.stdout
        with suppress(OSError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def launch(
    settings: Settings, models: Sequence[tuple[str, str]], log: IO[bytes], rng: random.Random
) -> Iterator[dict[str, Any]]:
    """A record of each contestant at each model, from processes of this launch's own."""
    processors = machine.cpus()[: settings.threads]
    processes: dict[str, Process] = {}
    try:
        for shape, cell in models:
            entries = settings.entries(shape, cell)
            for name in {family(name) for name, _ in entries}:
                if name not in processes or processes[name].process.poll() is not None:
                    processes[name] = Process(name, processors, settings.device, log)
            bout, began = Bout(processes, shape, cell, entries, rng), time.perf_counter()
            bout.open(settings.threads)
            bout.fight(settings.seconds)
            took = f"{bout.rounds} rounds, {time.perf_counter() - began:.0f} s"
            print(f"{shape} {cell}: {took}", file=sys.stderr, flush=True)
            yield from bout.records.values()
    finally:
        for process in processes.values():
            process.end()


class Bout:
    """Everyone at one model in one launch."""

    def __init__(
        self,
        processes: Mapping[str, Process],
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
    def standing(self) -> list[Entry]:
        return [entry for entry, record in self.records.items() if not record["error"]]

    def open(self, at_once: int) -> None:
        """Compiled and proven in several processes at a time, warmed up one after the other."""
        chosen = {family(name) for name, _ in self.records}
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(self._open, chosen))
        for entry in self.standing:
            self._asked("warm", entry)

    def _open(self, name: str) -> None:
        own = [entry for entry in self.records if family(entry[0]) == name]
        try:
            answers = self.processes[name].ask("open", self.shape, self.cell, own)
        except Lost as lost:
            answers = [{"losses": [], "flop": 0, "error": str(lost)}] * len(own)
        for entry, answer in zip(own, answers, strict=True):
            self.records[entry] |= {**answer, "seconds": []}

    def fight(self, seconds: float) -> None:
        """Rounds for so long, then everyone's session is closed."""
        end = time.perf_counter() + seconds
        while self.rounds < LEAST or (self.rounds < MOST and time.perf_counter() < end):
            self.rounds += 1
            for entry in in_turn(self.standing, self.rng):
                time.sleep(PAUSE_S)
                if (sample := self._asked("sample", entry)) is not None:
                    self.records[entry]["seconds"].append(sample)
        for name in {family(name) for name, _ in self.records}:
            with suppress(Lost):
                self.processes[name].ask("close")

    def _asked(self, question: str, entry: Entry) -> Any:
        try:
            return self.processes[family(entry[0])].ask(question, *entry)
        except Lost as lost:
            self.records[entry]["error"] = str(lost)


def in_turn(entries: Sequence[Entry], rng: random.Random) -> Iterator[Entry]:
    """Shuffled, but those of a family one after another, and an adapter beside its native."""
    below: dict[str, dict[Entry, list[Entry]]] = {}
    for name, phase in entries:
        pair = (name.removeprefix("native "), phase)
        below.setdefault(family(name), {}).setdefault(pair, []).append((name, phase))
    for pairs in rng.sample(list(below.values()), len(below)):
        for pair in rng.sample(list(pairs.values()), len(pairs)):
            yield from rng.sample(pair, len(pair))
