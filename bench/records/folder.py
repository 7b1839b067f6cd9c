"""The folder of a run: records appended line by line and read back strictly, and `run.json`."""

import fcntl
import json
import lzma
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from bench.records.record import Record, parse_record, without_nonfinite

INFO_TYPES: Mapping[str, Any] = {"request": dict, "environments": dict, "sessions_s": list}
"""Types of the fields of `run.json` that are read back."""


class RecordsError(Exception):
    """A run's folder or its records cannot be used; the message says why and what to do."""


class RunFolder:
    """The files of one run.

    Records are appended to `records.jsonl`. `pack` moves them to `records.jsonl.xz`, for results
    that are published; both files are read, the packed one first.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.id = path, path.name
        self.records_file, self.info_file = path / "records.jsonl", path / "run.json"
        self.packed_file = path / "records.jsonl.xz"

    @classmethod
    def create(cls, root: Path, run_id: str, info: Mapping[str, Any]) -> "RunFolder":
        """A new run. Its folder appears whole or not at all, however this process ends."""
        folder, draft = cls(root / run_id), cls(root / f".{run_id}-{os.getpid()}")
        with storage_errors(f"cannot write to {folder.path}"):
            if folder.path.exists():
                raise RecordsError(
                    f"run {run_id} exists in {root}; go on with it by --resume {run_id}"
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
        """The folder of a run by its name below `root`, or by its path; `RecordsError` where
        there is none."""
        folder = cls(Path(run_id) if os.sep in run_id else root / run_id)
        with storage_errors(f"cannot read {folder.path}"):
            if folder.has_records():
                return folder
        if os.sep in run_id:
            raise RecordsError(f"no run {run_id!r}")
        latest = sorted(run.id for run in cls.all(root))[-5:]
        hint = f"; the latest are {', '.join(latest)}" if latest else ""
        raise RecordsError(f"no run {run_id!r} in {root}{hint}")

    @classmethod
    def all(cls, root: Path) -> list["RunFolder"]:
        """Every run below a results folder; drafts that a kill left behind do not count."""
        files = [*root.glob("[!.]*/records.jsonl"), *root.glob("[!.]*/records.jsonl.xz")]
        return [cls(path) for path in sorted({file.parent for file in files})]

    def has_records(self) -> bool:
        """Whether the folder has a file of records, if only an empty one."""
        return self.records_file.is_file() or self.packed_file.is_file()

    # ---- run.json ----------------------------------------------------------------------------

    def info(self) -> dict[str, Any]:
        """What `run.json` holds: the request, the machine, the environments."""
        try:
            data = json.loads(self.info_file.read_bytes())
        except (OSError, ValueError) as error:
            raise RecordsError(f"{self.info_file} cannot be read: {error}") from error
        if not isinstance(data, dict):
            raise RecordsError(f"{self.info_file} is damaged: not a JSON object")
        for name, types in INFO_TYPES.items():
            if not isinstance(value := data.get(name, types()), types):
                raise RecordsError(f"{self.info_file} is damaged: {name} is {value!r:.60}")
        return data

    def request(self) -> dict[str, Any]:
        """What the run was asked for, to plan the same cases again."""
        if not (request := self.info().get("request")):
            raise RecordsError(f"{self.info_file} is damaged: it lacks what the run was asked for")
        return dict(request)

    def write_info(self, info: Mapping[str, Any]) -> None:
        """Replace run.json in one step: a kill leaves the old one or the new one."""
        draft = self.info_file.with_suffix(".tmp")
        with storage_errors(f"cannot write to {self.info_file}"):
            draft.write_text(json.dumps(without_nonfinite(info), indent=1) + "\n")
            draft.replace(self.info_file)

    # ---- records -----------------------------------------------------------------------------

    def records(self) -> list[Record]:
        """All records; `RecordsError` names a line that is not a whole record."""
        packed = self._parse(self._packed_lines(), self.packed_file)
        lines, torn = self._lines()
        records = packed + self._parse(lines, self.records_file)
        if torn:
            raise RecordsError(
                f"{self.records_file}, line {len(lines) + 1} is half-written (the run was killed "
                f"while writing it). Nothing was changed; --resume {self.id} sets it aside and "
                "runs that case again."
            )
        return records

    def append(self, record: Record) -> None:
        """Write one line and flush it to the disk; where it does not fit, leave no part of it."""
        advice = f"What was recorded is kept; make room and go on by --resume {self.id}"
        with storage_errors(f"cannot write to {self.records_file}", advice):
            self.records_file.touch()
            size = self.records_file.stat().st_size
            try:
                with self.records_file.open("ab") as file:
                    file.write(record.to_json().encode() + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):
                    os.truncate(self.records_file, size)
                raise

    def set_torn_line_aside(self) -> bool:
        """Move a half-written last line to `records.torn`; whether there was one."""
        lines, torn = self._lines()
        if not torn:
            return False
        self._parse(lines, self.records_file)
        with storage_errors(f"cannot write to {self.path}"):
            with (self.path / "records.torn").open("ab") as file:
                file.write(torn + b"\n")
            os.truncate(self.records_file, self.records_file.stat().st_size - len(torn))
        return True

    def pack(self) -> None:
        """Compress all records into `records.jsonl.xz`. Call it with the lock held: a kill leaves
        every record in one of the two files or in both."""
        lines, torn = self._lines()
        if torn or not lines:
            return
        with storage_errors(f"cannot write to {self.packed_file}"):
            draft = self.packed_file.with_suffix(".tmp")
            everything = [*self._packed_lines(), *lines]
            draft.write_bytes(lzma.compress(b"".join(line + b"\n" for line in everything)))
            draft.replace(self.packed_file)
            self.records_file.unlink()

    def _packed_lines(self) -> list[bytes]:
        if not self.packed_file.is_file():
            return []
        with storage_errors(f"cannot read {self.packed_file}"):
            data = self.packed_file.read_bytes()
        try:
            return lzma.decompress(data).splitlines()
        except lzma.LZMAError as error:
            raise RecordsError(f"{self.packed_file} is damaged: {error}") from error

    def _lines(self) -> tuple[list[bytes], bytes]:
        """The whole lines of `records.jsonl`, and what follows the last of them."""
        if self.packed_file.is_file() and not self.records_file.exists():
            return [], b""
        with storage_errors(f"cannot read {self.records_file}"):
            *lines, torn = self.records_file.read_bytes().split(b"\n")
        return lines, torn

    def _parse(self, lines: Sequence[bytes], file: Path) -> list[Record]:
        records = []
        for number, line in enumerate(lines, 1):
            try:
                records.append(parse_record(line.decode()))
            except (ValueError, RecursionError) as error:
                raise RecordsError(
                    f"{file}, line {number} is damaged: {error}. "
                    "Nothing was changed; mend or remove that line and its case runs again."
                ) from error
        return records

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time writes to a run."""
        with storage_errors(f"cannot lock {self.path}"), ExitStack() as stack:
            file = stack.enter_context((self.path / "lock").open("w"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RecordsError(f"run {self.id} is being written by another process") from None
            locked = stack.pop_all()
        with locked:
            yield


@contextmanager
def storage_errors(message: str, advice: str = "") -> Iterator[None]:
    """Turn an OSError into a `RecordsError` that begins with `message` and ends with `advice`."""
    try:
        yield
    except OSError as error:
        text = f"{message}: {error.strerror or error}"
        raise RecordsError(f"{text}. {advice}" if advice else text) from error
