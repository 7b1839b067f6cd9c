"""A container's quota counts like processors, and its throttling is recorded and flagged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_records import ENVIRONMENT, INFO, parity_record, speed_record

from bench.analysis.tables import build_tables
from bench.options import Settings, WorkerOptions
from bench.records import conditions, machine
from bench.records.conditions import LoadCounters
from bench.records.quota import Throttling, processor_quota, throttling
from bench.run import limits
from bench.run.limits import job_count, quota_warning

STAT = "usage_usec 5\nnr_periods 90\nnr_throttled 7\nthrottled_usec 2500000\n"
STAT_V1 = "nr_periods 90\nnr_throttled 3\nthrottled_time 4000000000\n"


def groups(root: Path, membership: str, files: dict[str, str]) -> tuple[Path, Path]:
    """A tree of control groups, and the file that says in which groups the process is."""
    for name, text in files.items():
        path = root / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "self").write_text(membership)
    return root / "cgroup", root / "self"


@pytest.mark.parametrize(
    ("membership", "files", "quota", "stopped"),
    [
        # Version 2: in a container the own group is the root, or its host's path is shown.
        ("0::/\n", {"cpu.max": "150000 100000\n", "cpu.stat": STAT}, 1.5, Throttling(7, 2.5)),
        ("0::/system/box\n", {"cpu.max": "200000 100000\n"}, 2.0, None),
        ("0::/\n", {"cpu.max": "max 100000\n", "cpu.stat": STAT}, None, Throttling(7, 2.5)),
        # The limits of the groups above hold as well, and the smallest decides.
        (
            "0::/a/b\n",
            {"a/cpu.max": "50000 100000", "a/b/cpu.max": "max 100000", "a/b/cpu.stat": STAT,
             "a/cpu.stat": "nr_throttled 1\nthrottled_usec 500000"},
            0.5,
            Throttling(8, 3.0),
        ),
        # Version 1.
        (
            "5:memory:/box\n4:cpu,cpuacct:/box\n",
            {"cpu,cpuacct/box/cpu.cfs_quota_us": "300000", "cpu,cpuacct/box/cpu.stat": STAT_V1,
             "cpu,cpuacct/box/cpu.cfs_period_us": "100000", "memory/box/cpu.max": "1 1"},
            3.0,
            Throttling(3, 4.0),
        ),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "1"}, None, None),
        ("", {}, None, None),
        ("nonsense\n", {"cpu.max": "a b"}, None, None),
        ("0::/\n", {"cpu.max": "much", "cpu.stat": "nothing to see"}, None, None),
    ],
)  # fmt: skip
def test_quota_and_throttling_are_read_from_the_control_groups(
    membership: str,
    files: dict[str, str],
    quota: float | None,
    stopped: Throttling | None,
    tmp_path: Path,
) -> None:
    tree = groups(tmp_path, membership, files)
    assert processor_quota(*tree) == quota
    assert throttling(*tree) == stopped


def test_system_without_control_groups_has_no_quota(tmp_path: Path) -> None:
    assert processor_quota(tmp_path / "none", tmp_path / "no file") is None
    assert throttling(tmp_path / "none", tmp_path / "no file") is None


@pytest.mark.parametrize(("quota", "count"), [(None, 4), (9.0, 4), (2.5, 2), (0.5, 1)])
def test_quota_counts_like_processors(
    quota: float | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cpus", lambda: [0, 1, 2, 3])
    monkeypatch.setattr(machine, "processor_quota", lambda: quota)
    assert machine.processor_count() == count
    assert job_count(WorkerOptions()) == job_count(WorkerOptions(jobs=100)) == count
    assert Settings().threads == count


def test_threads_above_the_quota_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "processor_quota", lambda: 1.5)
    assert quota_warning(1) is None
    assert "2 threads, but the container's quota allows 1.5" in str(quota_warning(2))
    assert "--threads 1" in str(quota_warning(2))
    monkeypatch.setattr(limits, "processor_quota", lambda: None)
    assert quota_warning(64) is None


def test_throttling_is_counted_while_the_clock_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    before = replace(LoadCounters.now(), quota=Throttling(5, 1.0))
    monkeypatch.setattr(conditions, "throttling", lambda: Throttling(8, 1.75))
    since = before.since()
    assert (since["quota_throttled"], since["quota_throttled_s"]) == (3.0, 0.75)
    monkeypatch.setattr(conditions, "throttling", lambda: None)
    assert before.since()["quota_throttled"] is None


def flags(quota: float | None, throttled: float | None) -> str:
    """The flags of a launch on two threads."""
    environment = {**ENVIRONMENT, "machine": {"processor_quota": quota}}
    launch = speed_record(extra_metrics={"quota_throttled": throttled})
    info: dict[str, Any] = {**INFO, "environments": {"e": environment}}
    return str(build_tables([parity_record(), launch], {"r": info}).speed["flags"].iloc[0])


def test_throttled_rows_are_flagged() -> None:
    assert (flags(None, None), flags(2.0, 0.0)) == ("", "")
    assert (flags(1.5, None), flags(None, 1.0), flags(4.0, 2.0)) == ("q", "q", "q")
