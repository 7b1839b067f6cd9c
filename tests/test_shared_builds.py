"""Compiled code of which nobody can say that it was built from its side's sources."""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from test_compare_sides import git

from bench.run import origin
from bench.run import shared_builds as module
from bench.run.loaded_files import loaded_files
from bench.run.origin import Guarded, why_foreign
from bench.run.shared_builds import digest_builds, shared_builds

DIGEST = "3b5d5c3712955042212316173ccf37be"
LONG_AGO = 1e9


def library(file: Path, written: float = LONG_AGO) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")
    os.utime(file, (written, written))
    return str(file)


def test_library_that_both_sides_find_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CACHES", [str(tmp_path / "cache")])
    since = time.time() - 60
    in_cache = library(tmp_path / "cache" / "ext" / "kern.so")
    built_now = library(tmp_path / "elsewhere" / "kern.so", since + 1)
    accepted = {
        library(tmp_path / "elsewhere" / "old.so"),
        library(tmp_path / "cache" / DIGEST / "kern.so"),
        library(tmp_path / "cache" / "side" / "kern.so", since + 1),
        str(tmp_path / "cache" / "gone.so"),
    }
    files = {in_cache, built_now, *accepted}
    assert shared_builds(files, [str(tmp_path / "cache" / "side")], since) == [in_cache, built_now]


def test_library_in_the_home_of_the_user_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CACHES", [])
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LD_LIBRARY_PATH", f":{tmp_path}/home/blas/lib")
    kept = library(tmp_path / "home" / ".kern" / "kern.so")
    accepted = {
        library(tmp_path / "home" / "torch" / "__init__.py"),
        library(tmp_path / "home" / "torch" / "lib" / "core.so"),
        library(tmp_path / "home" / "blas" / "lib" / "blas.so"),
        library(tmp_path / "home" / ".triton" / DIGEST / "kern.so"),
        library(tmp_path / "home" / "helper.py"),
        library(tmp_path / "home" / ".venv" / "kern.so"),
        library(tmp_path / "system" / "blas.so"),
    }
    private = [str(tmp_path / "home" / ".venv")]
    assert shared_builds({kept, *accepted}, private, time.time() + 60) == [kept]
    monkeypatch.setenv("HOME", "/")
    assert shared_builds({kept, *accepted}, private, time.time() + 60) == []


def test_library_that_the_comparison_built_under_a_digest_is_known(tmp_path: Path) -> None:
    since = time.time() - 60
    built = library(tmp_path / DIGEST / "kern.so", since + 1)
    others = {
        library(tmp_path / DIGEST / "old.so"),
        library(tmp_path / "plain" / "kern.so", since + 1),
        library(tmp_path / "own" / DIGEST / "kern.so", since + 1),
    }
    assert digest_builds({built, *others}, [str(tmp_path / "own")], since) == [built]


@pytest.fixture
def extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An extension module that this process has imported from the folder `head`."""
    source = Path(np.random._common.__file__)  # type: ignore[attr-defined]
    file = tmp_path / "head" / source.name
    file.parent.mkdir()
    shutil.copy(source, file)
    git(file.parent, "init", "-q")
    monkeypatch.syspath_prepend(file.parent)
    import_module("_common")
    yield file
    del sys.modules["_common"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_worker_names_the_library_and_what_to_do(
    extension: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other tests have loaded plug-ins from temporary folders into this process.
    libraries = {file for file in loaded_files() if file == str(extension)}
    monkeypatch.setattr(origin, "loaded_files", lambda: libraries)

    def reason(own: str, since: float | None, *environment: str) -> str:
        checkouts = [str(tmp_path / "head")]
        own_folders = [str(tmp_path / own), *environment]
        guarded = Guarded(own=own_folders, checkouts=checkouts, projects=[], since=since)
        return why_foreign(Guarded.from_json(guarded.to_json())) or ""

    stale = reason("head", time.time() + 60)
    assert f"uses {extension}, which no commit holds" in stale
    assert "--build" in stale
    after_build = reason("head", time.time() + 60, os.path.realpath(sys.prefix))
    assert after_build == stale, "the build may have left it as it was"
    assert str(extension) not in reason("head", LONG_AGO)
    assert reason("head", None) == ""
