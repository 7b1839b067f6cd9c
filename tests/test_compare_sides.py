"""What the two sides of a comparison are, and how wrong use is refused."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from compare_records import record
from compare_sides import compare, python_with, verdicts
from running import bench_inside

from backends import numpy_backend
from bench.compare.live import MeasuredSide
from bench.compare.sides import import_hint
from bench.compare.worktree import same_files
from bench.plan.case import Case

MISBEHAVING = "tests/plugins/misbehaving.py"
BACKEND = """from backends.numpy_backend import *
from backends import numpy_backend
REQUIRES, SUPPORTS = numpy_backend.REQUIRES, numpy_backend.SUPPORTS
def open_session(spec, params, device, *training):
    {body}
    return numpy_backend.open_session(spec, params, device, *training)
"""


def git(repository: Path, *words: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org")
    command = ["git", "-C", str(repository), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of a user's own, whose only commit has a correct backend."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "mine.py").write_text(BACKEND.format(body="pass"))
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "right"]):
        git(folder, *words)
    return folder


def test_commit_is_compared_with_the_checkout(repository: Path, tmp_path: Path) -> None:
    mine = repository / "mine.py"
    mine.write_text(BACKEND.format(body="params = {k: 1.1 * v for k, v in params.items()}"))
    done = compare(tmp_path, "--base", "HEAD", "--backends", mine, "--probes", "parity")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "base: HEAD (" in done.stdout
    assert verdicts(tmp_path)["parity"] == "regressed"
    assert git(repository, "worktree", "list").count("\n") == 1


def test_commit_that_equals_the_checkout_passes(repository: Path, tmp_path: Path) -> None:
    mine = repository / "mine.py"
    done = compare(tmp_path, "--base", "HEAD", "--backends", mine, "--probes", "parity")
    assert verdicts(tmp_path)["parity"] == "pass", done.stderr
    features = json.loads((tmp_path / "c" / "head" / "run.json").read_text())["features"]
    assert features == {str(mine): numpy_backend.SUPPORTS.features()}
    assert "base: HEAD (" in done.stdout
    assert git(repository, "worktree", "list").count("\n") == 1


@pytest.mark.parametrize(("name", "variables"), [("own ", ()), ("own", ("GIT_DIR",))])
def test_repository_of_the_adapter_is_the_one_compared(
    name: str, variables: Sequence[str], repository: Path, tmp_path: Path
) -> None:
    """Its name may end with a space. Where a hook of git's runs the comparison, git has set GIT_DIR
    to the repository of the hook."""
    hooked = tmp_path / "hooked"
    hooked.mkdir()
    git(hooked, "init", "-q")
    repository = repository.rename(tmp_path / name)
    (repository / "mine.py").write_text(BACKEND.format(body="params = None"))
    done = compare(
        *(tmp_path, "--base", "HEAD", "--backends", repository / "mine.py", "--probes", "parity"),
        environment=dict.fromkeys(variables, str(hooked / ".git")),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert verdicts(tmp_path)["parity"] == "regressed"


def test_revision_is_never_taken_for_an_option_of_git(repository: Path, tmp_path: Path) -> None:
    git(repository, "update-ref", "refs/tags/--output=stray", "HEAD")
    assert same_files(repository, "--output=stray", None)
    assert not (repository / "stray").exists()
    (repository / "mine.py").write_text("another")
    assert not same_files(repository, "--output=stray", None)


def test_base_that_does_not_import_is_an_error(repository: Path, tmp_path: Path) -> None:
    mine = repository / "mine.py"
    mine.write_text("this is no Python")
    git(repository, "commit", "-qam", "wrong")
    mine.write_text(BACKEND.format(body="pass"))
    done = compare(tmp_path, "--base", "HEAD", "--backends", mine)
    assert done.returncode == 2
    assert "the base (HEAD (" in done.stderr
    assert "SyntaxError" in done.stderr
    assert f": {mine} does not import: {mine}:1: " in done.stderr, "the user's own name of the file"
    assert not (tmp_path / "c").exists()


def test_row_that_the_head_no_longer_expresses_is_missing(tmp_path: Path) -> None:
    two, one = (python_with(tmp_path, MISBEHAVE_CELLS=cells) for cells in ("rnn lstm", "rnn"))
    sides = ("--base-python", two, "--head-python", one, "--backends", MISBEHAVING)
    done = compare(tmp_path, *sides, "--probes", "parity")
    assert done.returncode == 1, done.stdout + done.stderr
    assert verdicts(tmp_path) == {"cell": "missing"}


@pytest.mark.parametrize(
    ("variables", "code", "check", "verdict", "reason"),
    [
        ({"MISBEHAVE_CELLS": "rnn"}, 3, "cell", "not comparable", "on neither side: "),
        ({"MISBEHAVE": "wrong lstm parity *"}, 1, "parity", "failed", "both failed: "),
    ],
)
def test_what_is_not_measured_or_fails_on_both_sides_is_never_green(
    variables: dict[str, str], code: int, check: str, verdict: str, reason: str, tmp_path: Path
) -> None:
    chosen = ("--backends", MISBEHAVING, "--cells", "rnn", "lstm", "--probes", "parity")
    done = compare(tmp_path, "--aa", *chosen, environment=variables)
    assert done.returncode == code, done.stdout + done.stderr
    assert verdicts(tmp_path)[check] == verdict
    assert reason in (tmp_path / "c" / "junit.xml").read_text()


def test_task_that_does_not_load_is_an_error(tmp_path: Path) -> None:
    task = tmp_path / "task.py"
    task.write_text("import no_such_module")
    done = compare(tmp_path, "--aa", "--backends", "numpy", "--tasks", "adding:short", task)
    assert done.returncode == 2
    assert "cannot be measured: " in done.stderr
    assert "No module named 'no_such_module'" in done.stderr


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        ("No module named 'bench.kernels'", "a package 'bench', which comes first"),
        ("cannot import name 'fast' from 'tasks' (/h/tasks/__init__.py)", "a package 'tasks'"),
        ("No module named 'kern.backends'", "--build"),
    ],
)
def test_adapter_that_does_not_import_gets_a_hint(error: str, hint: str) -> None:
    reason = f"mine.py does not import: mine.py:1: ImportError: {error}"
    assert hint in import_hint(reason, can_build=True)
    assert (hint == "--build") == (import_hint(reason, can_build=False) == "")
    assert import_hint(error, can_build=True) == ""


def test_interpreter_without_the_framework_is_an_error(tmp_path: Path) -> None:
    without = python_with(tmp_path, MISBEHAVE_REQUIRES="no-such-framework")
    done = compare(tmp_path, "--base-python", without, "--backends", MISBEHAVING)
    assert done.returncode == 2
    assert "the base (the checkout under" in done.stderr
    assert "not installed: no-such-framework" in done.stderr


def test_case_of_a_base_that_does_not_name_its_optimiser_is_timed() -> None:
    timed: dict[str, Any] = dict(record("speed", samples={"step": [1.0]}).case)
    older = Case.from_flat({k: v for k, v in timed.items() if k != "optimiser"})
    side = MeasuredSide(cases=[older], runner=None, control=None)  # type: ignore[arg-type]
    groups = side.timed_cases({Case.from_flat(timed).model_key}, 3)
    assert [case.launch for cases in groups.values() for case in cases] == [3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "compare needs two sides"),
        (("one",), "compare takes two stored runs (compare BASE HEAD), not 1"),
        (("one", "two"), "no run 'one'"),
        (("one", "two", "--aa"), "--aa is for live comparisons"),
        (("one", "two", "--base-python", "x"), "--base-python is for live comparisons"),
        (("one", "two", "--build", "make"), "--build is for live comparisons"),
        (("--base", "no-such-revision"), "no revision 'no-such-revision'"),
        (("--base-python", "/no/such/python"), "no such program: /no/such/python"),
        (("--head-python", "/bin/true"), "is not a Python interpreter"),
        (("--aa", "--base", "HEAD"), "it takes no base"),
        (("--aa", "--budget", "soon"), "--budget must be a time"),
        (("--aa", "--pairs", "0"), "pairs must be a whole number from 1 to 1000, not 0"),
        (("--aa", "--rounds", "999999999"), "rounds must be a whole number from 1 to 20, not 9"),
        (("--aa", "--least", "0.01"), "--least must be a share of at least 0.02, not 0.01"),
        (("--aa", "--least", "0.1"), "--excluded must be a share above 0.1, not 0.07"),
        (("--aa", "--excluded", "0.01"), "--excluded must be"),
        (("--aa", "--phases", "sideways"), "unknown phase 'sideways'"),
        (("--aa", "--probes", "memory"), "probe 'memory' is not compared"),
        (("--aa", "--backends", "nonesuch"), "unknown backend 'nonesuch'"),
        (("--base", "base", "--backends", "tests"), "'tests' is a folder: name the file of the"),
    ],
)
def test_wrong_use_is_refused_with_a_reason(
    arguments: Sequence[str], message: str, tmp_path: Path
) -> None:
    done = bench_inside("compare", *arguments, "--results-dir", tmp_path / "comparisons")
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "comparisons").exists()


def test_earlier_comparison_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    done = bench_inside("compare", "--aa", "--results-dir", tmp_path, "--run-id", "c")
    assert done.returncode == 2
    assert "comparison c exists" in done.stderr
    assert list((tmp_path / "c").iterdir()) == []
