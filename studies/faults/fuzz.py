"""Feeds odd files and command lines to the readers.

    python -m studies.faults.fuzz FOLDER records --inputs 1000000
    python -m studies.faults.fuzz FOLDER records --inputs 1000000 --coverage

Each input is a valid one with changes. With `--coverage`, atheris prefers inputs that reach new
code; it must be installed. An input that a reader neither accepts nor refuses with a message is
kept in `FOLDER/failures`; the counts are appended to `FOLDER/fuzz.jsonl`.
"""

import argparse
import multiprocessing
import random
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studies.json_lines import JsonLines

FUZZ_FILE = "fuzz.jsonl"
TARGETS = ("records", "info", "report", "series", "command")
INSTRUMENTED = ("bench", "tasks", "run_bench")
Read = Callable[[bytes], bool]


def main(arguments: Sequence[str]) -> int:
    """Feed a reader; return 1 where an input was neither accepted nor refused."""
    options = _parser().parse_args(arguments)
    with ExitStack() as stack:
        if options.coverage:
            import atheris

            stack.enter_context(atheris.instrument_imports(include=INSTRUMENTED))
        from studies.faults.fuzz_targets import Readers, examples
        from studies.faults.reference import undisturbed
    options.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="fuzz-") as scratch:
        run = undisturbed(Path(scratch) / "reference").path
        readers = Readers(Path(scratch) / "input", (run / "run.json").read_bytes())
        readers.folder.mkdir()
        feeder = Feeder(readers.targets[options.target], options.folder)
        feed_all = _feed_by_coverage if options.coverage else _feed_at_random
        feed_all(feeder, examples(options.target, run), options.inputs, options.seed)
    fed, accepted, failures = map(int, feeder.counts[:])
    JsonLines(options.folder / FUZZ_FILE).append(
        {
            "target": options.target,
            "by": "coverage" if options.coverage else "random",
            "seed": options.seed,
            "inputs": fed,
            "accepted": accepted,
            "failures": failures,
        }
    )
    return int(failures > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m studies.faults.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--coverage", action="store_true")
    return parser


class Feeder:
    """Feeds a reader, keeps the inputs that it does not survive, and counts: inputs, those that
    were accepted, and failures. The counts are shared with child processes."""

    def __init__(self, read: Read, folder: Path) -> None:
        self.read, self.failures = read, folder / "failures"
        self.counts: Any = multiprocessing.Array("q", 3)

    def feed(self, data: bytes) -> None:
        """Feed one input."""
        self.counts[0] += 1
        try:
            self.counts[1] += self.read(data)
        except Exception:  # noqa: BLE001 - any error is what is looked for
            self.counts[2] += 1
            self.failures.mkdir(exist_ok=True)
            kept = self.failures / sha256(data).hexdigest()[:16]
            if not kept.exists():
                kept.write_bytes(data)
                traceback.print_exc()


def _feed_at_random(feeder: Feeder, valid: Sequence[bytes], inputs: int, seed: int) -> None:
    from studies.faults.mutation import mutated

    rng = random.Random(seed)
    for _ in range(inputs):
        feeder.feed(mutated(valid, rng))


def _feed_by_coverage(feeder: Feeder, valid: Sequence[bytes], inputs: int, seed: int) -> None:
    """In a process of its own, because atheris ends the process when it has done."""
    child = multiprocessing.get_context("fork").Process(
        target=_feed_in_child, args=(feeder, valid, inputs, seed)
    )
    child.start()
    child.join()


def _feed_in_child(feeder: Feeder, valid: Sequence[bytes], inputs: int, seed: int) -> None:
    import atheris

    from studies.faults.mutation import mutated

    def change(data: bytes, most_bytes: int, number: int) -> bytes:
        rng = random.Random(number)
        if rng.random() < 0.5:
            return bytes(atheris.Mutate(data, most_bytes))
        return mutated([data] if data and rng.random() < 0.7 else valid, rng)[:most_bytes]

    with TemporaryDirectory(prefix="corpus-") as corpus:
        for number, data in enumerate(valid):
            (Path(corpus) / str(number)).write_bytes(data)
        options = [f"-runs={inputs}", f"-seed={seed + 1}", "-max_len=20000", "-verbosity=0", corpus]
        atheris.Setup([sys.argv[0], *options], feeder.feed, custom_mutator=change)
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
