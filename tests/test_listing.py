"""`list` is quick: it parses the metadata of no package."""

import sys
from importlib import metadata
from pathlib import Path

import pytest
from running import bench_inside


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files of metadata that are read, as they are read."""
    files: list[str] = []
    read_text = metadata.PathDistribution.read_text

    def recorded(distribution: metadata.PathDistribution, file: str) -> str | None:
        files.append(file)
        return read_text(distribution, file)

    monkeypatch.setattr(metadata.PathDistribution, "read_text", recorded)
    return files


def test_list_parses_the_metadata_of_no_package(parsed: list[str]) -> None:
    assert bench_inside("list").returncode == 0
    assert not {"METADATA", "PKG-INFO"} & set(parsed)
    assert metadata.version("numpy")
    assert "METADATA" in parsed, "a file that is parsed is noticed"


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
