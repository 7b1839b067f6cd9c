"""Limits and names that the options set for a run."""

import re
from math import inf

import pytest

from bench.options import WorkerOptions, processor_count
from bench.records import machine
from bench.run.limits import MEMORY_SHARE, job_count, parse_duration, run_name, worker_limits
from bench.spec import Unavailable


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400)]
)
def test_duration_is_read_with_its_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "m", "-5", "0", "5d", "ten", "9" * 400, "1" + "0" * 305 + "h"]
)
def test_text_that_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Unavailable, match="--budget must be a time such as"):
        parse_duration(text)


def test_limits_of_the_user_replace_the_defaults() -> None:
    limits = worker_limits(WorkerOptions(time_limit=2.0, memory_limit=0.5), default_time_s=900)
    assert (limits.time_s, limits.memory_bytes) == (2.0, 2**29)
    defaults = worker_limits(WorkerOptions(), default_time_s=900)
    assert defaults.time_s == 900
    assert defaults.memory_bytes == MEMORY_SHARE * (machine.memory_bytes() or inf)


def test_jobs_are_at_most_one_for_each_processor() -> None:
    assert job_count(WorkerOptions(jobs=1)) == 1
    assert job_count(WorkerOptions()) == job_count(WorkerOptions(jobs=10_000)) == processor_count()


def test_run_without_a_name_is_named_after_the_time() -> None:
    assert run_name("a.b-1_C") == "a.b-1_C"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d", run_name(None))
