"""The digests of the code that decides: what changes them, and what does not."""

from pathlib import Path
from types import SimpleNamespace

from conftest import ROOT

import backends
import tasks
from bench.records.code import code_files, harness_digest, module_digest


def adapter(folder: Path, text: str = "a = 1\n") -> SimpleNamespace:
    """An adapter of one file, in a package folder with a kernel beside it."""
    (folder / "kernels").mkdir(parents=True, exist_ok=True)
    (folder / "kernels" / "fast.py").write_text("b = 2\n")
    (folder / "mine.py").write_text(text)
    return SimpleNamespace(__file__=str(folder / "mine.py"))


def test_digest_follows_the_adapter_and_the_modules_beside_it(tmp_path: Path) -> None:
    module = adapter(tmp_path)
    first = module_digest(module)
    assert first == module_digest(adapter(tmp_path / "elsewhere")), "whatever the folder's name"
    (tmp_path / "kernels" / "fast.py").write_text("b = 3\n")
    second = module_digest(module)
    (tmp_path / "kernels" / "native.so").write_bytes(b"\x7fELF")
    third = module_digest(module)
    (tmp_path / "kernels" / "fast.py").rename(tmp_path / "kernels" / "slow.py")
    assert len({first, second, third, module_digest(module)}) == 4


def test_digest_leaves_out_what_is_no_code_of_the_adapter(tmp_path: Path) -> None:
    module = adapter(tmp_path)
    first = module_digest(module)
    for name in ("notes.txt", ".git/hook.py", "__pycache__/mine.py", "results/runs/x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    assert module_digest(module) == first
    assert module_digest(SimpleNamespace()) is None


def test_module_among_installed_packages_stands_alone(tmp_path: Path) -> None:
    module = adapter(tmp_path / "site-packages")
    first = module_digest(module)
    (tmp_path / "site-packages" / "other.py").write_text("c = 1\n")
    assert module_digest(module) == first
    assert module_digest(adapter(tmp_path / "site-packages", "a = 2\n")) != first


def test_code_of_this_project_has_digests() -> None:
    digests = (
        module_digest(backends.load("numpy")),
        module_digest(tasks.load("adding")),
        harness_digest(ROOT),
    )
    assert len({*digests}) == 3
    names = {path.name for path in code_files(ROOT / "bench" / "gate")}
    assert {"judge.py", "parity.py"} <= names
