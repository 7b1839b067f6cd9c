"""The command line of `python -m studies.growth`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from studies import growth
from studies.growth.commands import COMMANDS
from studies.growth.measure import measure
from studies.growth.tables import report
from studies.guard_rates.__main__ import origin

ORIGIN_FILE = "origin.txt"


def main(arguments: Sequence[str]) -> None:
    """Run one of the commands."""
    options = _parser().parse_args(arguments)
    folder: Path = options.folder
    if options.command == "measure":
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ORIGIN_FILE).write_text(origin() + "\n")
        measure(
            folder,
            options.commands,
            options.counts,
            options.base,
            options.rounds,
            options.limit,
        )
    text = f"{report(folder)}\n{(folder / ORIGIN_FILE).read_text()}"
    (folder / "table.md").write_text(text)
    print(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m studies.growth",
        description=growth.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["measure", "table"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--base", metavar="REVISION", help="the revision to measure beside")
    parser.add_argument(
        "--commands", nargs="+", default=list(COMMANDS), choices=list(COMMANDS), metavar="NAME"
    )
    parser.add_argument("--counts", nargs="+", type=int, default=[], metavar="N")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=1800, help="seconds a command may take")
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
