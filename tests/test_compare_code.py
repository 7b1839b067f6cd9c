"""Each side of a comparison runs its own code: beside an adapter, in a package, or built."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from compare_sides import compare, verdicts
from running import inheriting, start, wait_until
from test_compare_sides import git

from bench.compare.build import run_build
from bench.spec import Unavailable

ADAPTER = """{setup}
import kern_own
from backends import numpy_backend
REQUIRES, SUPPORTS = numpy_backend.REQUIRES, numpy_backend.SUPPORTS
devices = numpy_backend.devices
def open_session(spec, params, device, *training):
    weights = {{name: kern_own.SCALE * value for name, value in params.items()}}
    return numpy_backend.open_session(spec, weights, device, *training)
"""
SLOW_STEP = """
open_sound = open_session
def open_session(*arguments):
    session = open_sound(*arguments)
    sound_step, matrix = session.step, np.ones((200, 200))
    def step(*batch):
        for _ in range(kern_own.WORK):
            matrix @ matrix
        return sound_step(*batch)
    session.step = step
    return session
"""
BUILD = """import shutil, sysconfig
print("built by", __file__)
shutil.copy("lib/kern_own.py", sysconfig.get_path("purelib"))
"""
PARITY = ("--probes", "parity")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "build.py").write_text(BUILD)
    git(folder, "init", "-q")
    return folder


def adapter(repository: Path, kernel: str, setup: str = "") -> Path:
    """An adapter whose kernel is right in the only commit and wrong in the checkout."""
    part = repository / "parts" / "kernels" if kernel.startswith("parts") else repository
    file = part / "adapters" / "mine.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(ADAPTER.format(setup=setup))
    (repository / kernel).parent.mkdir(parents=True, exist_ok=True)
    (repository / kernel).write_text("SCALE = 1.0\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "right")
    (repository / kernel).write_text("SCALE = 1.1\n")
    return file


def against_commit(root: Path, file: Path, *options: str, **variables: str) -> Any:
    sides = ("--base", "HEAD", "--backends", file, *PARITY, *options)
    return compare(root, *sides, environment={"TMPDIR": str(temporary(root)), **variables})


def temporary(root: Path) -> Path:
    (root / "temporary").mkdir(exist_ok=True)
    return root / "temporary"


def parity_reason(root: Path) -> str:
    findings = json.loads((root / "c" / "verdict.json").read_text())["findings"]
    return next(str(f["reason"]) for f in findings if f["check"] == "parity")


@pytest.mark.thorough
def test_kernel_that_became_slower_is_red(repository: Path, tmp_path: Path) -> None:
    file = adapter(repository, "src/kern_own.py", setup="import numpy as np")
    file.write_text(file.read_text() + SLOW_STEP)
    for work, message in ((0, "quick"), (20, "slow")):
        (repository / "src" / "kern_own.py").write_text(f"SCALE, WORK = 1.0, {work}\n")
        git(repository, "commit", "-qam", message)
    sides = ("--base", "HEAD~1", "--head", "HEAD", "--backends", file, "--probes", "speed")
    done = compare(tmp_path, *sides, "--rounds", "1", "--pairs", "5")
    assert done.returncode == 1, done.stdout + done.stderr
    assert verdicts(tmp_path)["speed of step"] == "regressed"
    assert verdicts(tmp_path)["parity"] == "pass"


@pytest.mark.parametrize(
    ("kernel", "named"),
    [
        ("adapters/kern_own.py", ""),
        ("src/kern_own/__init__.py", ""),
        ("parts/kernels/src/kern_own.py", ""),
        ("src/kern_own.py", "src"),
        ("lib/kern_own.py", "lib"),
    ],
)
def test_each_side_imports_its_own_kernel(
    kernel: str, named: str, repository: Path, tmp_path: Path
) -> None:
    """`named` is a folder of the checkout that the user put on PYTHONPATH."""
    file = adapter(repository, kernel)
    variables = {"PYTHONPATH": str(repository / named)} if named else {}
    done = against_commit(tmp_path, file, **variables)
    assert done.returncode == 1, done.stdout + done.stderr
    assert verdicts(tmp_path)["parity"] == "regressed"
    assert parity_reason(tmp_path).startswith("the head failed")
    assert list(temporary(tmp_path).iterdir()) == []


def test_base_that_loads_a_file_of_the_checkout_is_not_comparable(
    repository: Path, tmp_path: Path
) -> None:
    setup = f"import sys; sys.path.insert(0, {str(repository / 'lib')!r})"
    file = adapter(repository, "lib/kern_own.py", setup)
    (repository / "lib" / "kern_own.py").write_text("SCALE = 1.0  # as right as the base\n")
    done = against_commit(tmp_path, file)
    assert done.returncode == 3, done.stdout + done.stderr
    assert verdicts(tmp_path)["files of the base"] == "not comparable"
    assert "files of the head" not in verdicts(tmp_path)
    assert "not comparable: 1 not comparable" in done.stdout
    kernel = repository / "lib" / "kern_own.py"
    assert f"the base loads {kernel}, not the code in" in (tmp_path / "c/verdict.md").read_text()


def test_installed_backend_is_refused_where_commits_are_compared(tmp_path: Path) -> None:
    site = tmp_path / "installed"
    (site / "own-1.0.dist-info").mkdir(parents=True)
    (site / "own_plugin.py").write_text("from backends.numpy_backend import *\n")
    points = "[recurrent_bench.backends]\nown = own_plugin\n"
    (site / "own-1.0.dist-info" / "entry_points.txt").write_text(points)
    sides = ("--base", "HEAD", "--backends", "own", *PARITY)
    done = compare(tmp_path, *sides, environment={"PYTHONPATH": str(site)})
    assert done.returncode == 2
    assert f"backend 'own' is installed ({site / 'own_plugin.py'})" in done.stderr


def test_each_side_is_built_in_an_environment_of_its_own(repository: Path, tmp_path: Path) -> None:
    file = adapter(repository, "lib/kern_own.py")
    done = against_commit(tmp_path, file, "--build", "python build.py")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "building the base: python build.py" in done.stderr
    assert "head: built by" in done.stderr
    assert parity_reason(tmp_path).startswith("the head failed")
    assert list(temporary(tmp_path).iterdir()) == []


def test_build_that_fails_is_an_error_with_the_end_of_its_output(
    repository: Path, tmp_path: Path
) -> None:
    file = adapter(repository, "lib/kern_own.py")
    done = against_commit(tmp_path, file, "--build", "echo no compiler; exit 7")
    assert done.returncode == 2
    assert "--build failed for the head with exit code 7:\n  no compiler" in done.stderr
    assert not (tmp_path / "c").exists()
    assert list(temporary(tmp_path).iterdir()) == []


def test_build_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    mark = {"GUARD_TEST": str(tmp_path)}
    command, variables = "echo begun; sleep 600 & wait", {**os.environ, **mark}
    with pytest.raises(Unavailable, match="for the head after 1 s, its limit:\n  begun"):
        run_build("head", command, tmp_path, variables, limit_s=1)
    assert not inheriting(mark)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_build_leaves_neither_files_nor_processes(
    number: int, code: int, repository: Path, tmp_path: Path
) -> None:
    file = adapter(repository, "lib/kern_own.py")
    mark = {"GUARD_TEST": str(tmp_path), "TMPDIR": str(temporary(tmp_path))}
    build = ("--build", f"touch {tmp_path / 'started'}; sleep 600")
    words = ("compare", "--base", "HEAD", "--backends", file, *build)
    process = start(
        *(*words, "--results-dir", tmp_path),
        environment=mark,
        # A shell lets the programs in its background ignore interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    wait_until((tmp_path / "started").exists, seconds=100)
    os.kill(process.pid, number)
    process.communicate(timeout=100)
    assert process.returncode == code
    wait_until(lambda: not inheriting(mark))
    assert list(temporary(tmp_path).iterdir()) == []
    assert git(repository, "worktree", "list").count("\n") == 1
