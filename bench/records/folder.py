"""The record of a case, and the folder of a run: appended line by line, read back strictly."""

import fcntl
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = 1
STATUSES = ("ok", "failed", "skipped")
KINDS: Mapping[str, Any] = {
    "run": str,
    "case": dict,
    "status": str,
    "reason": str | None,
    "probe": str,
    "environment": str | None,
    "started": str,
    "wall_s": int | float,
    "metrics": dict,
    "samples": dict,
}
BEFORE: Mapping[str, Any] = {"optimiser": "adam"}
"""What cases that train did before there was a choice."""
INFO_KINDS: Mapping[str, Any] = {"request": dict, "environments": dict, "sessions_s": list}


class RecordsError(Exception):
    """A run's folder or its records cannot be used; the message says what and what to do."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one case gave. Times are seconds, sizes bytes. A number that is not finite is written
    as null; that is read back as NaN in a sample, and as None, not known, in a metric."""

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
        return json.dumps(without_nonfinite(asdict(self)), allow_nan=False)


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
    check_record(record)
    nan = {k: [math.nan if v is None else v for v in vs] for k, vs in record.samples.items()}
    return Record(**{**data, "case": told(record.case), "samples": nan})


def told(case: Mapping[str, Any]) -> dict[str, Any]:
    """A case with what earlier versions did not tell of one that trains."""
    return {**(BEFORE if "learning_rate" in case else {}), **case}


def check_record(record: Record) -> None:
    """ValueError where something in the record is not of its kind."""
    for name, kind in KINDS.items():
        if not isinstance(value := getattr(record, name), kind):
            raise ValueError(f"{name} is {value!r:.60}")
    if record.status not in STATUSES:
        raise ValueError(f"status {record.status!r}; known: {', '.join(STATUSES)}")
    if record.case.get("probe") != record.probe:
        raise ValueError(f"probe {record.probe!r} in a case of {record.case.get('probe')!r}")
    if wrong := [v for v in record.metrics.values() if not _is_number(v)]:
        raise ValueError(f"a metric is {wrong[0]!r:.60}")
    for samples in record.samples.values():
        if not isinstance(samples, list) or not all(map(_is_number, samples)):
            raise ValueError(f"samples are {samples!r:.60}")


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def without_nonfinite(value: Any) -> Any:
    """The same with None in the place of every number that is not finite: JSON has none."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: without_nonfinite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nonfinite(item) for item in value]
    return value


class RunFolder:
    """`records.jsonl` and `run.json` of one run."""

    def __init__(self, path: Path) -> None:
        self.path, self.id = path, path.name
        self.records_file, self.info_file = path / "records.jsonl", path / "run.json"

    @classmethod
    def create(cls, root: Path, run_id: str, info: Mapping[str, Any]) -> "RunFolder":
        """A new run. Its folder appears whole or not at all, however this process ends."""
        folder, draft = cls(root / run_id), cls(root / f".{run_id}-{os.getpid()}")
        with storage_errors(f"cannot write to {folder.path}"):
            if folder.path.exists():
                hint = f"go on with it by --resume {run_id}"
                raise RecordsError(f"run {run_id} exists in {root}; {hint}")
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
        folder = cls(Path(run_id) if os.sep in run_id else root / run_id)
        with storage_errors(f"cannot read {folder.path}"):
            if folder.records_file.is_file():
                return folder
        near = sorted(found.id for found in cls.all(root))[-5:]
        hint = f"; the latest are {', '.join(near)}" if near else ""
        where = "" if os.sep in run_id else f" in {root}{hint}"
        raise RecordsError(f"no run {run_id!r}{where}")

    @classmethod
    def all(cls, root: Path) -> list["RunFolder"]:
        """Every run below a results folder; a draft that a kill left behind is none."""
        return [cls(file.parent) for file in sorted(root.glob("[!.]*/records.jsonl"))]

    def info(self) -> dict[str, Any]:
        """What `run.json` holds: how the run was asked for, the machine, the environments."""
        try:
            data = json.loads(self.info_file.read_bytes())
        except (OSError, ValueError) as error:
            raise RecordsError(f"{self.info_file} cannot be read: {error}") from error
        if not isinstance(data, dict):
            raise RecordsError(f"{self.info_file} is damaged: not a JSON object")
        for name, kind in INFO_KINDS.items():
            if not isinstance(value := data.get(name, kind()), kind):
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

    def records(self) -> list[Record]:
        """All records; a line that is no whole record is an error that names it."""
        lines, torn = self._lines()
        found = self._parsed(lines)
        if torn:
            raise RecordsError(
                f"{self.records_file}, line {len(lines) + 1} is half-written (the run was killed "
                f"while writing it). Nothing was changed; --resume {self.id} sets it aside and "
                "runs that case again."
            )
        return found

    def set_torn_line_aside(self) -> bool:
        """Move a half-written last line to `records.torn`; whether there was one."""
        lines, torn = self._lines()
        if not torn:
            return False
        self._parsed(lines)
        with storage_errors(f"cannot write to {self.path}"):
            with (self.path / "records.torn").open("ab") as aside:
                aside.write(torn + b"\n")
            os.truncate(self.records_file, self.records_file.stat().st_size - len(torn))
        return True

    def _lines(self) -> tuple[list[bytes], bytes]:
        """The whole lines, and what stands behind the last of them."""
        with storage_errors(f"cannot read {self.records_file}"):
            *lines, torn = self.records_file.read_bytes().split(b"\n")
        return lines, torn

    def _parsed(self, lines: Sequence[bytes]) -> list[Record]:
        found = []
        for number, line in enumerate(lines, 1):
            try:
                found.append(parse(line.decode()))
            except (ValueError, RecursionError) as error:
                raise RecordsError(
                    f"{self.records_file}, line {number} is damaged: {error}. "
                    "Nothing was changed; mend or remove that line and its case runs again."
                ) from error
        return found

    def append(self, record: Record) -> None:
        """Write one line and flush it to the disk; where it does not fit, leave no part of it."""
        kept = f"What was recorded is kept; make room and go on by --resume {self.id}"
        with storage_errors(f"cannot write to {self.records_file}", kept):
            size = self.records_file.stat().st_size
            try:
                with self.records_file.open("ab") as out:
                    out.write(record.to_json().encode() + b"\n")
                    out.flush()
                    os.fsync(out.fileno())
            except OSError:
                with suppress(OSError):
                    os.truncate(self.records_file, size)
                raise

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time writes to a run."""
        with storage_errors(f"cannot lock {self.path}"), ExitStack() as stack:
            handle = stack.enter_context((self.path / "lock").open("w"))
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RecordsError(f"run {self.id} is being written by another process") from None
            held = stack.pop_all()
        with held:
            yield


@contextmanager
def storage_errors(trouble: str, advice: str = "") -> Iterator[None]:
    """What the system refuses becomes a `RecordsError` that begins with `trouble`."""
    try:
        yield
    except OSError as error:
        what = f"{trouble}: {error.strerror or error}"
        raise RecordsError(f"{what}. {advice}" if advice else what) from error
