"""The folder of a run: its records, and its description `run.json`."""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.records.checksum import described_with_checksum, without_checksum
from bench.records.info_check import check_info
from bench.records.launches import without_old_launches
from bench.records.lines import (
    append_line,
    packed_lines,
    parse_lines,
    split_lines,
    whole_lines,
    write_packed,
)
from bench.records.record import Record, without_nonfinite
from bench.records.storage import (
    RecordsError,
    locked,
    open_to_write,
    read_file,
    replace_file,
    storage_errors,
)

__all__ = ["RecordsError", "RunFolder", "storage_errors"]

MOST_INFO_BYTES = 1 << 28
"""Bytes of `run.json`, which holds an environment for each backend, task and version of its code.
"""


class RunFolder:
    """The files of one run.

    Records are appended to `records.jsonl`. `pack` moves them to `records.jsonl.xz`, for results
    that are published. Both files are read, the packed one first; a line that is in both counts
    once.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        """`name` replaces the folder's own name as the identity of the run."""
        self.path, self.id = path, name or Path(os.path.abspath(path)).name
        self.records_file, self.info_file = path / "records.jsonl", path / "run.json"
        self.packed_file = path / "records.jsonl.xz"
        self._is_here: Callable[[], bool] = lambda: True

    @classmethod
    def create(cls, root: Path, run_id: str, info: Mapping[str, Any]) -> "RunFolder":
        """Create a run. Its folder appears complete or not at all, however this process ends.
        Raises `RecordsError` where its `run.json` could not be read."""
        folder, draft = cls(root / run_id), cls(root / f".{run_id}-{os.getpid()}")
        folder.check_info(info)
        with storage_errors(f"cannot write to {folder.path}"):
            if folder.path.exists():
                raise RecordsError(
                    f"run {run_id} exists in {root}; continue it with --resume {run_id}"
                )
            try:
                draft.path.mkdir(parents=True)
                draft.write_info(info)
                draft.records_file.touch()
                draft.path.rename(folder.path)
            finally:
                shutil.rmtree(draft.path, ignore_errors=True)
        return folder

    @classmethod
    def existing(cls, root: Path, run_id: str) -> "RunFolder":
        """The folder of a run by its name below `root`, or by its path; `RecordsError` if there is
        none."""
        folder = cls(Path(run_id) if os.sep in run_id else root / run_id)
        with storage_errors(f"cannot read {folder.path}"):
            if folder.has_records():
                return folder
            is_here = bool(run_id) and cls(Path(run_id)).has_records()
        if os.sep in run_id:
            raise RecordsError(f"no run {run_id!r}")
        if is_here:
            raise RecordsError(f"no run {run_id!r} in {root}; for the folder here, say ./{run_id}")
        latest = sorted(run.id for run in cls.all(root))[-5:]
        hint = f"; the latest are {', '.join(latest)}" if latest else ""
        raise RecordsError(f"no run {run_id!r} in {root}{hint}")

    @classmethod
    def all(cls, root: Path) -> list["RunFolder"]:
        """Every run below a results folder once, whatever links lead to it, except drafts that a
        kill left behind."""
        files = [*root.glob("[!.]*/records.jsonl"), *root.glob("[!.]*/records.jsonl.xz")]
        paths = sorted({file.parent for file in files}, key=lambda path: (path.is_symlink(), path))
        first = {path.resolve(): path for path in reversed(paths)}
        return [cls(path) for path in sorted(first.values())]

    @classmethod
    def told_apart(cls, folders: Iterable["RunFolder"]) -> list["RunFolder"]:
        """Each folder once, with identities that differ: folders of one name are called by as much
        of the end of their paths as it takes, such as `monday/run` and `tuesday/run`."""
        paths = {folder.path.resolve(): folder.path for folder in folders}

        def names(length: int) -> list[str]:
            return ["/".join(path.parts[-length:]) for path in paths]

        length = 1
        while len(set(names(length))) < len(paths):
            length += 1
        return [cls(path, name) for path, name in zip(paths.values(), names(length), strict=True)]

    def has_records(self) -> bool:
        """Whether the folder has a file of records, even an empty one."""
        return self.records_file.is_file() or self.packed_file.is_file()

    # ---- run.json ----------------------------------------------------------------------------

    def info(self) -> dict[str, Any]:
        """The contents of `run.json`: the request, the machine, the environments."""
        content = read_file(self.info_file, MOST_INFO_BYTES)
        try:
            data = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise RecordsError(f"{self.info_file} cannot be read: {error}") from error
        if not isinstance(data, dict):
            raise RecordsError(f"{self.info_file} is damaged: not a JSON object")
        try:
            check_info(data)
            return without_checksum(data)
        except ValueError as error:
            raise RecordsError(f"{self.info_file} is damaged: {error}") from None

    def check_info(self, info: Mapping[str, Any]) -> None:
        """Raise `RecordsError` for contents of `run.json` that could not be read."""
        try:
            check_info(without_nonfinite(info))
        except ValueError as error:
            raise RecordsError(f"cannot write {self.info_file}: {error}") from None

    def request(self) -> dict[str, Any]:
        """The options that the run was started with, to plan the same cases again."""
        if not (request := self.info().get("request")):
            raise RecordsError(f"{self.info_file} is damaged: it lacks the request")
        return dict(request)

    def write_info(self, info: Mapping[str, Any]) -> None:
        """Replace `run.json` in one step: a kill leaves the old file or the new one."""
        self.check_info(info)
        self._check_place()
        text = json.dumps(described_with_checksum(without_nonfinite(info)), indent=1) + "\n"
        with storage_errors(f"cannot write to {self.info_file}"):
            replace_file(self.info_file, text.encode())

    # ---- records -----------------------------------------------------------------------------

    def records(self, reduced: Callable[[Record], Record] | None = None) -> list[Record]:
        """All records that count; `RecordsError` names a line that is not a whole record.

        A record belongs to the run that it is read from, whatever the folder was called before. A
        launch counts where the last launch of its model is of the same code. Every environment
        must be in `run.json`. Only what `reduced` returns for a record is kept in memory.
        """
        read: set[int] = set()
        records = parse_lines(packed_lines(self.packed_file), self.packed_file, reduced, read)
        records += parse_lines(self._whole_lines(), self.records_file, reduced, read)
        environments = self.info().get("environments", {}) if records else {}
        if foreign := {r.environment for r in records if r.environment} - environments.keys():
            raise RecordsError(
                f"{self.path} is damaged: a record names the environment {min(foreign)!r}, which "
                "run.json lacks, as it does where records of another run were added. Remove them"
            )
        renamed = [r if r.run == self.id else replace(r, run=self.id) for r in records]
        return without_old_launches(renamed, environments)

    def _whole_lines(self) -> Iterable[bytes]:
        """The lines of `records.jsonl`, one after the other; `RecordsError` for a half-written
        one."""
        if self.packed_file.is_file() and not self.records_file.exists():
            return ()
        advice = f"--resume {self.id} sets it aside and runs that case again."
        return whole_lines(self.records_file, advice)

    def append(self, record: Record) -> None:
        """Append a record and flush it to the disk; if that fails, leave no part of it."""
        self._check_place()
        with storage_errors(f"cannot write to {self.records_file}", "Recorded cases are kept"):
            append_line(self.records_file, record.to_json().encode())

    def set_torn_line_aside(self) -> bool:
        """Move a half-written last line to `records.torn`; return whether there was one."""
        lines, torn = self._lines()
        if not torn:
            return False
        parse_lines(lines, self.records_file)
        with storage_errors(f"cannot write to {self.path}"):
            records = open_to_write(self.records_file, "r+b")
            with records, open_to_write(self.path / "records.torn", "ab") as aside:
                aside.write(torn + b"\n")
                aside.flush()
                records.truncate(self.records_file.stat().st_size - len(torn))
        return True

    def pack(self) -> None:
        """Move all records to `records.jsonl.xz`. Call it with the lock held.

        A kill leaves every record in one of the two files or in both.
        """
        lines, torn = self._lines()
        if torn or not lines:
            return
        packed = list(packed_lines(self.packed_file))
        parse_lines(lines, self.records_file)
        in_packed = set(packed)
        write_packed(self.packed_file, [*packed, *(x for x in lines if x not in in_packed)])
        with storage_errors(f"cannot remove {self.records_file}"):
            self.records_file.unlink()

    def _lines(self) -> tuple[list[bytes], bytes]:
        """The whole lines of `records.jsonl`, and what follows the last of them."""
        if self.packed_file.is_file() and not self.records_file.exists():
            return [], b""
        return split_lines(read_file(self.records_file))

    def _check_place(self) -> None:
        if not self._is_here():
            raise RecordsError(
                f"cannot write to {self.path}: the folder of the run, or its file lock, "
                "was renamed, removed or replaced. Recorded cases are kept"
            )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock of the run: one process at a time writes to it. A folder that takes the
        place of the locked one is not written to."""
        with locked(self.path) as self._is_here:
            try:
                yield
            finally:
                self._is_here = lambda: True
