"""A file of the user that is no backend or no task is refused with its line, exit code 2."""

import os
from pathlib import Path
from typing import Any

import pytest
from running import bench, bench_inside, records, tiny_run

import backends
import tasks
from bench.plan import trial_import
from bench.run.failure import describe_failure
from bench.spec import Supports, Unavailable, Unsupported

REEXPORT = "from backends.numpy_backend import *\n"
BACKENDS = {
    "import os; os._exit(0)": "it ends the process that imports it (exit code 0)",
    "import os; os.abort()": "it ends the process that imports it (SIGABRT)",
    "import sys; sys.exit(0)": "mine.py:2: SystemExit: 0",
    "raise KeyboardInterrupt": "mine.py:2: KeyboardInterrupt",
    "raise GeneratorExit": "mine.py:2: GeneratorExit",
    "REQUIRES = None": "REQUIRES is None; it must be a tuple",
    "REQUIRES = 'numpy'": "REQUIRES is 'numpy'; it must be a tuple",
    "open_session = 3": "is no backend: it lacks open_session",
    "SUPPORTS = {'cells': ['rnn']}": "SUPPORTS is {'cells': ['rnn']}; it must be",
    "from bench.spec import Supports\nSUPPORTS = Supports(cells=('rnn', 'ltsm'))": (
        "mine.py:3: ValueError: a supported cell must be one of rnn, lstm, gru, feedforward, not "
        "'ltsm'"
    ),
    "def unavailable(device):\n    raise RuntimeError('the driver is broken')": (
        "its unavailable() raised RuntimeError: the driver is broken (adapters/mine.py:3)"
    ),
    "def unavailable(device):\n    return 5": "its unavailable() returned 5; it must return a text",
    "def environment(threads):\n    return 5": "its environment() returned what is no environment",
    "def environment(threads):\n    return {'A': 5}": "the variable 'A' is 5, which is no text",
    "def environment(threads):\n    return {'A': 'x\\0'}": "no variable can be called 'A' and be",
    "def environment(threads):\n    return {'A=B': 'x'}": "no variable can be called 'A=B'",
    "def compilation_cache(folder):\n    return {'A': None}": "the variable 'A' is None, which is",
    "SPEED_VARIABLES = 5": "SPEED_VARIABLES is 5; it must be a tuple",
    "def environment(threads):\n    return {}[threads]": (
        "its environment() raised KeyError: 1 (adapters/mine.py:3)"
    ),
}
"""The lines of a backend after `REEXPORT`, and the message."""

TASKS = {
    "": "lacks REQUIRES and PROFILES",
    "import os; os._exit(0)": "it ends the process that imports it (exit code 0)",
    "import sys; sys.exit(0)": "mine.py:1: SystemExit: 0",
    "REQUIRES, PROFILES = (), {}": "PROFILES is {}; it must map smoke, standard and paper",
    "REQUIRES, PROFILES = (), {'smoke': 5, 'standard': 5}": "PROFILES is {'smoke': 5, 'standard'",
    "from tasks.adding import *\nPROFILES = {'large': PROFILES['smoke']}": (
        "has no size 'standard', only large: name one of them"
    ),
    "from dataclasses import dataclass\nREQUIRES = ()\n@dataclass\nclass Mine:\n    batch: int = 2"
    "\nPROFILES = {'smoke': Mine()}": "its size smoke lacks hidden, steps, learning_rate",
}


@pytest.mark.parametrize("source", BACKENDS)
def test_file_that_is_no_backend_is_refused_with_its_line(source: str, tmp_path: Path) -> None:
    file = tmp_path / "adapters" / "mine.py"
    file.parent.mkdir()
    file.write_text(REEXPORT + source)
    done = bench_inside("--backends", file, "--results-dir", tmp_path / "runs")
    assert (done.returncode, done.stdout) == (2, "")
    assert BACKENDS[source] in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("source", TASKS)
def test_file_that_is_no_task_is_refused_with_its_line(source: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(source)
    done = bench_inside("--backends", "numpy", "--tasks", file, "--results-dir", tmp_path / "runs")
    assert (done.returncode, done.stdout) == (2, "")
    assert TASKS[source] in done.stderr
    assert "mine.py" in done.stderr
    assert not (tmp_path / "runs").exists()


OWN_TASK = """from dataclasses import dataclass
from tasks.adding import PROFILES as ADDING
REQUIRES = ()
@dataclass(frozen=True, kw_only=True)
class Mine(type(ADDING["smoke"])):
    own: {}
PROFILES = dict.fromkeys(ADDING, Mine(length=5))
"""
SETTINGS = {
    "tuple = (1, 2)": "own is (1, 2); accepted: a text, a finite number, true, false or null",
    "int = 2**63": "own is 9223372036854775808; accepted: a text",
    "str = '\\udcff'": "own is '\\udcff'; accepted: text in UTF-8",
    "int = 1\n    seed: int = 5": "a setting cannot be called seed, because every case has a part",
    "int = 1\n    backend: str = 'x'": "a setting cannot be called backend",
    "int = 1\n    request: str = 'x'": "a setting cannot be called request",
}
"""A setting of a task, and why a record cannot hold it."""


@pytest.mark.parametrize("setting", SETTINGS)
def test_setting_of_a_task_that_a_record_cannot_hold_is_refused(
    setting: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    words = ("--backends", "numpy", "--tasks", file, "--dry-run", "--results-dir", tmp_path / "r")
    file.write_text(OWN_TASK.format("str = 'a'\n    metric: str = 'mse'"))
    assert bench_inside(*words).returncode == 0
    file.write_text(OWN_TASK.format(setting))
    done = bench_inside(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert SETTINGS[setting] in done.stderr


def test_error_of_an_adapter_is_recorded_with_its_line_and_traceback(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from backends.numpy_backend import *\ndef open_session(*arguments):\n    return 1 / 0\n"
    )
    done = tiny_run(tmp_path, "--backends", str(file), "--cells", "rnn", "--probes", "memory")
    assert done.returncode == 1
    first = records(tmp_path)[0]
    reason = f"ZeroDivisionError: division by zero ({tmp_path.name}/mine.py:3)"
    assert (first["status"], first["reason"]) == ("failed", reason)
    assert "in open_session\n    return 1 / 0" in first["traceback"]
    logs = (tmp_path / "r" / "workers").iterdir()
    assert first["traceback"] in "".join(log.read_text() for log in logs)


def test_case_that_is_not_supported_has_no_traceback() -> None:
    assert describe_failure(Unsupported("no gru"), []) == ("skipped", "no gru", None)


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"cells": ("rnn", "mgu")}, "a supported cell must be one of .* not 'mgu'"),
        ({"dtypes": ("float16",)}, "a supported dtype must be one of .* not 'float16'"),
        ({"gru": ("before",)}, "a supported gru variant must be one of .* not 'before'"),
        ({"limits": {"lsmt": None}}, "what a limit is on must be one of .* not 'lsmt'"),
    ],
)
def test_unknown_word_in_supports_is_refused_by_name(changed: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Supports(**changed)


def test_capital_letters_in_names_do_not_count(tmp_path: Path) -> None:
    words = (
        "--backends NumPy --tasks Adding:Smoke:Length=5 --cells RNN --devices CPU --dtypes Float64"
    )
    done = bench_inside(
        *words.split(), "--probes", "Parity", "--dry-run", "--results-dir", tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "numpy rnn adding float64 parity seed 0" in done.stdout


def test_capital_letters_count_in_the_path_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "Mine.py").write_text("from backends.numpy_backend import *\n")
    assert backends.load(str(tmp_path / "Mine.py")).REQUIRES == ("numpy",)
    with pytest.raises(Unavailable, match=r"no file .*mine\.py"):
        backends.load(str(tmp_path / "mine.py"))
    with pytest.raises(Unavailable, match=r"no file .*mine\.py"):
        tasks.load(str(tmp_path / "mine.py"))


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("backends", ("list",)),
        ("backends", ("--backends", "own", "--dry-run")),
        ("backends", ("compare", "--base", "HEAD", "--backends", "own")),
        ("tasks", ("list", "own")),
    ],
)
def test_installed_plugin_whose_import_ends_the_process_is_named(
    group: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "own-1.0.dist-info").mkdir()
    (tmp_path / "own_plugin.py").write_text("import os; os._exit(0)")
    points = f"[recurrent_bench.{group}]\nown = own_plugin\n"
    (tmp_path / "own-1.0.dist-info" / "entry_points.txt").write_text(points)
    done = bench(*words, environment={"PYTHONPATH": str(tmp_path)})
    message = "own does not import: it ends the process that imports it (exit code 0)"
    assert message in (done.stdout if words == ("list",) else done.stderr)
    assert done.returncode == (0 if words == ("list",) else 2)


def test_file_whose_import_does_not_return_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_import, "LIMIT_S", 0.5)
    (tmp_path / "mine.py").write_text("import time; time.sleep(600)")
    done = bench_inside("--backends", tmp_path / "mine.py", "--dry-run")
    assert done.returncode == 2
    assert "mine.py does not import: it has not returned after 0.5 s" in done.stderr


def test_file_whose_name_is_not_utf8_is_refused_where_a_record_would_hold_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9.py")
    file.write_text(REEXPORT)
    done = bench_inside("--backends", file, "--results-dir", tmp_path / "runs")
    assert done.returncode == 2
    assert "caf\\udce9.py is not UTF-8, which run.json needs: rename the file" in done.stderr
    assert not (tmp_path / "runs").exists()
