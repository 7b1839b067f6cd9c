"""A run that is resumed after its code was edited: proven again, and launches never pooled."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from running import bench_inside, records

from bench.records.folder import RunFolder

PLUGIN = """
from backends import numpy_backend
from bench.spec import Supports

REQUIRES = ("numpy",)
SUPPORTS = Supports(cells=("gru",))
devices = numpy_backend.devices
from {folder}.factor import FACTOR


class Wrong:
    def __init__(self, session):
        self.session = session

    def __getattr__(self, name):
        return getattr(self.session, name)

    def predict(self, *arguments):
        return self.session.predict(*arguments) * FACTOR


def open_session(spec, params, device, *training):
    return Wrong(numpy_backend.open_session(spec, params, device, *training))
"""
WORDS = ("--tasks", "adding:steps=2:length=5:held_out=10", "--profile", "smoke", "--run-id", "r")


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A plug-in whose outputs are multiplied by a number that a module beside it holds."""
    folder = tmp_path / "edited"
    folder.mkdir()
    (folder / "p.py").write_text(
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n" + PLUGIN.format(folder="edited")
    )
    (folder / "factor.py").write_text("FACTOR = 1\n")
    return folder / "p.py"


def run(plugin: Path, *words: str) -> Any:
    root = plugin.parents[1] / "runs"
    command = ("--backends", plugin, "--cells", "gru", *WORDS, "--results-dir", root)
    return bench_inside(*command, *words)


def resume(plugin: Path, *words: str) -> Any:
    root = plugin.parents[1] / "runs"
    return bench_inside("--resume", "r", "--results-dir", root, *words)


def outcomes(plugin: Path) -> list[tuple[str, str, int]]:
    """Probe, status, and seed or launch of each record."""
    return [
        (r["probe"], r["status"], r["case"]["launch"] or r["case"]["seed"])
        for r in records(plugin.parents[1] / "runs")
    ]


def test_edited_plug_in_is_proven_again_and_rejected(plugin: Path) -> None:
    assert run(plugin, "--probes", "learning").returncode == 0
    before = outcomes(plugin)
    assert resume(plugin).returncode == 0
    assert outcomes(plugin) == before == [("parity", "ok", 0), ("learning", "ok", 0)]
    (plugin.parent / "factor.py").write_text("FACTOR = 0\n")
    done = resume(plugin, "--seeds", "0,1")
    assert done.returncode == 1
    assert "1 recorded cases run again" in done.stderr
    assert outcomes(plugin) == [*before, ("parity", "failed", 0), ("learning", "skipped", 1)]
    assert "left out" in done.stdout, "what the old code learned is in no table"
    (plugin.parent / "factor.py").write_text("FACTOR = 1  # mended\n")
    assert resume(plugin, "--seeds", "0,1").returncode == 0
    assert outcomes(plugin)[-2:] == [("parity", "ok", 0), ("learning", "ok", 1)]


def test_record_that_does_not_say_by_which_code_is_proven_again(plugin: Path) -> None:
    assert run(plugin, "--probes", "learning").returncode == 0
    folder = RunFolder(plugin.parents[1] / "runs" / "r")
    info = folder.info()
    for environment in info["environments"].values():
        del environment["code"]
    folder.write_info(info)
    assert resume(plugin).returncode == 0
    assert outcomes(plugin)[2:] == [("parity", "ok", 0)]


@pytest.mark.thorough
def test_launches_of_other_code_run_again_with_new_ones(plugin: Path) -> None:
    assert run(plugin, "--probes", "speed", "--launches", "2").returncode == 0
    (plugin.parent / "factor.py").write_text("FACTOR = 1  # edited\n")
    assert resume(plugin).returncode == 0
    assert outcomes(plugin)[3:] == [("parity", "ok", 0)], "no new launch"
    assert resume(plugin, "--launches", "3").returncode == 0
    timed = [(probe, status) for probe, status, _ in outcomes(plugin)[4:]]
    assert timed == [("speed", "ok")] * 3


def test_launches_of_other_code_are_not_pooled_however_many_there_were(plugin: Path) -> None:
    assert run(plugin, "--probes", "speed", "--launches", "3").returncode == 0
    folder = RunFolder(plugin.parents[1] / "runs" / "r")
    old = [record for record in folder.records() if record.probe == "speed"]
    assert len(old) == 3
    new = replace(old[0], case={**old[0].case, "launch": 7}, environment="new")
    info = folder.info()
    info["environments"]["new"] = {**info["environments"][old[0].environment], "code": {}}
    folder.write_info(info)
    folder.append(new)
    timed = [record for record in folder.records() if record.probe == "speed"]
    assert [record.case["launch"] for record in timed] == [7]
    assert [record.probe for record in folder.records()] == ["parity", "speed"]
