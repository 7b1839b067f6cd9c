"""`python -m studies.native` measures and prints the table; `python -m studies.native report
FOLDER` prints the table of an earlier measurement."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.records.machine import processor_count
from studies import native
from studies.native.comparisons import FAMILIES, PARTS
from studies.native.problem import CELLS, SHAPES
from studies.native.processes import ROOT
from studies.native.rounds import NativeSettings, measure
from studies.native.tables import comparison_rows, markdown, read_finished

SAMPLES = "samples.jsonl"
DEFAULT_SHAPES = ("small", "braun-1x320", "fastrnns", "products", "single-step")


def main(arguments: Sequence[str]) -> int:
    """Measure, or read an earlier measurement; write and print its table; return the exit code."""
    if arguments[:1] == ["report"]:
        parser = argparse.ArgumentParser("python -m studies.native report")
        parser.add_argument("folder", type=Path, help="the --output of a measurement")
        return report(parser.parse_args(arguments[1:]).folder)
    options = vars(_parser().parse_args(arguments))
    started = time.strftime("%Y%m%d-%H%M%S")
    folder = options.pop("output") or ROOT / f"results/runs/native-{started}"
    folder.mkdir(parents=True, exist_ok=True)
    measure(NativeSettings(**options), folder / SAMPLES)
    return report(folder)


def report(folder: Path) -> int:
    """Write and print the table. Return 0 where every target was met, 1 where one was missed or a
    pair was not comparable, 3 where nothing was measured."""
    environment, records = read_finished(folder / SAMPLES)
    rng = np.random.default_rng(environment["settings"]["seed"])
    rows = comparison_rows(environment, records, rng)
    text = markdown(environment, rows)
    (folder / "table.md").write_text(text)
    print(text)
    if not any("ratio" in row for row in rows):
        return 3
    return int(bool({row["verdict"] for row in rows} & {"MISSED", "not comparable"}))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m studies.native",
        description=native.__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )

    def add_list(flag: str, choices: Sequence[str], default: Sequence[str], text: str) -> None:
        parser.add_argument(flag, nargs="+", choices=choices, default=list(default), help=text)

    claims = "; ".join(f"{letter}: {claim}" for letter, claim in PARTS.items())
    add_list("--parts", list(PARTS), list(PARTS), claims)
    add_list("--shapes", list(SHAPES), DEFAULT_SHAPES, "sizes of the model and its batch")
    add_list("--cells", CELLS, CELLS, "recurrent cells")
    add_list("--frameworks", list(FAMILIES), list(FAMILIES), "whose processes are started")
    parser.add_argument("--launches", type=int, default=2, help="fresh processes of each framework")
    parser.add_argument("--seconds", type=float, default=4.0, help="time for a model in a launch")
    parser.add_argument(
        "--threads", type=int, default=processor_count(), help="threads of each process"
    )
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for torch and jax")
    parser.add_argument("--seed", type=int, default=0, help="for the orders and the bootstrap")
    parser.add_argument("--output", type=Path, help="the folder; results/runs/native-TIME if unset")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
