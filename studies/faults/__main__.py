"""The command line of `python -m studies.faults`."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.records.machine import describe_machine, versions
from studies import faults
from studies.faults.checks import Sort
from studies.faults.kinds import MOUNTED, chosen_kinds
from studies.faults.table import ORIGIN_FILE, has_problems, table_page
from studies.faults.tries import run_tries


def main(arguments: Sequence[str]) -> int:
    """Try, record and write the table; return 1 if a try found a problem, 2 for wrong use."""
    options = _parser().parse_args(arguments)
    folder: Path = options.folder
    try:
        kinds = chosen_kinds(options.kinds)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ORIGIN_FILE).exists():
        (folder / ORIGIN_FILE).write_text(_origin() + "\n")
    if left_out := [name for name in MOUNTED if not options.kinds and name not in kinds]:
        print(f"not tried, because disks cannot be mounted here: {', '.join(left_out)}")
    failed = False
    for line in run_tries(folder, kinds, options.seed, options.tries):
        failed |= has_problems(line)
        problems = [f"\n  {sort.value}: {text}" for sort in Sort for text in line[sort.value]]
        print(f"{line['kind']}, try {line['number']}{''.join(problems) or ': well'}", flush=True)
    page = table_page(folder)
    (folder / "table.md").write_text(page)
    print(page)
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m studies.faults",
        description=faults.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--tries", type=int, default=5, help="of each kind, those recorded included; 0: the table"
    )
    parser.add_argument(
        "--kinds", nargs="+", default=[], metavar="WORD", help="only kinds with one of these words"
    )
    return parser


def _origin() -> str:
    """The day, the machine and the versions."""
    installed = ", ".join(f"{name} {version}" for name, version in versions(("numpy",)).items())
    machine = describe_machine()
    today = time.strftime("%Y-%m-%d")
    return f"{today}; {machine['processor']}, {machine['cores']} cores; {installed}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
