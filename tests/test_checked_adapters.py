"""An adapter of the user whose code raises where it is read is refused, or fails its case."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from running import bench_inside, records, tiny_run_inside

from bench.records import code as code_module
from bench.records.code import digest
from bench.records.imported_code import imported_files

REEXPORT = "from backends.numpy_backend import *\n"
LAZY = """from collections.abc import Mapping
class Lazy(Mapping):
    def __getitem__(self, key): raise RuntimeError('lazy')
    def __iter__(self): return iter(['A'])
    def __len__(self): return 1
def {}(argument): return Lazy()
"""
ODD = "class Odd(Exception):\n    def __str__(self): raise RuntimeError('no text')\n"
ADAPTERS = {
    "def __getattr__(name): raise RuntimeError(name)": (
        "mine.py raised RuntimeError: SPEED_VARIABLES (adapters/mine.py:2)"
    ),
    LAZY.format("environment"): "its environment() raised RuntimeError: lazy (adapters/mine.py:4)",
    LAZY.format("compilation_cache"): (
        "its compilation_cache() raised RuntimeError: lazy (adapters/mine.py:4)"
    ),
    "REQUIRES = ('broken.inner',)": "not installed: broken.inner (pip install broken.inner)",
    ODD + "def unavailable(device): raise Odd": (
        "its unavailable() raised Odd: (an error without a text) (adapters/mine.py:4)"
    ),
    ODD + "raise Odd": "mine.py:4: Odd: (an error without a text)",
    "class Text(str):\n    def __bool__(self): raise RuntimeError\n"
    "def unavailable(device): return Text('no licence')": "mine.py on cpu: no licence",
}
"""The lines of an adapter after `REEXPORT`, and the message."""


@pytest.fixture(autouse=True)
def without_trial_import() -> Iterator[None]:
    with patch("bench.plan.trial_import._check_import", lambda package, name: None):
        yield


def adapter_file(folder: Path, source: str) -> Path:
    """An adapter in a folder `adapters`, beside a package whose import raises."""
    file = folder / "adapters" / "mine.py"
    (file.parent / "broken").mkdir(parents=True)
    (file.parent / "broken" / "__init__.py").write_text("raise RuntimeError('imported')")
    file.write_text(REEXPORT + source)
    return file


@pytest.mark.parametrize("source", ADAPTERS)
def test_adapter_that_raises_where_it_is_read_is_refused(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = adapter_file(tmp_path, source)
    monkeypatch.syspath_prepend(file.parent)
    done = bench_inside("--backends", file, "--results-dir", tmp_path / "runs")
    assert (done.returncode, done.stdout) == (2, "")
    assert ADAPTERS[source] in done.stderr
    assert not (tmp_path / "runs").exists()


def test_environment_that_raises_for_more_threads_fails_the_cases(tmp_path: Path) -> None:
    source = "def environment(threads):\n    return {1: {}, 64: {}}[threads]"
    words = ("--backends", adapter_file(tmp_path, source), "--cells", "rnn", "--threads", "2")
    done = tiny_run_inside(tmp_path, *map(str, words), "--probes", "speed", "--launches", "1")
    assert done.returncode == 1
    reasons = {record["reason"] for record in records(tmp_path)}
    assert any("environment() raised KeyError: 2 (adapters/mine.py:3)" in str(r) for r in reasons)


def test_package_within_a_package_counts_as_installed_without_being_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = adapter_file(tmp_path, "REQUIRES = ('broken.inner',)")
    (file.parent / "broken" / "inner.py").touch()
    monkeypatch.syspath_prepend(file.parent)
    done = bench_inside("--backends", file, "--tasks", "adding:length=5", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")


def test_adapter_changes_the_working_folder_for_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter_file(tmp_path, "import os; os.chdir('/')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("running.ROOT", tmp_path)
    words = ("--backends", "adapters/mine.py", "--cells", "rnn", "--probes", "parity")
    done = tiny_run_inside(tmp_path, *words)
    assert (done.returncode, [r["status"] for r in records(tmp_path)]) == (0, ["ok"])


@pytest.mark.parametrize("option", ["--backends", "--tasks"])
def test_file_with_a_comma_in_its_name_is_named(option: str, tmp_path: Path) -> None:
    (tmp_path / "a,b.py").write_text(REEXPORT)
    word = f"{tmp_path / 'a,b.py'}" + (":smoke" if option == "--tasks" else "")
    done = bench_inside(option, word, "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{option}: the name of the file {tmp_path / 'a,b.py'} has a comma" in done.stderr


def test_file_larger_than_the_memory_has_a_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_module, "MOST_BYTES", 1 << 21)
    large = tmp_path / "large.so"
    large.write_bytes(b"x" * (1 << 21))
    whole = digest({"large.so": large})
    with large.open("ab") as stream:
        stream.truncate(1 << 38)
    beginning = digest({"large.so": large})
    large.write_bytes(b"y")
    assert len({whole, beginning, digest({"large.so": large})}) == 3


def test_imports_of_a_source_file_larger_than_the_memory_are_not_followed(tmp_path: Path) -> None:
    source = tmp_path / "large.py"
    source.write_text("import own\n")
    with source.open("ab") as stream:
        stream.truncate(1 << 38)
    assert imported_files([source], []) == {}
