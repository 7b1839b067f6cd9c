"""The undisturbed run that every disturbed one is compared with."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from studies.faults import small_study
from studies.faults.checks import RecordData
from studies.faults.commands import run_inside

PLUGIN = "studies/faults/misbehaving_backend.py"
CELLS = ("rnn", "gru")
MODEL = (
    *("--profile", "smoke", "--tasks", "adding:steps=2:length=5:held_out=10"),
    *("--backends", PLUGIN, "--cells", *CELLS, "--threads", "1"),
)
NEW_RUN = (*MODEL, "--probes", "learning", "gradients")
"""A run of six cases in one worker: each cell's proof, learning and gradients."""
WITH_TIMES = (*MODEL, "--probes", "learning", "gradients", "speed", "--phases", "step")
TIMED = "speed"


@dataclass(frozen=True)
class Reference:
    """The undisturbed runs below `root`; `seconds` is how long the run took."""

    root: Path
    seconds: float

    @property
    def path(self) -> Path:
        """The folder of the run."""
        return self.root / "r"

    @cached_property
    def records(self) -> Sequence[RecordData]:
        """All records, in their order."""
        lines = (self.path / "records.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    @cached_property
    def expected(self) -> Sequence[RecordData]:
        """The records that `NEW_RUN` gives."""
        return [record for record in self.records if record["probe"] != TIMED]

    @cached_property
    def tables(self) -> dict[str, str]:
        """The tables of the run, by file."""
        return report_tables(self.path, self.root / "tables")

    @cached_property
    def study(self) -> Path:
        """The folder of the undisturbed study, which runs when it is first asked for."""
        small_study.run(self.root / "studies")
        return self.root / "studies" / small_study.NAME


def undisturbed(root: Path) -> Reference:
    """Run everything once without a fault."""
    began = time.monotonic()
    arguments = (*WITH_TIMES, "--launches", "2", "--results-dir", root, "--run-id", "r")
    ended = run_inside(arguments)
    if ended.code != 0:
        raise RuntimeError(f"the undisturbed run failed: {ended.out}{ended.err}")
    return Reference(root, time.monotonic() - began)


def report_tables(run: Path, output: Path) -> dict[str, str]:
    """Write the report of a run; return its tables by file."""
    run_inside(("report", run, "--format", "csv,markdown", "--output", output))
    return read_tables(output)


def read_tables(folder: Path) -> dict[str, str]:
    """The tables in a folder, by file; none where there is no folder."""
    return {path.name: path.read_text() for path in sorted(folder.glob("*"))}
