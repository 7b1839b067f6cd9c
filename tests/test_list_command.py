"""The command `list` names every backend, task and device, and why one is missing."""

import re
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest
from running import bench_inside
from test_selection import Registry

import backends
import tasks
from bench.listing import list_command
from bench.plan.task_words import task_at_size
from bench.spec import Unavailable


def test_list_names_every_backend_and_task_and_why_one_is_missing() -> None:
    done = bench_inside("list")
    assert (done.returncode, done.stderr) == (0, "")
    for name in (*backends.names(), *tasks.names()):
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE)
    assert re.search(r"^  numpy +numpy [\d.]+$\n^    cpu +available$", done.stdout, re.MULTILINE)
    assert "NumPy runs on the CPU only" in done.stdout


@pytest.mark.parametrize("name", tasks.names())
def test_list_shows_the_sizes_of_a_task_with_all_settable_options(name: str) -> None:
    done = bench_inside("list", name)
    assert (done.returncode, done.stderr) == (0, "")
    sizes = tasks.load(name).PROFILES
    _, table = done.stdout.rsplit("their settings\n\n", 1)
    rows = [line.split() for line in table.splitlines() if line[:1].isalnum()]
    assert rows[-1][0] == "all:"
    columns, shared = rows[0][1:], dict(pair.split("=") for pair in rows[-1][1:])
    assert [row[0] for row in rows[1 : len(sizes) + 1]] == [*sizes]
    for size, *values in rows[1 : len(sizes) + 1]:
        unused = getattr(sizes[size], "unread", ())
        settable = {field.name for field in fields(sizes[size])} - {*unused}
        columns_of_size = [column for column in columns if column not in unused]
        texts = shared | dict(zip(columns_of_size, values, strict=True))
        assert texts.keys() == settable
        assert task_at_size(name, tasks.load(name), size, texts) == sizes[size]


def test_list_accepts_a_task_with_a_size() -> None:
    assert bench_inside("list", "long-lag:2c").stdout == bench_inside("list", "long-lag").stdout


def test_list_continues_after_a_file_that_does_not_load() -> None:
    class BrokenRegistry(Registry):
        def load(self, name: str) -> Any:
            if name == "bad":
                raise Unavailable("it does not import")
            return super().load(name)

    without_data = SimpleNamespace(unavailable=lambda: "no data")
    nameless = SimpleNamespace(__doc__=None, PROFILES={"smoke": without_data})
    some_backends = BrokenRegistry(bad=0, numpy=backends.load("numpy"))
    assert list_command(some_backends, BrokenRegistry(bad=0, x=nameless), limits=False) == 0


def test_list_limits_shows_which_models_each_backend_expresses_and_whose_limits_they_are() -> None:
    done = bench_inside("list", "--limits")
    head, _, *lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    rows = {line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ") for line in lines}
    column = head.strip("| ").split(" | ").index("gru reset_before")
    assert set(rows) == set(backends.names())
    assert rows["numpy"][column] == "✓"
    assert rows["torch"][column] == "theirs"
    assert re.search(r"^- \*\*torch\*\* – .*reset_before: .+ \(theirs\)", done.stdout, re.MULTILINE)
