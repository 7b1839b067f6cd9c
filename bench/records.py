"""The record of a case, and the folder of a run: appended line by line, read back strictly."""

import fcntl
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = 1
STATUSES = ("ok", "failed", "skipped")


class RecordsError(Exception):
    """A run's folder or its records cannot be used; the message says what and what to do."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one case gave. Times are seconds, sizes bytes; a number that is not finite is
    written as null and read back as NaN."""

    run: str
    case: Mapping[str, Any]
    status: str
    reason: str | None
    probe: str
    environment: str | None
    started: str
    wall_s: float
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def key(self) -> str:
        return json.dumps(self.case, sort_keys=True)

    def to_json(self) -> str:
        return json.dumps(_finite(asdict(self)), allow_nan=False)


def parse(line: str) -> Record:
    """The record in a line; ValueError says what is wrong with it."""
    data = json.loads(line)
    if not isinstance(data, dict):
        raise ValueError("not a JSON object")
    if data.get("schema") != SCHEMA:
        raise ValueError(f"schema {data.get('schema')!r}; this version reads schema {SCHEMA}")
    try:
        record = Record(**data)
    except TypeError as error:
        raise ValueError(str(error).replace("Record.__init__()", "a record")) from None
    if record.status not in STATUSES:
        raise ValueError(f"status {record.status!r}; known: {', '.join(STATUSES)}")
    if not isinstance(record.case, dict) or not isinstance(record.samples, dict):
        raise ValueError("case, metrics and samples must be objects")
    nan = {k: [math.nan if v is None else v for v in vs] for k, vs in record.samples.items()}
    return Record(**{**data, "samples": nan})


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


class RunFolder:
    """`records.jsonl` and `run.json` of one run."""

    def __init__(self, path: Path) -> None:
        self.path, self.id = path, path.name
        self.records_file, self.info_file = path / "records.jsonl", path / "run.json"

    @classmethod
    def create(cls, root: Path, run_id: str, info: Mapping[str, Any]) -> "RunFolder":
        folder = cls(root / run_id)
        if folder.path.exists():
            raise RecordsError(f"run {run_id} exists in {root}; go on with it by --resume {run_id}")
        try:
            folder.path.mkdir(parents=True)
            folder.write_info(info)
            folder.records_file.touch()
        except OSError as error:
            raise RecordsError(f"cannot write to {folder.path}: {error.strerror}") from error
        return folder

    @classmethod
    def existing(cls, root: Path, run_id: str) -> "RunFolder":
        folder = cls(Path(run_id) if os.sep in run_id else root / run_id)
        if not folder.records_file.is_file():
            near = sorted(p.parent.name for p in root.glob("*/records.jsonl"))[-5:]
            hint = f"; the latest are {', '.join(near)}" if near else ""
            raise RecordsError(f"no run {run_id} in {root}{hint}")
        return folder

    def info(self) -> dict[str, Any]:
        try:
            data = json.loads(self.info_file.read_text())
        except (OSError, ValueError) as error:
            raise RecordsError(f"{self.info_file} cannot be read: {error}") from error
        if not isinstance(data, dict):
            raise RecordsError(f"{self.info_file} is damaged: not a JSON object")
        return data

    def write_info(self, info: Mapping[str, Any]) -> None:
        """Replace run.json in one step: a kill leaves the old one or the new one."""
        draft = self.info_file.with_suffix(".tmp")
        draft.write_text(json.dumps(_finite(info), indent=1) + "\n")
        draft.replace(self.info_file)

    def records(self) -> list[Record]:
        """All records; a line that is no whole record is an error that names it."""
        text = self.records_file.read_bytes()
        found = []
        for number, line in enumerate(text.split(b"\n")[:-1], 1):
            try:
                found.append(parse(line.decode()))
            except ValueError as error:
                raise RecordsError(
                    f"{self.records_file}, line {number} is damaged: {error}. "
                    "Nothing was changed; mend or remove that line and its case runs again."
                ) from error
        if not text.endswith(b"\n") and text:
            raise RecordsError(
                f"{self.records_file}, line {len(found) + 1} is half-written (the run was killed "
                f"while writing it). Nothing was changed; --resume {self.id} sets it aside and "
                "runs that case again."
            )
        return found

    def set_torn_line_aside(self) -> bool:
        """Move a half-written last line to `records.torn`; whether there was one."""
        text = self.records_file.read_bytes()
        whole = text.rfind(b"\n") + 1
        if whole == len(text):
            return False
        with (self.path / "records.torn").open("ab") as aside:
            aside.write(text[whole:] + b"\n")
        os.truncate(self.records_file, whole)
        return True

    def append(self, record: Record) -> None:
        """Write one line and flush it to the disk; where it does not fit, leave no part of it."""
        size = self.records_file.stat().st_size
        try:
            with self.records_file.open("ab") as out:
                out.write(record.to_json().encode() + b"\n")
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            with suppress(OSError):
                os.truncate(self.records_file, size)
            raise RecordsError(
                f"cannot write to {self.records_file}: {error.strerror}. What was recorded is "
                f"kept; make room and go on by --resume {self.id}"
            ) from error

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time writes to a run."""
        with (self.path / "lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise RecordsError(f"run {self.id} is being written by another process") from None
            yield
