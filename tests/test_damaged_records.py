"""Records and descriptions with a wrong value are refused with file, line and field."""

import json
import random
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from report_records import (
    INFO,
    gradients_record,
    learning_record,
    parity_record,
    record,
    speed_record,
)
from running import bench_inside

from bench.records import machine
from bench.records.folder import RunFolder
from bench.records.record import Record

HUGE = 10**400
Place = tuple[Any, ...]


def report(root: Path, records: Sequence[Any], info: Any = INFO) -> Any:
    """The report of a run of these records, as `run_bench.py report` writes it."""
    folder = root / "r"
    folder.mkdir(exist_ok=True)
    (folder / "records.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (folder / "run.json").write_text(json.dumps(info))
    return bench_inside("report", folder, "--format", "markdown,csv,latex", "--output", root / "o")


def as_written(*records: Record) -> list[Any]:
    return [json.loads(made_up.to_json()) for made_up in records]


def without_checksum(*records: Record) -> list[Any]:
    """The records as an older version wrote them."""
    return [changed(data, ("checksum",), KeyError) for data in as_written(*records)]


def changed(data: Any, place: Place, value: Any) -> Any:
    """A copy with another value at a place; with `KeyError`, without that field."""
    data = deepcopy(data)
    *way, last = place
    inner = data
    for key in way:
        inner = inner[key]
    if value is KeyError:
        del inner[last]
    else:
        inner[last] = value
    return data


@pytest.mark.parametrize(
    ("second", "place", "value", "message"),
    [
        (
            speed_record(),
            ("samples", "step", 3),
            -1.0,
            "samples.step[3] is -1.0; accepted: a number above 0",
        ),
        (
            speed_record(),
            ("samples", "step", 0),
            0,
            "samples.step[0] is 0; accepted: a number above 0",
        ),
        (speed_record(), ("samples", "step", 0), HUGE, "samples.step[0] is a whole number of more"),
        (speed_record(), ("metrics", "open_s"), -0.5, "metrics.open_s is -0.5; accepted: a number"),
        (speed_record(), ("case", "cell"), "lstn", "case.cell is 'lstn'; accepted: rnn, lstm, gru"),
        (speed_record(), ("case", "dtype"), "float3", "case.dtype is 'float3'; accepted: bfloat"),
        (speed_record(), ("case", "device"), "cuda:", "case.device is 'cuda:'; accepted: cpu, "),
        (speed_record(), ("case", "threads"), KeyError, "case lacks threads"),
        (speed_record(), ("case", "threads"), 0, "case.threads is 0; accepted: a whole number of"),
        (speed_record(), ("case", "hidden"), -3, "case.hidden is -3; accepted: a whole number of"),
        (speed_record(), ("case", "layers"), 0, "case.layers is 0; accepted: a whole number of"),
        (speed_record(), ("case", "batch"), 0, "case.batch is 0; accepted: a whole number of"),
        (speed_record(), ("case", "loss"), "huber", "case.loss is 'huber'; accepted: mse, cross_"),
        (speed_record(), ("case", "bidirectional"), "yes", "case.bidirectional is 'yes'; accepted"),
        (parity_record(), ("metrics", "parity_error"), 0.9, "metrics.parity_error is 0.9, above"),
        (
            parity_record(),
            ("metrics", "parity_error"),
            None,
            "metrics.parity_error is null; acce",
        ),
        (
            parity_record(),
            ("metrics", "arrays_rejected"),
            2,
            "status is 'ok', but metrics.arrays_rejected is 2; accepted: 'failed'",
        ),
        (parity_record(), ("metrics", "parity_tolerance"), None, "parity_tolerance is null; acc"),
        (parity_record(), ("metrics", "parity_tolerance"), KeyError, "parity_tolerance is null"),
        (parity_record(), ("metrics",), {}, "metrics.parity_tolerance is null; accepted: "),
        (
            parity_record(),
            ("metrics", "arrays_compared"),
            0,
            "status is 'ok', but metrics.arrays_compared is 0; accepted: 'failed'",
        ),
        (
            learning_record(),
            ("case", "launch"),
            0,
            "case.launch is 0 for the probe 'learning'; accepted: null",
        ),
        (
            speed_record(),
            ("case", "launch"),
            None,
            "case.launch is null for the probe 'speed'; accepted: a whole number of at least 0",
        ),
        (learning_record(), ("metrics", "solved"), -3, "metrics.solved is -3; accepted: 0 or 1"),
        (
            learning_record(),
            ("metrics", "solved"),
            1,
            "metrics.steps_to_solve is null where metrics.solved is 1; accepted: a number where",
        ),
        (
            learning_record(solved=10),
            ("metrics", "solved"),
            KeyError,
            "metrics.steps_to_solve is 10 where metrics.solved is null",
        ),
        (
            learning_record(solved=10),
            ("metrics", "steps_to_solve"),
            -7,
            "metrics.steps_to_solve is -7; accepted: at least 0",
        ),
        (speed_record(), ("metrics", "others_busy"), -4, "metrics.others_busy is -4; accepted: at"),
        (
            speed_record(),
            ("metrics", "forward_warmed_up"),
            7,
            "metrics.forward_warmed_up is 7; accepted: 0 or 1",
        ),
        (
            speed_record(extra_metrics={"forward_block": 4}),
            ("metrics", "forward_block"),
            -1,
            "metrics.forward_block is -1; accepted: at least 1",
        ),
        (
            gradients_record(),
            ("samples", "hidden_gradient_norm.initial", 1),
            -1.0,
            "samples.hidden_gradient_norm.initial[1] is -1.0; accepted: at least 0 or null",
        ),
        (parity_record(), ("environment",), None, "status is 'ok', but environment is null; acce"),
        (speed_record(), ("environment",), None, "status is 'ok', but environment is null; accept"),
        (parity_record(), ("metrics", "parity_error"), -1e-7, "metrics.parity_error is -1e-07; ac"),
        (parity_record(), ("metrics", "parity_tolerance"), 0, "metrics.parity_tolerance is 0; acc"),
        (parity_record(), ("case", "x"), [], "case.x is []; accepted: a text, a finite number"),
        (parity_record(), ("case", "task"), KeyError, "case lacks task"),
        (parity_record(), ("case", "seed"), 0.5, "case.seed is 0.5; accepted: a whole number"),
        (parity_record(), ("case", "backend"), "\ud800", "is '\\ud800'; accepted: text in UTF-8"),
        (parity_record(), ("status",), ["ok"], "status is ['ok']; accepted: ok, failed, skipped"),
        (parity_record(), ("wall_s",), HUGE, "wall_s is a whole number of more than 60 digits"),
        (
            parity_record(),
            ("wall_s",),
            1e308,
            "wall_s is 1e+308; accepted: seconds, a number from 0",
        ),
        (
            speed_record(),
            ("samples", "step", 1),
            1e308,
            "samples.step[1] is 1e+308; accepted: a number",
        ),
        (
            speed_record(),
            ("metrics", "open_s"),
            1e308,
            "metrics.open_s is 1e+308; accepted: a number",
        ),
        (
            parity_record(),
            ("wall_s",),
            -1,
            "wall_s is -1; accepted: seconds, a number from 0 to 1e+10",
        ),
        (learning_record(), ("metrics", "score"), HUGE, "metrics.score is a whole number of more"),
        (
            speed_record(),
            ("case", "batch"),
            "x",
            "case.batch is 'x'; accepted: a whole number of at",
        ),
        (speed_record(), ("case", "clip_norm"), "x", "case.clip_norm is 'x'; accepted: a finite"),
        (learning_record(), ("samples", "mse"), [1.0], "samples.mse has 1 values for 3 values of"),
        (gradients_record(), ("samples", "gradient_norm", 1), "x", "samples.gradient_norm[1] is"),
    ],
)
def test_wrong_value_is_reported_with_file_line_and_field(
    second: Record, place: Place, value: Any, message: str, tmp_path: Path
) -> None:
    records = without_checksum(parity_record(), second)
    if "mse" in place:
        records[1]["case"]["metric"] = "mse"
    assert report(tmp_path, records).returncode == 0
    done = report(tmp_path, [records[0], changed(records[1], place, value)])
    assert done.returncode == 2
    assert "records.jsonl, line 2 is damaged: " in done.stderr
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("commit",), 5, "commit is 5; accepted: a text or null"),
        (("changed",), "no", "changed is 'no'; accepted: true or false or null"),
        (("machine",), [], "machine is []; accepted: an object or null"),
        (("machine", "cores"), "two", "machine.cores is 'two'; accepted: a whole number"),
        (("versions",), [1], "versions is [1]; accepted: an object of texts or null"),
        (("environments", "x"), [], "environments.x is []; accepted: an object"),
        (("environments", "e", "machine"), 1, "environments.e.machine is 1; accepted: an object"),
        (("environments", "e", "threads"), HUGE, "environments.e.threads is a whole number of"),
        (("sessions_s",), [None], "sessions_s[0] is None; accepted: seconds, a number from 0 to"),
        (("request",), {"probes": 5}, "request.probes is 5; accepted: a list or null"),
        (
            ("machine", "\x1b[2J"),
            "\ud800",
            "machine.\\x1b[2J is '\\ud800'; accepted: text",
        ),
    ],
)
def test_wrong_description_is_reported_with_file_and_field(
    place: Place, value: Any, message: str, tmp_path: Path
) -> None:
    records = as_written(parity_record())
    assert report(tmp_path, records).returncode == 0
    done = report(tmp_path, records, changed(INFO, place, value))
    assert done.returncode == 2
    assert f"run.json is damaged: {message}" in done.stderr


def places(data: Any, place: Place = ()) -> Iterator[Place]:
    """The place of every value in nested objects, and of the first value of each list."""
    if place:
        yield place
    keys: Any = (
        data if isinstance(data, dict) else range(min(1, len(data) * isinstance(data, list)))
    )
    for key in keys:
        yield from (
            places(data[key], (*place, key))
            if isinstance(data[key], dict | list)
            else [(*place, key)]
        )


def test_changed_number_is_reported_although_it_could_be_true(tmp_path: Path) -> None:
    records = as_written(parity_record(), speed_record())
    records[1] = changed(records[1], ("samples", "step", 3), 0.0041)
    done = report(tmp_path, records)
    assert done.returncode == 2
    assert (
        "records.jsonl, line 2 is damaged: its values are not those that were written"
        in done.stderr
    )


@pytest.mark.parametrize("command", ["report", "compare", "history", "run"])
def test_damaged_record_ends_every_command_that_reads_it_and_no_new_run(
    command: str, tmp_path: Path
) -> None:
    without_task = changed(as_written(parity_record())[0], ("case", "task"), KeyError)
    report(tmp_path, [without_task], {**INFO, "machine": machine.describe_machine()})
    words: dict[str, Sequence[Any]] = {
        "report": ["report", "r"],
        "compare": ["compare", tmp_path / "r", tmp_path / "r"],
        "history": ["history"],
        "run": ["--tasks", "adding", "--profile", "smoke", "--dry-run"],
    }
    done = bench_inside(*words[command], "--results-dir", tmp_path)
    assert done.returncode == (0 if command == "run" else 2), done.stderr
    assert command == "run" or "line 1 is damaged: case lacks task" in done.stderr


@pytest.mark.parametrize("made_up", [learning_record(), speed_record(launch=1)])
def test_record_of_another_run_is_refused_by_its_environment(
    made_up: Record, tmp_path: Path
) -> None:
    records = as_written(parity_record(), speed_record(), made_up)
    assert report(tmp_path, records).returncode == 0
    foreign = without_checksum(replace(made_up, environment="elsewhere"))
    done = report(tmp_path, [*records[:2], *foreign])
    assert done.returncode == 2
    assert "a record names the environment 'elsewhere', which run.json lacks" in done.stderr


def test_case_whose_numbers_are_written_otherwise_counts_once(tmp_path: Path) -> None:
    """JavaScript, for example, writes 1.0 as 1."""
    launches = [speed_record(1 + 0.1 * k, launch=k) for k in range(3)]
    records = without_checksum(parity_record(), *launches)
    again = [changed(data, ("case", "clip_norm"), 1) for data in records]
    assert records[0]["case"]["clip_norm"] == 1.0
    assert report(tmp_path, records).returncode == 0
    expected = (tmp_path / "o" / "speed.csv").read_text()
    assert report(tmp_path, [*records, *again]).returncode == 0
    assert (tmp_path / "o" / "speed.csv").read_text() == expected
    other = [changed(data, ("case", "clip_norm"), 1.5) for data in records]
    assert report(tmp_path, [*records, *other]).returncode == 0
    assert (tmp_path / "o" / "speed.csv").read_text() != expected


def test_any_single_wrong_value_is_refused_or_shown(tmp_path: Path) -> None:
    """A drawn selection of places and values; nothing ends in a traceback."""
    records = without_checksum(
        parity_record(), learning_record(), gradients_record(), record("memory"), speed_record()
    )
    values = (None, [], {}, "x", 5, True, -1, 0, "\ud800", [1], HUGE, KeyError)
    written = [*records, INFO]
    wrong = [
        (k, place, v) for k, data in enumerate(written) for place in places(data) for v in values
    ]
    codes = []
    for index, place, value in random.Random(0).sample(wrong, 80):
        damaged = [*written]
        damaged[index] = changed(written[index], place, value)
        codes.append(report(tmp_path, damaged[:-1], damaged[-1]).returncode)
    assert set(codes) == {0, 2}


def test_every_published_record_is_accepted() -> None:
    """Those of the studies are read by the tests of their findings."""
    published = RunFolder.all(ROOT / "results")
    assert len(published) >= 3
    assert all(folder.records() and folder.info() for folder in published)
