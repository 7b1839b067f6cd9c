"""The readers of files and command lines, as functions of any bytes.

Each returns whether the input is accepted, and refuses another one by the error that a command
turns into a message. Any other error is a fault of the reader.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np

from bench.records import checksum
from bench.records.folder import RecordsError, RunFolder
from bench.run import run_command
from bench.spec import Unavailable
from studies.faults.commands import run_inside
from tasks._series.user_file import FILLS, FileSettings
from tasks._series.user_series import read_user_series

CODES = {0, 2, 3}
"""The exit codes of a command that plans or reports."""
ROWS = "".join(f"2020-01-{day:02},{day % 7}.5,a\n" for day in range(1, 25))
SERIES = f"t,y,z\n{ROWS}".encode()
COMMAND_LINES = (
    "--tasks adding --cells lstm,gru --backends numpy --probes learning speed --phases step",
    "--tasks adding:length=20 --backends numpy --seeds 0 1 --dtypes float64 --threads 1 --layers 2",
    "--profile smoke --init uniform --forget-bias 1.5 --optimiser sgd --backends numpy torch",
    "--budget 10m --jobs 1 --time-limit 5 --memory-limit 0.5 --directions 2 --backends jax",
    "--data none.csv --column y --time t --time-format %Y --where a=b --separator ; --fill linear",
    "--resume r --run-id x --gru reset_before",
    "--devices cpu cuda:1 auto --backends numpy --tasks forecasting:airline memory copy",
)


@dataclass(frozen=True)
class Readers:
    """The readers, with a folder for the files that they read."""

    folder: Path
    description: bytes
    """The `run.json` of the run whose records are changed."""

    def records(self, data: bytes) -> bool:
        """Read a file of records; what is accepted can be written and read again."""
        run = RunFolder(self.folder)
        run.info_file.write_bytes(self.description)
        run.records_file.write_bytes(data)
        try:
            lines = list(dict.fromkeys(record.to_json() for record in run.records()))
        except RecordsError:
            return False
        run.records_file.write_text("".join(f"{line}\n" for line in lines))
        if lines != [record.to_json() for record in run.records()]:
            raise ValueError("the records change when they are written and read again")
        return True

    def info(self, data: bytes) -> bool:
        """Read the description of a run."""
        run = RunFolder(self.folder)
        run.info_file.write_bytes(data)
        try:
            json.dumps(run.info())
        except RecordsError:
            return False
        return True

    def report(self, data: bytes) -> bool:
        """Write all tables of a run: the first line is its description, the others its records."""
        run = RunFolder(self.folder)
        info, _, records = data.partition(b"\n")
        run.info_file.write_bytes(info)
        run.records_file.write_bytes(records)
        output = self.folder / "report"
        return self._accepts(
            ("report", self.folder, "--format", "csv,markdown,latex", "--output", output)
        )

    def series(self, data: bytes) -> bool:
        """Read a column of a CSV file; the first byte chooses how."""
        choice, file = (data[0] if data else 0), self.folder / "series.csv"
        file.write_bytes(data[1:])
        settings = FileSettings(
            data=str(file),
            column="y",
            time_column="t" if choice & 1 else "",
            fill=("", *FILLS)[choice // 2 % 3],
            separator=";" if choice & 16 else ",",
            decimal="," if choice & 32 else ".",
        )
        try:
            values = read_user_series.__wrapped__(settings).values
        except Unavailable:
            return False
        if not np.isfinite(values).all() or len(values) < 2:
            raise ValueError(f"an unusable series is accepted: {values}")
        return True

    def command(self, data: bytes) -> bool:
        """Plan a run from the words of a command line, which zeros separate, without records of
        earlier runs: reading them would take most of the time."""
        words = data.decode("utf-8", "surrogateescape").split("\0")
        with patch.object(run_command, "earlier_costs", lambda entry, root: [{}, {}]):
            return self._accepts(("run", *words, "--dry-run", "--results-dir", self.folder))

    def _accepts(self, arguments: Sequence[str | Path]) -> bool:
        """Whether a command does what it is asked; ValueError unless it does or refuses."""
        ended = run_inside(arguments)
        if ended.code not in CODES or "Traceback" in ended.err:
            raise ValueError(f"exit code {ended.code}: {ended.err[-2000:]}")
        return ended.code == 0

    @property
    def targets(self) -> Mapping[str, Callable[[bytes], bool]]:
        """All readers by name."""
        return {
            "records": self.records,
            "info": self.info,
            "report": self.report,
            "series": self.series,
            "command": self.command,
        }


def examples(target: str, run: Path) -> list[bytes]:
    """Inputs that a reader accepts, of which others are made; `run` is the folder of a run.

    Those without a checksum lead deeper, because a changed value can pass.
    """
    info, records = (run / "run.json").read_bytes(), (run / "records.jsonl").read_bytes()
    bare_info, *bare = map(_without_checksum, (info, *records.splitlines()))
    by_target = {
        "records": [*records.splitlines(keepends=True), *bare],
        "info": [info, bare_info],
        "report": [bare_info + b"".join(bare)],
        "series": [bytes([choice]) + SERIES for choice in (0, 1, 3)],
        "command": [line.replace(" ", "\0").encode() for line in COMMAND_LINES],
    }
    return by_target[target]


def _without_checksum(content: bytes) -> bytes:
    data = json.loads(content)
    del data[checksum.NAME]
    return checksum.canonical(data).encode() + b"\n"
