"""Discovery of tasks: the files of the project, files elsewhere, and installed packages."""

import subprocess
import sys
from pathlib import Path

import pytest

import tasks
from bench.spec import Unavailable

USER_TASK = """
from __future__ import annotations
from dataclasses import dataclass
from tasks.adding import Adding
@dataclass(frozen=True, kw_only=True)
class Mine(Adding):
    bonus: int = 0
REQUIRES = ()
PROFILES = {"smoke": Mine(length=4)}
"""


def test_names_are_listed_without_importing_a_task() -> None:
    code = (
        "import sys, tasks; print(*tasks.names()); "
        "print(*(m for m in sys.modules if m[:6] == 'tasks.'))"
    )
    root = Path(tasks.__file__).parents[1]
    output = subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True)
    listed, imported = output.splitlines()
    assert listed.split() == tasks.names()
    assert {"adding", "forecasting", "memory"} <= set(tasks.names())
    assert imported == ""


def test_files_and_folders_with_an_underscore_are_no_tasks() -> None:
    folder = Path(tasks.__file__).parent
    stems = {path.stem.replace("_", "-") for path in folder.iterdir() if path.stem[0] == "_"}
    assert {"-settings", "-series"} <= stems
    assert not stems & set(tasks.names())


def test_unknown_name_is_answered_with_a_similar_one_and_all() -> None:
    with pytest.raises(
        Unavailable, match=r"no task 'memroy'. Did you mean memory\? Tasks: adding, "
    ):
        tasks.load("memroy")


def test_file_elsewhere_is_a_task_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(USER_TASK)
    monkeypatch.chdir(tmp_path)
    for path in ("./mine.py", "mine.py", str(tmp_path / "mine.py")):
        assert tasks.load(path).PROFILES["smoke"].time == 4
    assert "mine" not in tasks.names()


def test_installed_package_adds_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_tasks.py").write_text(USER_TASK)
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{tasks.GROUP}]\ntheir_task = their_tasks\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "their-task" in tasks.names()
    assert tasks.load("their-task").PROFILES["smoke"].time == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import nowhere_at_all\n",
            r"mine\.py:1: ModuleNotFoundError: No module named 'nowhere_at_all'",
        ),
        ("x = 1\ny = (\n", r"mine\.py:2: SyntaxError: "),
        ("x = 1\n\ny = x / 0\n", r"mine\.py:3: ZeroDivisionError: division by zero"),
        (
            "from tasks.adding import Adding\nAdding(length=1)\n",
            r"mine\.py:2: ValueError: length must be a whole number of at least 2",
        ),
        ("REQUIRES = ()\n", r"lacks PROFILES: .*mine\.py"),
    ],
)
def test_broken_file_is_reported_with_file_line_and_error(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(Unavailable, match=message):
        tasks.load(str(tmp_path / "mine.py"))
    assert str(tmp_path / "mine.py") not in sys.modules or "lacks" in message


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"there is no file .*gone\.py"):
        tasks.load(str(tmp_path / "gone.py"))
