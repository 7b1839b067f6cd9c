"""The readers of files and command lines, as functions of any bytes.

Each returns whether the input is accepted, and refuses another one by the error that a command
turns into a message. Any other error is a fault of the reader.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.records.folder import RecordsError, RunFolder
from bench.spec import Unavailable
from studies.faults.commands import run_inside
from tasks._series.user_file import FILLS, FileSettings
from tasks._series.user_series import read_user_series

CODES = {0, 2, 3}
"""The exit codes of a command that plans."""
ROWS = "".join(f"2020-01-{day:02},{day % 7}.5,a\n" for day in range(1, 25))
SERIES = f"t,y,z\n{ROWS}".encode()
COMMAND_LINES = (
    "--tasks adding --cells lstm,gru --backends numpy --probes learning speed --phases step",
    "--tasks adding:length=20:hidden=8 --seeds 0 1 --dtypes float64 --threads 1 --layers 1 2",
    "--profile smoke --init uniform --forget-bias 1.5 --optimiser sgd --gru reset_before",
    "--budget 10m --jobs 1 --time-limit 5 --memory-limit 0.5 --directions 2 --run-id x",
    "--data none.csv --column y --time t --time-format %Y --where a=b --separator ; --fill linear",
    "--resume r",
    "--devices cpu cuda:1 auto --tasks forecasting:airline memory copy",
)


@dataclass(frozen=True)
class Readers:
    """The readers, with a folder for the files that they read."""

    folder: Path

    def records(self, data: bytes) -> bool:
        """Read a file of records; what is accepted can be written and read again."""
        run = RunFolder(self.folder)
        run.info_file.write_text('{"request": {}, "environments": {}}')
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
        """Plan a run from the words of a command line, which zeros separate."""
        words = data.decode("utf-8", "surrogateescape").split("\0")
        ended = run_inside(("run", *words, "--dry-run", "--results-dir", self.folder))
        if ended.code not in CODES or "Traceback" in ended.err:
            raise ValueError(f"exit code {ended.code}: {ended.err[-2000:]}")
        return ended.code == 0

    @property
    def targets(self) -> Mapping[str, Callable[[bytes], bool]]:
        """All readers by name."""
        return {
            "records": self.records,
            "info": self.info,
            "series": self.series,
            "command": self.command,
        }


def examples(target: str, run: Path) -> list[bytes]:
    """Inputs that a reader accepts, of which others are made; `run` is the folder of a run."""
    by_target = {
        "records": (run / "records.jsonl").read_bytes().splitlines(keepends=True),
        "info": [(run / "run.json").read_bytes()],
        "series": [bytes([choice]) + SERIES for choice in (0, 1, 3)],
        "command": [line.replace(" ", "\0").encode() for line in COMMAND_LINES],
    }
    return by_target[target]
