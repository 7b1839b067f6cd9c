"""Comparisons that run for real: a side against itself, real extra work, and real faults."""

import re
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from compare_sides import compare, compare_with_fault, findings, verdicts
from running import bench_inside

CLIPPED = "forecasting:steps=100:clip_norm=0.1"
ONE_ROUND = ("--rounds", "1", "--pairs", "5")
"""Five pairs are the fewest that can be significant at 5%; two rows take six."""
LAX = (*ONE_ROUND, "--least", "1", "--excluded", "4")
"""A busy machine must not decide a test: only a factor of two is flagged, and a pass excludes a
factor of five."""


def test_side_against_itself_is_green(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    environment = {"GITHUB_STEP_SUMMARY": str(summary)}
    chosen = ("--backends", "numpy", "--tasks", "adding:length=10:hidden=8:steps=30:held_out=50")
    probes = ("--probes", "parity", "learning", "gradients")
    done = compare(tmp_path, "--aa", *chosen, *probes, *LAX, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(verdicts(tmp_path).values()) == {"pass"}
    assert {"loss over training", "parity"} <= verdicts(tmp_path).keys()
    assert summary.read_text() == (tmp_path / "c" / "verdict.md").read_text()
    assert Xml.parse(tmp_path / "c" / "junit.xml").getroot().get("failures") == "0"
    sides = (tmp_path / "c" / name for name in ("base", "head"))
    stored = bench_inside("compare", *sides, *LAX, "--results-dir", tmp_path / "stored")
    assert stored.returncode == 0, stored.stdout
    assert "the weaker comparison" in stored.stdout


def test_update_that_takes_many_times_as_long_is_red_and_an_unchanged_one_is_green(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The thorough suite also waits for the round that confirms it."""
    thorough = request.config.getoption("--thorough")
    rounds = ("--rounds", "3", "--pairs", "6", *LAX[4:]) if thorough else LAX
    cells = ("--cells", "rnn", "lstm", "--probes", "speed")
    done = compare_with_fault(tmp_path, "work lstm=10000", *cells, *rounds)
    assert done.returncode == 1, done.stdout + done.stderr
    verdicts_by_row = {
        finding["cell"].split()[1]: finding["verdict"]
        for finding in findings(tmp_path)
        if finding["check"] == "speed of step"
    }
    assert verdicts_by_row == {"rnn": "pass", "lstm": "regressed"}
    assert {f["verdict"] for f in findings(tmp_path) if f["check"] == "parity"} == {"pass"}
    if not thorough:
        assert_progress(done.stderr.splitlines())


def assert_progress(lines: list[str]) -> None:
    """What is compared and how long it takes comes first, then a line for each stage."""
    assert lines[0].startswith("comparison c: base the checkout under ")
    assert re.fullmatch(r"\S+injected_backend.py on cpu; adding; rnn, lstm; float32; .*", lines[1])
    assert re.fullmatch(r"at most 1 rounds of \d+ pairs of fresh processes", lines[2])
    assert re.fullmatch(r"expected time: [\w ]+", lines[3])
    stages = [line.partition(" (")[0].partition("; ")[0] for line in lines[4:]]
    order = ["opening both sides", "asking both sides what they run", "parity and learning"]
    assert [s for s in dict.fromkeys(stages) if not s.startswith("round")] == order
    assert stages[-1] == "round 1 of at most 1, pair 6 of 6"


def test_wrong_gradient_is_red_and_not_timed(tmp_path: Path) -> None:
    done = compare_with_fault(tmp_path, "gradient", "--probes", "speed")
    assert done.returncode == 1, done.stdout + done.stderr
    assert verdicts(tmp_path)["parity"] == "regressed"
    assert "speed of step" not in verdicts(tmp_path)
    assert "d layers.0.forward.u differs by 0.5" in (tmp_path / "c" / "verdict.md").read_text()


@pytest.mark.parametrize("fault", ["forget_bias", "half_rate", "clipped_too_early", "fails"])
def test_fault_that_the_parity_gate_sees_is_red(fault: str, tmp_path: Path) -> None:
    done = compare_with_fault(tmp_path, fault, "--probes", "parity", "--tasks", CLIPPED)
    assert done.returncode == 1, done.stdout + done.stderr
    assert verdicts(tmp_path)["parity"] == "regressed"


def test_training_that_leaves_out_updates_is_red(tmp_path: Path) -> None:
    done = compare_with_fault(tmp_path, "lazy", "--probes", "learning", "--tasks", CLIPPED)
    assert done.returncode == 1, done.stdout + done.stderr
    assert verdicts(tmp_path)["loss over training"] == "regressed"


def test_training_that_diverges_is_red(tmp_path: Path) -> None:
    one_seed = ("--probes", "learning", "gradients", "--seeds", "0")
    task = ("--tasks", "forecasting:steps=30:clip_norm=0.1")
    done = compare_with_fault(tmp_path, "diverging", *one_seed, *task)
    assert done.returncode == 1, done.stdout + done.stderr
    assert verdicts(tmp_path)["seeds diverged"] == "regressed"
