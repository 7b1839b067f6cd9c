"""The command line of `python -m studies.guard_rates`."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.records.machine import describe_machine, versions
from studies import guard_rates
from studies.guard_rates.collect import State, collect
from studies.guard_rates.compare_faults import compare_faults
from studies.guard_rates.durations import time_comparisons
from studies.guard_rates.tables import ORIGIN_FILE, pack, report


def main(arguments: Sequence[str]) -> None:
    """Run one of the commands."""
    options = _parser().parse_args(arguments)
    folder: Path = options.folder
    source = folder / ORIGIN_FILE
    if options.command != "table" and not source.exists():
        folder.mkdir(parents=True, exist_ok=True)
        source.write_text(origin() + "\n")
    if options.command == "collect":
        collect(folder, State(options.state), options.trials)
    elif options.command == "time":
        time_comparisons(folder, options.backends)
    elif options.command == "faults":
        compare_faults(folder, options.backends)
    else:
        pack(folder)
        text = report(folder)
        (folder / "table.md").write_text(text)
        print(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m studies.guard_rates",
        description=guard_rates.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["collect", "time", "faults", "table"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--state", default=State.QUIET, choices=list(State), type=State)
    parser.add_argument("--trials", type=int, default=60, help="how many, those recorded included")
    parser.add_argument(
        "--backends", nargs="+", default=["numpy", "torch"], help="for times and faults"
    )
    return parser


def origin() -> str:
    """The day, the machine and the versions."""
    installed = ", ".join(f"{name} {v}" for name, v in versions(("numpy", "torch")).items() if v)
    machine = describe_machine()
    today = time.strftime("%Y-%m-%d")
    return f"{today}; {machine['processor']}, {machine['cores']} cores; {installed}"


if __name__ == "__main__":
    main(sys.argv[1:])
