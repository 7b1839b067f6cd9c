"""Says on standard error which runs are incomplete."""

import sys
from collections.abc import Sequence

from bench.analysis.unfinished import missing_cases
from bench.records.folder import RunFolder
from bench.records.inert import inert
from bench.records.record import Record


def tell_missing_cases(folder: RunFolder, records: Sequence[Record]) -> None:
    """Print how many planned cases of a run are not among its records, if there are any."""
    if missing := missing_cases(records, folder.info()):
        print(f"run {inert(folder.id)} is {missing}", file=sys.stderr)
