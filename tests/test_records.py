"""A record survives being written and read; whatever is no record is told by file and line."""

import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.records.folder import RecordsError, RunFolder
from bench.records.record import SCHEMA, STATUSES, Record, parse_record

numbers = st.floats() | st.integers(-(2**60), 2**60)
words = st.text(max_size=8)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words
made = st.builds(
    Record,
    run=words,
    case=st.dictionaries(words, plain).map(lambda case: {**case, "probe": "speed"}),
    status=st.sampled_from(STATUSES),
    reason=st.none() | words,
    probe=st.just("speed"),
    environment=st.none() | words,
    started=words,
    wall_s=st.floats(0, 1e6),
    metrics=st.dictionaries(words, st.none() | numbers),
    samples=st.dictionaries(words, st.lists(numbers)),
)


def record(**changes: Any) -> Record:
    whole = Record(
        run="r",
        case={"probe": "speed", "cell": "lstm"},
        status="ok",
        reason=None,
        probe="speed",
        environment="e",
        started="2026-01-01T00:00:00.000+00:00",
        wall_s=1.5,
        metrics={"step_s": 0.25, "load": None},
        samples={"step": [0.25, math.nan]},
    )
    return replace(whole, **changes)


def with_known(values: Any, instead: Any) -> Any:
    """Numbers that are not finite replaced by what stands for them once they are written."""
    return [instead if isinstance(v, float) and not math.isfinite(v) else v for v in values]


@given(made)
def test_a_record_read_back_is_the_one_written(written: Record) -> None:
    line = written.to_json()
    assert "\n" not in line
    back = parse_record(line)
    assert back.metrics == dict(
        zip(written.metrics, with_known(written.metrics.values(), None), strict=True)
    )
    assert back.samples.keys() == written.samples.keys()
    for name, samples in written.samples.items():
        assert list(map(str, back.samples[name])) == list(map(str, with_known(samples, math.nan)))
    bare = {"metrics": {}, "samples": {}}
    case = dict(zip(written.case, with_known(written.case.values(), None), strict=True))
    assert replace(back, **bare) == replace(written, **bare, case=case)


def test_a_number_that_is_not_finite_is_written_as_null() -> None:
    line = record(metrics={"a": math.inf, "b": math.nan}, samples={"c": [-math.inf]}).to_json()
    data = json.loads(line, parse_constant=pytest.fail)
    assert data["metrics"] == {"a": None, "b": None}
    assert data["samples"] == {"c": [None]}


def without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda data: {k: v for k, v in data.items() if k != name}


def having(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda data: {**data, **changes}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (having(schema=SCHEMA + 1), f"schema {SCHEMA + 1}; this version reads schema {SCHEMA}"),
        (without("schema"), "schema None"),
        (without("status"), "status"),
        (without("wall_s"), "wall_s"),
        (having(colour="red"), "colour"),
        (having(status="fine"), "status 'fine'; known: ok, failed, skipped"),
        (having(case=[]), r"case is \[\]"),
        (having(probe="memory"), "probe 'memory' in a case of 'speed'"),
        (having(run=1), "run is 1"),
        (having(reason=0), "reason is 0"),
        (having(started=None), "started is None"),
        (having(wall_s="1"), "wall_s is '1'"),
        (having(metrics=None), "metrics is None"),
        (having(metrics={"a": "1"}), "a metric is '1'"),
        (having(metrics={"a": True}), "a metric is True"),
        (having(samples=[]), r"samples is \[\]"),
        (having(samples={"a": 1}), "samples are 1"),
        (having(samples={"a": ["1"]}), r"samples are \['1'\]"),
        (having(samples={"a": [[1]]}), r"samples are \[\[1\]\]"),
        (lambda data: [data], "not a JSON object"),
    ],
)
def test_what_is_no_record_is_rejected_by_name(
    change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    data = json.loads(record().to_json())
    assert parse_record(json.dumps(data)) is not None
    with pytest.raises(ValueError, match=message):
        parse_record(json.dumps(change(data)))


@given(st.data())
def test_a_line_cut_anywhere_is_no_record(data: st.DataObject) -> None:
    line = record().to_json()
    with pytest.raises(ValueError, match=r"."):
        parse_record(line[: data.draw(st.integers(0, len(line) - 1))])


# ---- the folder -----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "r", {"request": {"threads": 1}})


def test_records_are_read_in_the_order_they_were_appended(folder: RunFolder) -> None:
    assert folder.records() == []
    names = ["rnn", "lstm", "gru"]
    for cell in names:
        folder.append(record(case={"probe": "speed", "cell": cell}))
    assert [r.case["cell"] for r in folder.records()] == names
    assert not folder.set_torn_line_aside()


def test_a_run_is_created_once_and_found_by_name_or_path(folder: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match=r"run r exists in .*--resume r"):
        RunFolder.create(tmp_path, "r", {})
    assert folder.request() == {"threads": 1}
    for root, name in ((tmp_path, "r"), (Path("elsewhere"), str(folder.path))):
        assert RunFolder.existing(root, name).id == "r"
    with pytest.raises(RecordsError, match=r"no run 's' in .*; the latest are r$"):
        RunFolder.existing(tmp_path, "s")


def test_a_draft_that_a_kill_left_behind_is_no_run(folder: RunFolder, tmp_path: Path) -> None:
    folder.path.rename(tmp_path / ".r-1")
    assert RunFolder.all(tmp_path) == []
    with pytest.raises(RecordsError, match=r"no run 'r' in .*[^r]$"):
        RunFolder.existing(tmp_path, "r")


@pytest.mark.parametrize("line", [b"", b"{}", b"\xff", b"null", b"[" * 100_000])
def test_a_damaged_line_is_told_by_its_number_and_left_alone(
    line: bytes, folder: RunFolder
) -> None:
    good = record().to_json().encode()
    folder.records_file.write_bytes(b"\n".join([good, line, good, b"torn"]))
    before = folder.records_file.read_bytes()
    for read in (folder.records, folder.set_torn_line_aside):
        with pytest.raises(RecordsError, match=r"records.jsonl, line 2 is damaged: "):
            read()
    assert folder.records_file.read_bytes() == before


def test_a_half_written_line_is_told_and_moved_only_when_asked(folder: RunFolder) -> None:
    folder.append(record())
    whole = folder.records_file.read_bytes()
    for torn in (whole[:-1], whole[:10], b"\xff"):
        folder.records_file.write_bytes(whole + torn)
        with pytest.raises(RecordsError, match=r"line 2 is half-written .*--resume r"):
            folder.records()
        assert folder.records_file.read_bytes() == whole + torn
        assert folder.set_torn_line_aside()
        assert folder.records_file.read_bytes() == whole
    assert (folder.path / "records.torn").read_bytes() == whole + whole[:10] + b"\n\xff\n"


def test_a_record_that_does_not_fit_leaves_no_part_of_it(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk refuses to flush after all of the line went out, as a full one may."""
    folder.append(record())
    before = folder.records_file.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordsError, match=r"No space left on device. What was recorded is kept"):
        folder.append(record())
    assert folder.records_file.read_bytes() == before


def test_a_device_that_is_full_is_told(folder: RunFolder) -> None:
    folder.records_file.unlink()
    folder.records_file.symlink_to("/dev/full")
    with pytest.raises(RecordsError, match=r"cannot write to .*: No space left on device"):
        folder.append(record())


def test_a_folder_that_was_taken_away_is_told(folder: RunFolder) -> None:
    folder.path.rename(folder.path.with_name("moved"))
    for call in (lambda: folder.append(record()), folder.records, lambda: folder.write_info({})):
        with pytest.raises(RecordsError, match=r"cannot .* No such file or directory"):
            call()


def test_the_description_is_replaced_whole_or_not_at_all(folder: RunFolder) -> None:
    before = folder.info()
    folder.info_file.with_suffix(".tmp").symlink_to("/dev/full")
    with pytest.raises(RecordsError, match=r"run.json: No space left on device"):
        folder.write_info({"request": {"threads": 2}})
    assert folder.info() == before


def test_a_run_has_one_writer_and_is_free_again_after_it(folder: RunFolder) -> None:
    with folder.lock(), pytest.raises(RecordsError, match="another process"), folder.lock():
        pass
    with folder.lock():
        pass


def test_what_goes_wrong_under_the_lock_is_not_blamed_on_it(folder: RunFolder) -> None:
    with pytest.raises(FileNotFoundError), folder.lock():
        (folder.path / "nothing").read_text()
