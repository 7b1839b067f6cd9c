"""A task file of the user whose code raises, or gives what no plan can use, is refused by line."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from running import bench_inside, records, tiny_run_inside

HEAD = """from dataclasses import dataclass, field
import numpy as np
from tasks.adding import Adding
REQUIRES = ()
class Unprintable:
    def __repr__(self): return str(1 / 0)
@dataclass(frozen=True, kw_only=True)
class Mine(Adding):
    length: int = 5
    hidden: int = 2
    steps: int = 2
    held_out: int = 8
"""
PROFILES = '\nPROFILES = dict.fromkeys(("smoke", "standard", "paper"), Mine())\n'
RAISES = "    @property\n    def {}(self): raise RuntimeError('broken')\n"
BODIES = {
    RAISES.format("time"): "its time raised RuntimeError: broken (files/mine.py:14)",
    RAISES.format("inputs"): "its inputs raised RuntimeError: broken (files/mine.py:14)",
    RAISES.format("notes"): "its notes raised RuntimeError: broken (files/mine.py:14)",
    RAISES.format("unread"): "its unread raised RuntimeError: broken (files/mine.py:14)",
    RAISES.format("unavailable"): "its unavailable raised RuntimeError: broken (files/mine.py:14)",
    "    def unavailable(self): return {}['key']": (
        "its unavailable() raised KeyError: 'key' (files/mine.py:13)"
    ),
    "    def unavailable(self): return 5": (
        "its unavailable() returned 5; it must return a text or None"
    ),
    "    unavailable = 5": "its unavailable() raised TypeError: 'int' object is not callable",
    "    notes = 5": "its notes is 5; accepted: a list of texts",
    "    notes = [[1], {}]": "its notes is [[1], {}]; accepted: a list of texts",
    "    unread = 5": "its unread is 5; accepted: a list of texts",
    "    time = 'x'": "time is 'x'; accepted: a whole number of at least 1",
    "    time = float('nan')": "time is nan; accepted: a whole number of at least 1",
    "    metric = 5": "metric is 5; accepted: a text",
    "    metric = '\\udcff'": "metric is '\\udcff'; accepted: text in UTF-8",
    "    inputs = '2'": "inputs must be a positive whole number, not '2'",
    "    inputs = np.ones(2)": "inputs must be a positive whole number, not array([1., 1.])",
    "    own: object = field(default_factory=Unprintable)": (
        "its own raised ZeroDivisionError: division by zero (files/mine.py:6)"
    ),
}
"""The body of a task after the fields of `HEAD`, and the message."""
FILES = {
    "PROFILES = {1: Mine(), 'smoke': Mine()}": "PROFILES has the size 1; it must be a text",
    "from tasks.memory import PROFILES as OTHER\n"
    "PROFILES = {'smoke': Mine(), 'standard': OTHER['smoke']}": (
        "its size standard is a Memory and not a Mine; all sizes must be of one class"
    ),
    "from collections.abc import Mapping\nclass Lazy(Mapping):\n"
    "    def __getitem__(self, key): raise RuntimeError('lazy')\n"
    "    def __iter__(self): return iter(['smoke'])\n    def __len__(self): return 1\n"
    "PROFILES = Lazy()": "raised RuntimeError: lazy (files/mine.py:15)",
    "del REQUIRES\ndef __getattr__(name): raise RuntimeError(name)": (
        "RuntimeError: REQUIRES (files/mine.py:14)"
    ),
    "class Odd(Exception):\n    def __str__(self): return 5\nraise Odd": (
        "does not import: {}:15: Odd: (an error without a text)"
    ),
}
"""The rest of a file after `HEAD`, and the message."""


@pytest.fixture(autouse=True)
def without_trial_import() -> Iterator[None]:
    with patch("bench.plan.trial_import._check_import", lambda package, name: None):
        yield


def task_file(folder: Path, rest: str) -> Path:
    """A file of the user in a folder `files`."""
    file = folder / "files" / "mine.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(HEAD + rest)
    return file


def plan(file: Path, size: str = "") -> tuple[int, str, str]:
    """The exit code, output and errors of a dry run of a task."""
    words = ("--backends", "numpy", "--tasks", f"{file}{size}", "--cells", "rnn", "--dry-run")
    done = bench_inside(*words, "--probes", "parity", "--results-dir", file.parent / "runs")
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("body", BODIES)
def test_task_that_raises_or_has_a_wrong_value_is_refused(body: str, tmp_path: Path) -> None:
    code, out, errors = plan(task_file(tmp_path, body + PROFILES))
    assert (code, out) == (2, "")
    assert BODIES[body] in errors
    assert "mine.py" in errors


@pytest.mark.parametrize("count", range(4))
def test_task_that_fails_at_any_later_use_is_refused(count: int, tmp_path: Path) -> None:
    body = f"""    def __post_init__(self):
        with open(__file__ + ".log", "a") as log:
            log.write("x")
            if log.tell() > {count}: raise RuntimeError("too many")
"""
    code, _, errors = plan(task_file(tmp_path, body + PROFILES))
    assert code == 2
    assert "RuntimeError: too many" in errors
    assert "mine.py:16" in errors or "mine.py:18" in errors


@pytest.mark.parametrize("rest", FILES)
def test_file_that_raises_or_has_wrong_sizes_is_refused(rest: str, tmp_path: Path) -> None:
    file = task_file(tmp_path, rest)
    for code, out, errors in (plan(file), plan(file, ":nowhere")):
        assert (code, out) == (2, "")
        assert FILES[rest].replace("{}", str(file)) in errors


@pytest.mark.parametrize(
    "body",
    [
        "    inputs = np.int64(2)\n    outputs = np.array([0]).max() + 1",
        "    own: int = np.int32(2)\n    learning_rate: float = np.float64(0.01)",
        "    own: int = field(default=3, init=False)",
        "    @property\n    def notes(self):\n        while True: yield 'a note'",
        "    notes = ()\n    unread = []\n    def unavailable(self): return None",
    ],
)
def test_values_that_python_can_write_as_json_are_accepted(body: str, tmp_path: Path) -> None:
    code, out, errors = plan(task_file(tmp_path, body + PROFILES), ":batch=3")
    assert (code, errors) == (0, "")
    assert "mine.py float32 parity seed 0" in out


def test_run_of_a_task_with_numbers_of_numpy_can_be_read(tmp_path: Path) -> None:
    file = task_file(tmp_path, "    outputs = np.array([0]).max() + 1" + PROFILES)
    words = ("--tasks", str(file), "--cells", "rnn", "--probes", "parity")
    assert tiny_run_inside(tmp_path, *words).returncode == 0
    assert [(r["status"], r["case"]["outputs"]) for r in records(tmp_path)] == [("ok", 1)]


def test_import_that_changes_the_working_folder_does_not_move_the_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_file(tmp_path, PROFILES + "import os; os.chdir('/')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("running.ROOT", tmp_path)
    code, out, errors = plan(Path("files/mine.py"))
    assert (code, errors) == (0, "")
    assert "files/mine.py float32 parity" in out
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    unread = 5", "its unread is 5; accepted: a list of texts"),
        (
            "    own: object = field(default_factory=Unprintable)",
            "its own raised ZeroDivisionError: division by zero (files/mine.py:6)",
        ),
        ("    __doc__ = 5", ""),
    ],
)
def test_description_of_a_task_checks_it_too(body: str, message: str, tmp_path: Path) -> None:
    done = bench_inside("list", task_file(tmp_path, body + PROFILES + "__doc__ = 5"))
    assert done.returncode == (2 if message else 0)
    assert message in done.stderr
