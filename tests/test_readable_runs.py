"""A run writes nothing that it could not read back: what is wrong is said before its folder is
made."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from planning import CASE, selection
from running import bench, records, tiny_run

from bench.plan.cases import plan_cases
from bench.records.folder import RecordsError, RunFolder
from bench.records.record_check import check_case
from bench.spec import Unavailable
from tasks.adding import Adding

UNREADABLE = os.fsdecode(b"9\xff")
WRONG = {
    "metric": (5, "case.metric is 5; accepted: a text or null"),
    "task": (UNREADABLE, "case.task is '9\\udcff'; accepted: text in UTF-8"),
    "batch": (-4, "case.batch is -4; accepted: a whole number of at least 1 or null"),
    "own": ([1], r"case.own is [1]; accepted: a text, a finite number, true, false or null"),
}


@pytest.mark.parametrize("name", WRONG)
def test_case_that_no_record_can_hold_is_refused(name: str) -> None:
    check_case(CASE.flat())
    value, message = WRONG[name]
    with pytest.raises(ValueError, match=re.escape(message)):
        check_case({**CASE.flat(), name: value})


def test_plan_refuses_such_a_case() -> None:
    class Mine(Adding):
        metric: Any = 5

    with pytest.raises(
        Unavailable, match=r"task mine: case\.metric is 5; accepted: a text or null"
    ):
        plan_cases(selection(tasks=[("mine", Mine(length=5, steps=2))]))


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"versions": {"numpy": UNREADABLE}}, "versions.numpy is '9\\udcff'; accepted: text in"),
        ({"variables": {UNREADABLE: "1"}}, "variables.9\\udcff is '1'; accepted: text in UTF-8"),
        ({"planned": -1}, "planned is -1; accepted: a whole number of at least 0 or null"),
    ],
)
def test_folder_writes_no_description_that_it_could_not_read(
    info: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(RecordsError) as error:
        RunFolder.create(tmp_path / "runs", "r", info)
    assert message in str(error.value)
    assert not (tmp_path / "runs").exists()
    folder = RunFolder.create(tmp_path / "runs", "r", {"planned": 1})
    with pytest.raises(RecordsError):
        folder.write_info(info)
    assert folder.info() == {"planned": 1}


@pytest.mark.parametrize("variables", [{"OMP_PLACES": UNREADABLE}, {f"OMP_{UNREADABLE}": "1"}])
def test_variable_that_is_not_utf8_is_named_before_anything_is_written(
    variables: dict[str, str], tmp_path: Path
) -> None:
    done = tiny_run(tmp_path / "runs", "--cells", "rnn", environment=variables)
    assert done.returncode == 2
    assert "run.json: variables.OMP_" in done.stderr and "text in UTF-8" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_version_that_is_not_utf8_is_named_before_anything_is_written(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / f"numpy-{UNREADABLE}.dist-info").mkdir(parents=True)
    done = tiny_run(tmp_path / "runs", "--cells", "rnn", environment={"PYTHONPATH": str(site)})
    assert done.returncode == 2
    assert "run.json: versions.numpy is '9\\udcff'; accepted: text in UTF-8" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_variables_of_other_programs_may_be_anything(tmp_path: Path) -> None:
    words = ("--cells", "rnn", "--probes", "parity")
    assert tiny_run(tmp_path, *words, environment={"OTHER": UNREADABLE}).returncode == 0
    assert [record["status"] for record in records(tmp_path)] == ["ok"]
    assert bench("report", tmp_path / "r").returncode == 0
