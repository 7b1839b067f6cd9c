"""`list` is quick: it reads the metadata of each package once, and of no other package."""

import re
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from running import bench_inside

import backends
from bench.records import machine


def test_list_looks_up_the_version_of_each_package_once(monkeypatch: pytest.MonkeyPatch) -> None:
    machine._version.cache_clear()
    lookups: Counter[str] = Counter()

    def version(name: str) -> str:
        lookups[name] += 1
        return metadata.version(name)

    error = metadata.PackageNotFoundError
    counted = SimpleNamespace(version=version, PackageNotFoundError=error)
    monkeypatch.setattr(machine, "metadata", counted)
    assert bench_inside("list").returncode == 0
    assert {"numpy", "torch", "jax"} <= set(lookups)
    assert set(lookups.values()) == {1}


def test_list_reads_only_the_metadata_of_packages_that_a_backend_requires(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine._version.cache_clear()
    parsed: set[str] = set()
    read_text = metadata.PathDistribution.read_text

    def recorded(distribution: metadata.PathDistribution, file: str) -> str | None:
        text = read_text(distribution, file)
        if file == "METADATA":
            names = re.findall(r"^Name: (.+)$", text or "", re.MULTILINE)
            parsed.add(names[0].lower().replace("_", "-").removesuffix("-cpu"))
        return text

    monkeypatch.setattr(metadata.PathDistribution, "read_text", recorded)
    assert bench_inside("list").returncode == 0
    required = {package for name in backends.names() for package in backends.load(name).REQUIRES}
    assert "numpy" in parsed
    assert parsed <= required


@pytest.mark.parametrize("name", ["jax_cuda12_plugin-0.10.1", "jax_cuda13_plugin-1.0"])
def test_list_finds_the_cuda_plugin_of_jax_once_it_is_installed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    line = "JAX has no CUDA plug-in installed"
    if line not in bench_inside("list").stdout:
        pytest.skip("a CUDA plug-in of JAX is installed")
    (tmp_path / f"{name}.dist-info").mkdir()
    assert line not in bench_inside("list").stdout
