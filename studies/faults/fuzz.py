"""Feeds odd files and command lines to the readers.

    python -m studies.faults.fuzz FOLDER records --inputs 1000000

Each input is a valid one with changes. An input that a reader neither accepts nor refuses with a
message is kept in `FOLDER/failures`; the counts are appended to `FOLDER/fuzz.jsonl`.
"""

import argparse
import random
import sys
import traceback
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from studies.faults.fuzz_targets import Readers, examples
from studies.faults.mutation import mutated
from studies.faults.reference import undisturbed
from studies.json_lines import JsonLines

FUZZ_FILE = "fuzz.jsonl"
TARGETS = ("records", "info", "series", "command")


def main(arguments: Sequence[str]) -> int:
    """Feed a reader; return 1 where an input was neither accepted nor refused."""
    parser = argparse.ArgumentParser(
        "python -m studies.faults.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="fuzz-") as scratch:
        run = undisturbed(Path(scratch) / "reference").path
        readers = Readers(Path(scratch) / "input")
        readers.folder.mkdir()
        valid = examples(options.target, run)
        rng = random.Random(options.seed)
        accepted = failed = 0
        for _ in range(options.inputs):
            outcome = feed(readers.targets[options.target], mutated(valid, rng), options.folder)
            accepted += outcome is True
            failed += outcome is None
    counts = {"target": options.target, "inputs": options.inputs, "seed": options.seed}
    JsonLines(options.folder / FUZZ_FILE).append(
        {**counts, "accepted": accepted, "failures": failed}
    )
    return int(failed > 0)


def feed(read: Callable[[bytes], bool], data: bytes, folder: Path) -> bool | None:
    """Whether the reader accepts an input; None where it fails, and the input is kept."""
    try:
        return read(data)
    except Exception:  # noqa: BLE001 - any error is what is looked for
        failures = folder / "failures"
        failures.mkdir(exist_ok=True)
        name = failures / sha256(data).hexdigest()[:16]
        if not name.exists():
            name.write_bytes(data)
            traceback.print_exc()
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
