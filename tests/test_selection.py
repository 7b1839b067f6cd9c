"""Backends, tasks and devices that the user names, and those that cannot run here."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import ROOT
from running import bench_inside, copy_run, records, tiny_run_inside

import backends
import tasks
from bench.plan.availability import why_unavailable
from bench.plan.request import Request
from bench.plan.selection import select
from bench.records import machine
from bench.records.folder import RunFolder
from bench.run.run_info import first_info
from bench.spec import Unavailable

without_gpu = pytest.mark.skipif(
    machine.why_no_cuda("cuda") is None, reason="there is an NVIDIA GPU here"
)


class Registry:
    """Backends of the test's own, by name."""

    def __init__(self, **modules: Any) -> None:
        self.modules = modules

    def names(self) -> list[str]:
        return list(self.modules)

    def load(self, name: str) -> Any:
        return self.modules[name]


ABSENT = SimpleNamespace(REQUIRES=("no-such-framework",))
ONE_ABSENT = Registry(numpy=backends.load("numpy"), absent=ABSENT)


def test_missing_backend_that_nobody_named_is_left_out_and_reported() -> None:
    selection, gaps = select(Request(), ONE_ABSENT, tasks)
    assert selection.backends == ["numpy"]
    (gap,) = map(str, gaps)
    assert gap == (
        "absent on cpu: not installed: no-such-framework (pip install no-such-framework)"
    )


def test_missing_backend_that_was_named_is_an_error() -> None:
    with pytest.raises(Unavailable, match="absent on cpu: not installed: no-such-framework"):
        select(Request({"backends": ["numpy", "absent"]}), ONE_ABSENT, tasks)


def test_package_counts_as_installed_by_its_own_name_or_its_modules() -> None:
    """The package scikit-learn installs sklearn; tensorflow-cpu installs tensorflow."""
    assert machine.versions(["pytest-timeout", "no-such"]) != {}
    for installed in ("psutil", "types-psutil", "importlib"):
        assert why_unavailable(SimpleNamespace(REQUIRES=(installed,)), "cpu") is None
    for missing in ("no-such", "no.such.module", ""):
        backend = SimpleNamespace(REQUIRES=(missing,))
        assert why_unavailable(backend, "cpu") == (
            f"not installed: {missing} (pip install {missing})"
        )


def test_device_that_no_driver_offers_has_a_reason() -> None:
    assert machine.why_no_cuda("cpu") is None
    assert machine.why_no_cuda("cuda:4096")


@without_gpu
def test_missing_device_is_refused_with_a_reason_for_each_backend(tmp_path: Path) -> None:
    words = ("--tasks", "adding", "--devices", "cuda", "--results-dir", tmp_path / "runs")
    done = bench_inside(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("run_bench.py: cannot run:\n")
    for name in backends.DEFAULT:
        assert re.search(rf"^  {name} on cuda: .+$", done.stderr, re.MULTILINE)
    assert not (tmp_path / "runs").exists()


@without_gpu
@pytest.mark.parametrize("devices", [("cpu", "cuda"), ("auto",)])
def test_available_devices_run_and_missing_ones_are_reported(
    devices: tuple[str, ...], tmp_path: Path
) -> None:
    words = ("--cells", "rnn", "--probes", "parity", "--devices", *devices)
    done = tiny_run_inside(tmp_path, *words)
    assert done.returncode == 0
    assert re.search(r"^not run: numpy on cuda: .+$", done.stderr, re.MULTILINE)
    assert [r["case"]["device"] for r in records(tmp_path)] == ["cpu"]


def test_choices_of_the_machine_are_recorded_for_a_resumed_run(
    finished_run: Path, tmp_path: Path
) -> None:
    """The number of threads and the installed backends change the cases."""
    copy_run(finished_run, tmp_path)
    request = RunFolder.existing(tmp_path, "r").request()
    assert request["threads"] == len(machine.cpus())
    assert request["backends"] == ["numpy"]
    selection, _ = select(Request(), ONE_ABSENT, tasks)
    assert first_info(Request(), selection, ROOT / "run_bench.py", ONE_ABSENT)["request"] == {
        "threads": len(machine.cpus()),
        "backends": ["numpy"],
    }
