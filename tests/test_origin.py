"""A process tells which of the code that it loaded is not its side's own."""

import ctypes
import importlib
import json
import os
import py_compile
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tasks
from bench.run import origin as origin_module
from bench.run.origin import Guarded, foreign_files, why_foreign

KERNEL = "def work(): pass\n"


@pytest.fixture(autouse=True)
def _forget_imports() -> Iterator[None]:
    """Modules of a test are forgotten at its end."""
    yield
    for name in [name for name in sys.modules if name.startswith("kern_")]:
        del sys.modules[name]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Import a module with this folder first on the path."""

    def imported(name: str, folder: Path) -> Any:
        monkeypatch.syspath_prepend(folder)
        return importlib.import_module(name)

    return imported


def write(file: Path, text: str = KERNEL) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def guarded(tmp_path: Path, *own: str, **changes: Any) -> Guarded:
    """A repository in `head`, with a second checkout in `base`, which is the side's own."""
    settings = {
        "own": [str(tmp_path / folder) for folder in own or ("base",)],
        "checkouts": [str(tmp_path / "head"), str(tmp_path / "base")],
        "projects": [],
    }
    return Guarded.from_json(Guarded(**{**settings, **changes}).to_json())


def install(site: Path, name: str, project: str, **origin: Any) -> Path:
    """A package as pip installs it; `origin` is its direct_url.json."""
    metadata = site / f"{project}-1.0.dist-info"
    write(metadata / "METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n")
    write(metadata / "RECORD", f"{name}/__init__.py,,\n{metadata.name}/METADATA,,\n")
    if origin:
        write(metadata / "direct_url.json", json.dumps(origin))
    return write(site / name / "__init__.py")


def test_module_of_the_other_checkout_is_foreign(tmp_path: Path, load: Any) -> None:
    file = write(tmp_path / "head" / "src" / "kern_a.py")
    load("kern_a", file.parent)
    assert foreign_files(guarded(tmp_path)) == [str(file)]
    assert foreign_files(guarded(tmp_path, "head")) == []
    reason = why_foreign(guarded(tmp_path))
    assert reason == f"loads {file}, not the code in {tmp_path / 'base'}"


def test_symbolic_links_are_followed(tmp_path: Path, load: Any) -> None:
    file = write(tmp_path / "head" / "kern_b" / "__init__.py")
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "kern_b").symlink_to(file.parent)
    load("kern_b", tmp_path / "site-packages")
    assert foreign_files(guarded(tmp_path)) == [str(file)]


def test_module_that_a_namespace_finds_in_the_other_checkout_is_foreign(
    tmp_path: Path, load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = write(tmp_path / "base" / "kern_c" / "one.py")
    lost = write(tmp_path / "head" / "kern_c" / "two.py")
    monkeypatch.syspath_prepend(tmp_path / "head")
    load("kern_c.one", tmp_path / "base")
    assert foreign_files(guarded(tmp_path)) == []
    load("kern_c.two", tmp_path / "base")
    assert foreign_files(guarded(tmp_path)) == [str(lost)]
    assert foreign_files(guarded(tmp_path, "head")) == [str(own)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_shared_library_of_the_other_checkout_is_foreign(tmp_path: Path) -> None:
    library = tmp_path / "head" / "build" / "libkern.so"
    library.parent.mkdir(parents=True)
    shutil.copy(np.random._common.__file__, library)  # type: ignore[attr-defined]
    ctypes.CDLL(str(library))
    assert foreign_files(guarded(tmp_path)) == [str(library)]


def test_function_of_a_file_that_is_no_module_is_foreign(tmp_path: Path) -> None:
    file = write(tmp_path / "head" / "plain.py")
    names: dict[str, Any] = {}
    exec(compile(file.read_text(), str(file), "exec"), names)
    assert foreign_files(guarded(tmp_path)) == [str(file)]


def test_task_that_is_a_file_is_not_foreign(tmp_path: Path) -> None:
    """Both sides use the same file."""
    task = "from tasks.adding import PROFILES\n\nREQUIRES = ()\n"
    file = write(tmp_path / "head" / "task.py", task + KERNEL)
    tasks.load(str(file))
    assert foreign_files(guarded(tmp_path)) == []
    del sys.modules[str(file)]


@pytest.mark.parametrize(
    ("projects", "origin", "foreign"),
    [
        ([], {}, False),
        (["other"], {}, False),
        (["Kern-Own"], {}, True),
        ([], {"url": "file://{head}", "dir_info": {}}, True),
        ([], {"url": "https://example.org/kern", "vcs_info": {}}, False),
    ],
)
def test_installed_copy_is_foreign_on_both_sides(
    projects: list[str], origin: Any, foreign: bool, tmp_path: Path, load: Any
) -> None:
    origin = {k: v.format(head=tmp_path / "head") if k == "url" else v for k, v in origin.items()}
    site = tmp_path / "environment" / "site-packages"
    file = install(site, "kern_d", "kern_own", **origin)
    load("kern_d", site)
    for own in ("base", "head"):
        expected = [str(file)] if foreign else []
        assert foreign_files(guarded(tmp_path, own, projects=projects)) == expected
    built = guarded(tmp_path, "base", "environment", projects=projects)
    assert foreign_files(built) == [], "an environment that was built for the side is its own"


def test_module_that_is_imported_instead_of_the_sides_own_is_foreign(
    tmp_path: Path, load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy without metadata, outside of any checkout."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'base' / 'src'}")
    copy = write(tmp_path / "elsewhere" / "kern_i" / "__init__.py")
    load("kern_i", tmp_path / "elsewhere")
    write(tmp_path / "base" / "src" / "kern_i" / "notes" / "text.py")
    assert foreign_files(guarded(tmp_path)) == [], "a folder alone is no module"
    write(tmp_path / "base" / "src" / "kern_i" / "__init__.py")
    assert foreign_files(guarded(tmp_path)) == [str(copy)]


def test_modules_of_python_and_of_the_harness_are_not_foreign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were imported before the side's folders were on the path."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "base"))
    for name in ("json.py", "bench/__init__.py", "random.py"):
        write(tmp_path / "base" / name)
    assert foreign_files(guarded(tmp_path)) == []


def test_editable_install_of_another_clone_is_foreign(tmp_path: Path, load: Any) -> None:
    site, clone = tmp_path / "site-packages", tmp_path / "clone"
    install(site, "kern_finder", "kern_own", url=f"file://{clone}", dir_info={"editable": True})
    file = write(clone / "src" / "kern_e.py")
    load("kern_e", file.parent)
    load("kern_finder", site)
    assert foreign_files(guarded(tmp_path)) == []
    assert foreign_files(guarded(tmp_path, projects=["kern_own"])) == [str(file)]


def test_reason_names_a_pointer_and_bytecode_of_another_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "head"
    module = write(tree / "kern_i.py", "DATA = 'sizes.bin'\n")
    monkeypatch.setattr(origin_module, "loaded_files", lambda: {str(module)})
    side = guarded(tmp_path, "head", since=time.time() + 60)
    assert why_foreign(side) is None
    py_compile.compile(str(module), doraise=True)
    written = module.stat()
    write(module, "DATA = 'SIZES.bin'\n")
    os.utime(module, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert why_foreign(side) == (
        f"runs bytecode that {module} does not compile to: remove its __pycache__"
    )
    pointer = write(tree / "SIZES.bin", "version https://git-lfs.github.com/spec/v1\n")
    assert (why_foreign(side) or "").startswith(f"names {pointer}, a pointer of Git LFS")


def test_environment_inside_the_checkout_is_no_fault(tmp_path: Path, load: Any) -> None:
    environment = tmp_path / "head" / ".venv"
    write(environment / "pyvenv.cfg")
    write(environment / "tool" / "kern_g.py")
    write(environment / "lib" / "site-packages" / "kern_f.py")
    load("kern_f", environment / "lib" / "site-packages")
    load("kern_g", environment / "tool")
    assert foreign_files(guarded(tmp_path)) == []
    file = write(tmp_path / "head" / "kern_h.py")
    load("kern_h", file.parent)
    assert foreign_files(guarded(tmp_path)) == [str(file)]
