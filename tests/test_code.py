"""The digests of the code that decides: what changes them, and what does not."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT

import backends
import tasks
from bench.records.code import harness_digest, module_digest
from bench.records.code_files import code_files


def digest(module: object) -> str | None:
    return module_digest(module, ROOT)


def adapter(folder: Path, text: str = "a = 1\n") -> SimpleNamespace:
    """An adapter of one file, in a package folder with a kernel beside it."""
    (folder / "kernels").mkdir(parents=True, exist_ok=True)
    (folder / "kernels" / "fast.py").write_text("b = 2\n")
    (folder / "mine.py").write_text(text)
    return SimpleNamespace(__file__=str(folder / "mine.py"))


def test_digest_follows_the_adapter_and_the_modules_beside_it(tmp_path: Path) -> None:
    module = adapter(tmp_path)
    first = digest(module)
    assert first == digest(adapter(tmp_path / "elsewhere")), "whatever the folder's name"
    (tmp_path / "kernels" / "fast.py").write_text("b = 3\n")
    second = digest(module)
    (tmp_path / "kernels" / "native.so").write_bytes(b"\x7fELF")
    third = digest(module)
    (tmp_path / "kernels" / "fast.py").rename(tmp_path / "kernels" / "slow.py")
    assert len({first, second, third, digest(module)}) == 4


def test_digest_leaves_out_what_is_no_code_of_the_adapter(tmp_path: Path) -> None:
    module = adapter(tmp_path)
    first = digest(module)
    for name in ("notes.txt", ".git/hook.py", "__pycache__/mine.py", "results/runs/x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    assert digest(module) == first
    assert digest(SimpleNamespace()) is None


def test_module_among_installed_packages_stands_alone(tmp_path: Path) -> None:
    module = adapter(tmp_path / "site-packages")
    first = digest(module)
    (tmp_path / "site-packages" / "other.py").write_text("c = 1\n")
    assert digest(module) == first
    assert digest(adapter(tmp_path / "site-packages", "a = 2\n")) != first


def test_digest_follows_what_the_adapter_imports_from_other_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "src"
    (source / "stranger_kernels" / "csrc").mkdir(parents=True)
    files = {
        "stranger_kernels/__init__.py": "from stranger_ops import fast\n",
        "stranger_kernels/csrc/k.cu": "// 1\n",
        "stranger_ops.py": "import json, numpy, stranger_kernels, not_there\n",
    }
    for name, text in files.items():
        (source / name).write_text(text)
    monkeypatch.syspath_prepend(str(source))
    module = adapter(tmp_path / "adapter", "def f():\n    import stranger_kernels.deep\n")
    before = [digest(module)]
    for name, text in files.items():
        (source / name).write_text(text + "\n")
        before.append(digest(module))
    assert len(set(before)) == 4
    (source / "unused.py").write_text("")
    assert digest(module) == before[-1]


def test_code_of_this_project_has_digests() -> None:
    digests = (
        digest(backends.load("numpy")),
        digest(tasks.load("adding")),
        harness_digest(ROOT),
    )
    assert len({*digests}) == 3
    names = {path.name for path in code_files(ROOT / "bench" / "gate")}
    assert {"judge.py", "parity.py"} <= names
