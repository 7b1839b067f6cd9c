"""One try: its folders, its commands, and what it has found wrong."""

import json
import lzma
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from studies.faults.checks import (
    Ended,
    Problem,
    RecordData,
    Sort,
    doubled,
    left_behind,
    lost,
    not_kept,
    unclear,
)
from studies.faults.commands import ENTRY, LIMIT_S, Command, run_inside, start
from studies.faults.reference import NEW_RUN, PLUGIN, Reference

RUN = "r"
"""The name of the run of a try."""
KEPT_NAMES = {"records.jsonl", "records.jsonl.xz", "records.torn", "run.json", "lock", "workers"}
"""What the folder of a run may hold before a report is written."""
REPORT_NAMES = {"report", "table.md"}
POLL_S = 0.02


@dataclass
class Scene:
    """A try of one fault.

    `results` is the folder of its runs, `temporary` that of its temporary files. Every command is
    checked for its exit code and message when it ends.
    """

    folder: Path
    rng: Random
    reference: Reference
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        for folder in (self.results, self.temporary):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def temporary(self) -> Path:
        return self.folder / "temporary"

    @property
    def run_folder(self) -> Path:
        return self.results / RUN

    # ---- commands ----------------------------------------------------------------------------

    def start(
        self,
        *arguments: str | Path,
        variables: Mapping[str, str] | None = None,
        program: Sequence[str] = ENTRY,
        **options: Any,
    ) -> Command:
        """Start a command with these variables beside the present ones; `options` are those of
        `commands.start`."""
        environment = {**os.environ, "TMPDIR": str(self.temporary), **(variables or {})}
        return start(program, arguments, environment, **options)

    def end(self, command: Command, *codes: int, limit_s: float = LIMIT_S) -> Ended:
        """Wait for a command, which must end in time with one of these exit codes."""
        ended = command.end(limit_s)
        self.problems += unclear(ended, codes)
        return ended

    def run(
        self,
        *arguments: str | Path,
        codes: Sequence[int] = (0,),
        limit_s: float = LIMIT_S,
        **options: Any,
    ) -> Ended:
        """Run a command in a process of its own."""
        return self.end(self.start(*arguments, **options), *codes, limit_s=limit_s)

    def inside(self, *arguments: str | Path, codes: Sequence[int] = (0,)) -> Ended:
        """Run a command inside this process."""
        ended = run_inside(arguments)
        self.problems += unclear(ended, codes)
        return ended

    # ---- the run of the try ------------------------------------------------------------------

    def new_run(self) -> list[str | Path]:
        """The arguments of the run that is disturbed."""
        return [*NEW_RUN, "--results-dir", self.results, "--run-id", RUN]

    def next_run(self) -> list[str | Path]:
        """The arguments of the command that continues it, or begins it where it never began."""
        begun = (self.run_folder / "records.jsonl").exists()
        return self.resumed_run() if begun else self.new_run()

    def resumed_run(self) -> list[str | Path]:
        """The arguments that continue the run; they name its plug-in, which is trusted."""
        return ["--resume", RUN, "--backends", PLUGIN, "--results-dir", self.results]

    def complete(self, failures: int = 0, **options: Any) -> None:
        """Continue the run until its end, and check its records. `failures` is how many cases the
        fault may cost."""
        before = whole_lines(self.run_folder)
        self.run(*self.next_run(), codes=(0, 1) if failures else (0,), **options)
        self.problems += not_kept(before, whole_lines(self.run_folder))
        self.check_records(failures)

    def check_records(self, failures: int = 0) -> None:
        """Check that every case has its record, once."""
        records = self.records()
        self.problems += lost(self.reference.expected, records, failures) + doubled(records)

    def records(self) -> list[RecordData]:
        """The records of the run as they are written."""
        return records_of(self.run_folder)

    def copy_reference(self, name: str = RUN) -> Path:
        """Copy the undisturbed run, with its timed cases, into the folder of runs."""
        return Path(shutil.copytree(self.reference.path, self.results / name))

    # ---- problems ----------------------------------------------------------------------------

    def say(self, sort: Sort, text: str) -> None:
        """Report a problem."""
        self.problems.append(Problem(sort, text))

    def require(self, ended: Ended, *words: str) -> None:
        """Report a command whose output has none of these words."""
        if ended.code is not None and not any(word in ended.out + ended.err for word in words):
            last = (ended.err.strip() or ended.out.strip() or "(no output)").splitlines()[-1]
            self.say(Sort.UNCLEAR, f"{ended.command}: no word of {words[0]!r}; {last[:200]}")

    def check_files(self) -> None:
        """Report temporary files, and files that no command leaves in the folders of its runs."""
        temporary = [f"temporary file {path.name}" for path in self.temporary.iterdir()]
        drafts = [f"draft {path.name}" for path in self.results.glob(".*")]
        allowed = KEPT_NAMES | REPORT_NAMES
        files = [
            path
            for folder in self.results.glob("[!.]*/run.json")
            for path in folder.parent.iterdir()
        ]
        strange = [f"file {path.name} of a run" for path in files if path.name not in allowed]
        self.problems += left_behind([*temporary, *drafts, *strange])


def whole_lines(folder: Path) -> list[bytes]:
    """The recorded lines of a run, without a half-written last one."""
    packed, plain = folder / "records.jsonl.xz", folder / "records.jsonl"
    lines = lzma.decompress(packed.read_bytes()).splitlines() if packed.is_file() else []
    if plain.is_file():
        lines += plain.read_bytes().split(b"\n")[:-1]
    return list(dict.fromkeys(lines)) if packed.is_file() else lines


def records_of(folder: Path) -> list[RecordData]:
    """The records of a run as they are written."""
    return [json.loads(line) for line in whole_lines(folder)]


def wait_until(condition: Callable[[], bool], seconds: float = LIMIT_S) -> None:
    """Wait until the condition holds, or until the time is over."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(POLL_S)
