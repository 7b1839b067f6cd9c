"""The names of folders tell what is installed as `importlib.metadata` does, only faster."""

import os
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from bench.spec import installed_entry_points, installed_version

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """A function that makes a folder of metadata with files in it, in a folder of packages that
    comes first."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    def make(folder: str, **files: str) -> None:
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / name).write_text(text)
        status = tmp_path.stat()
        os.utime(tmp_path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))

    return make


def test_every_installed_package_has_the_version_of_its_metadata() -> None:
    expected: dict[str, str] = {}
    for package in metadata.distributions():
        expected.setdefault(package.metadata["Name"], package.version)
    assert "numpy" in expected
    assert {name: installed_version(name) for name in expected} == expected


@pytest.mark.parametrize("name", ["some.package", "Some-Package", "some_package"])
def test_package_is_found_however_its_name_is_written(name: str, install: Install) -> None:
    assert installed_version(name) is None
    install("some_package-1.0rc1+cpu.dist-info")
    assert installed_version(name) == "1.0rc1+cpu"


def test_first_folder_of_the_path_counts(install: Install) -> None:
    assert installed_version("numpy") != "0.1"
    install("numpy-0.1.dist-info")
    assert installed_version("numpy") == "0.1"


def test_version_that_the_folder_does_not_tell_is_read_from_the_metadata(install: Install) -> None:
    install("old_package.egg-info", **{"PKG-INFO": "Name: old-package\nVersion: 2.5\n"})
    assert installed_version("old-package") == "2.5"


@pytest.mark.parametrize("missing", ["no-such-package", "no.such", ""])
def test_missing_package_has_no_version(missing: str) -> None:
    assert installed_version(missing) is None


def test_entry_points_of_a_group_are_found_once_they_are_installed(install: Install) -> None:
    group = "a_group.of_this_test"
    points = f"[{group}]\nmine = my_module\n"
    assert installed_entry_points(group) == ()
    install("a_package-1.0.dist-info", **{"entry_points.txt": points, "METADATA": "Name: a\n"})
    assert [(p.name, p.value) for p in installed_entry_points(group)] == [("mine", "my_module")]
    assert installed_entry_points("a_group") == () == installed_entry_points("")
