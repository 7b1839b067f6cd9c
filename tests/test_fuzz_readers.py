"""Odd files and command lines are read, or refused with a message; never anything else."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.faults.fuzz import TARGETS, Feeder
from studies.faults.fuzz_targets import Readers, examples
from studies.faults.mutation import mutated


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory, finished_run: Path) -> Readers:
    info = (finished_run / "r" / "run.json").read_bytes()
    return Readers(tmp_path_factory.mktemp("input"), info)


@pytest.mark.parametrize("target", TARGETS)
def test_example_is_accepted(target: str, readers: Readers, finished_run: Path) -> None:
    assert readers.targets[target](examples(target, finished_run / "r")[0])


@pytest.mark.parametrize("target", ["records", "info"])
@settings(max_examples=60)
@given(random=st.randoms(use_true_random=False))
def test_changed_file_is_read_or_refused(
    target: str, random: Random, readers: Readers, finished_run: Path
) -> None:
    readers.targets[target](mutated(examples(target, finished_run / "r"), random))


@settings(max_examples=15)
@given(random=st.randoms(use_true_random=False))
def test_changed_run_is_reported_or_refused(
    random: Random, readers: Readers, finished_run: Path
) -> None:
    readers.report(mutated(examples("report", finished_run / "r"), random))


@settings(max_examples=15)
@given(random=st.randoms(use_true_random=False))
def test_changed_series_is_read_or_refused(
    random: Random, readers: Readers, finished_run: Path
) -> None:
    readers.series(mutated(examples("series", finished_run / "r"), random))


@settings(max_examples=15)
@given(random=st.randoms(use_true_random=False))
def test_changed_command_line_is_planned_or_refused(
    random: Random, readers: Readers, finished_run: Path
) -> None:
    readers.command(mutated(examples("command", finished_run / "r"), random))


@pytest.mark.parametrize("target", ["records", "info", "series"])
@settings(max_examples=30)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(target: str, data: bytes, readers: Readers) -> None:
    readers.targets[target](data)


def test_input_that_a_reader_does_not_survive_is_kept(tmp_path: Path) -> None:
    def read(data: bytes) -> bool:
        return bool(data.decode())

    feeder = Feeder(read, tmp_path)
    for data in (b"x", b"", b"\xff"):
        feeder.feed(data)
    assert list(feeder.counts) == [3, 1, 1]
    (kept,) = (tmp_path / "failures").iterdir()
    assert kept.read_bytes() == b"\xff"
