"""The names of folders tell what is installed as `importlib.metadata` does, only faster."""

import os
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from running import bench_inside

from bench.spec import Unavailable, import_checked, installed_entry_points, installed_version

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """A function that makes a folder of metadata with files in it, in a folder of packages that
    comes first."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    def make(folder: str, **files: str | bytes) -> None:
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            content = text if isinstance(text, bytes) else text.encode()
            (tmp_path / folder / name).write_bytes(content)
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


def test_entry_point_leads_to_a_module_or_an_object_in_it(install: Install) -> None:
    lines = "a = os.path\nb = os : path.join\nc=os.path [extra]\n\n# d = os\n[another]\ne = os\n"
    install("a_package-1.0.dist-info", **{"entry_points.txt": f"[first]\nf = os\n[own]\n{lines}"})
    loaded = {point.name: point.load() for point in installed_entry_points("own")}
    assert loaded == {"a": os.path, "b": os.path.join, "c": os.path}


def test_first_package_of_a_name_counts(install: Install, tmp_path: Path) -> None:
    install("a_package-2.0.dist-info", **{"entry_points.txt": "[own]\na = os\n"})
    (tmp_path / "later").mkdir()
    install("later/A.Package.egg-info", **{"entry_points.txt": "[own]\nold = os\n"})
    sys.path.append(str(tmp_path / "later"))
    assert [point.name for point in installed_entry_points("own")] == ["a"]


MALFORMED = {
    b"evil": "the entry point 'evil' in {} is ''; it must be written as name = module",
    b"evil =": "the entry point 'evil' in {} is ''; it must",
    b"evil = not a module!!": "the entry point 'evil' in {} is 'not a module!!'; it must",
    b"evil = os:": "the entry point 'evil' in {} is 'os:'; it must",
    b"ev\xffil = o\xffs!": "the entry point 'ev\ufffdil' in {} is 'o\ufffds!'; it must",
    b"e" * 5000 + b" = os!": "the entry point 'eee",
}
"""A line of a group, and the message."""


@pytest.mark.parametrize("line", MALFORMED)
def test_malformed_entry_point_is_named_and_breaks_no_other(
    line: bytes, install: Install, tmp_path: Path
) -> None:
    content = b"[other]\n\xff\n[own]\ngood = os.path\n" + line + b"\n"
    install("a_package-1.0.dist-info", **{"entry_points.txt": content})
    good, malformed = installed_entry_points("own")
    assert good.load() is os.path
    with pytest.raises(Unavailable) as error:
        malformed.load()
    file = tmp_path / "a_package-1.0.dist-info" / "entry_points.txt"
    assert MALFORMED[line].format(file) in str(error.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nowhere_at_all", "own does not import: ModuleNotFoundError: No module named"),
        ("os:nothing", "own does not import: AttributeError: module 'os' has no attribute"),
    ],
)
def test_entry_point_that_leads_nowhere_says_so(value: str, message: str, install: Install) -> None:
    install("a_package-1.0.dist-info", **{"entry_points.txt": f"[own]\na = {value}\n"})
    [point] = installed_entry_points("own")
    with pytest.raises(Unavailable) as error:
        import_checked("own", point.load)
    assert message in str(error.value)


def test_folder_in_place_of_the_entry_points_is_ignored(install: Install, tmp_path: Path) -> None:
    install("a_package-1.0.dist-info")
    (tmp_path / "a_package-1.0.dist-info" / "entry_points.txt").mkdir()
    assert installed_entry_points("own") == ()


@pytest.mark.parametrize("group", ["backends", "tasks"])
def test_list_shows_what_is_wrong_with_a_malformed_entry_point(
    group: str, install: Install, tmp_path: Path
) -> None:
    lines = f"[recurrent_bench.{group}]\nevil\n{'e' * 5000} = os!\n"
    install("a_package-1.0.dist-info", **{"entry_points.txt": lines})
    done = bench_inside("list")
    assert done.returncode == 0
    assert "it must be written as name = module" in done.stdout
    assert "  numpy " in done.stdout and "  adding " in done.stdout
    words = ("--backends", "evil") if group == "backends" else ("--tasks", "evil")
    done = bench_inside(*words, "--dry-run", "--results-dir", tmp_path)
    assert done.returncode == 2
    assert "the entry point 'evil' in" in done.stderr
