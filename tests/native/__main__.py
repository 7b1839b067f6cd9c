"""`python -m tests.native` measures and prints the table; `python -m tests.native report FOLDER`
prints it again."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.records.machine import cpus

from .comparisons import FAMILIES, PARTS
from .measure import ROOT, Settings, measure
from .problem import CELLS, SHAPES
from .table import markdown, read, table

SAMPLES = "samples.jsonl"
SHAPES_WANTED = ("small", "braun-1x320", "fastrnns", "products")


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["report"]:
        parser = argparse.ArgumentParser("tests.native report")
        parser.add_argument("folder", type=Path, help="what a run was told as --output")
        return report(parser.parse_args(arguments[1:]).folder)
    chosen = vars(_parser().parse_args(arguments))
    folder = chosen.pop("output") or ROOT / f"results/runs/native-{time.strftime('%Y%m%d-%H%M%S')}"
    folder.mkdir(parents=True, exist_ok=True)
    measure(Settings(**chosen), folder / SAMPLES)
    return report(folder)


def report(folder: Path) -> int:
    """0 where every target was met, 1 where one was missed or a pair not comparable, 3 where
    nothing was measured."""
    environment, records = read(folder / SAMPLES)
    rows = table(environment, records, np.random.default_rng(environment["settings"]["seed"]))
    text = markdown(environment, rows)
    (folder / "table.md").write_text(text)
    print(text)
    verdicts = {row["verdict"] for row in rows}
    if not any("ratio" in row for row in rows):
        return 3
    return int(bool(verdicts & {"MISSED", "not comparable"}))


def _parser() -> argparse.ArgumentParser:
    claims = "; ".join(f"{part}: {claim}" for part, claim in PARTS.items())
    parser = argparse.ArgumentParser(
        "python -m tests.native",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )

    def several(flag: str, known: Sequence[str], wanted: Sequence[str], text: str) -> None:
        parser.add_argument(flag, nargs="+", choices=known, default=list(wanted), help=text)

    several("--parts", list(PARTS), list(PARTS), claims)
    several("--shapes", list(SHAPES), SHAPES_WANTED, "sizes of the model and its batch")
    several("--cells", CELLS, CELLS, "kinds of layer")
    several("--frameworks", list(FAMILIES), list(FAMILIES), "whose processes to start")
    parser.add_argument("--launches", type=int, default=2, help="fresh processes of each family")
    parser.add_argument("--seconds", type=float, default=4.0, help="of rounds, a model and launch")
    parser.add_argument("--threads", type=int, default=len(cpus()), help="of each process")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for torch and jax")
    parser.add_argument("--seed", type=int, default=0, help="of orders and bootstrap")
    parser.add_argument("--output", type=Path, help="the folder; results/runs/native-TIME if none")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
