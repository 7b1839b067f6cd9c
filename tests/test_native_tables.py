"""The statistics and the table of the comparisons with native code."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

from studies.json_lines import JsonLines
from studies.native.ratio import Ratio, loss_error, paired_ratio, verdict
from studies.native.tables import comparison_rows, markdown, read_finished


def log_ratios(slowdown: float, launches: int = 3, rounds: int = 12) -> list[Any]:
    """Log-ratios of simulated times: both sides have noise of 5%, in a few rounds far more."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.05, (2, launches, rounds))
    noise += rng.exponential(0.02, (2, launches, rounds))
    return list(np.log(slowdown) + noise[0] - noise[1])


def native_records(
    launches: Sequence[Any],
    losses: tuple[Sequence[float], Sequence[float]] = ([1.0, 0.9], [1.0, 0.9]),
    error: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Records of torch and of native torch with these log-ratios."""
    model = {"shape": "tiny", "cell": "rnn", "phase": "step", "flop": 1, "error": error}
    for number, launch in enumerate(launches):
        for name, seconds, own_losses in (
            ("torch", np.exp(launch), losses[0]),
            ("native torch", np.ones(len(launch)), losses[1]),
        ):
            sample = {"name": name, "seconds": list(seconds), "losses": own_losses}
            yield {"launch": number, **sample, **model}


def only_row(records: Iterator[dict[str, Any]]) -> dict[str, str]:
    """The row of the only comparison that the records have."""
    settings = {"parts": ["a"], "shapes": ["tiny"], "cells": ["rnn"], "frameworks": ["torch"]}
    rng = np.random.default_rng(0)
    (row,) = comparison_rows({"settings": settings}, list(records), rng)
    return row


def test_side_that_is_a_tenth_slower_differs_from_an_equal_one() -> None:
    slower = paired_ratio(log_ratios(1.1), np.random.default_rng(0))
    equal = paired_ratio(log_ratios(1.0), np.random.default_rng(0))
    assert slower.low is not None and slower.low > 1.02
    assert slower.value == pytest.approx(1.1, 0.03)
    assert verdict(slower, 1.02) == "MISSED"
    assert equal.low is not None and equal.high is not None and equal.low < 1 < equal.high
    assert verdict(equal, 1.1) == "PASS"


def test_one_different_launch_widens_the_interval() -> None:
    steady = paired_ratio(log_ratios(1.0), np.random.default_rng(0))
    mixed = paired_ratio([*log_ratios(1.0)[:2], log_ratios(1.3)[2]], np.random.default_rng(0))
    widths = [(ratio.high or 0) - (ratio.low or 0) for ratio in (steady, mixed)]
    assert widths[1] > 3 * widths[0]


def test_launches_may_have_different_numbers_of_rounds() -> None:
    ratio = paired_ratio([np.zeros(3), np.full(9, np.log(2))], np.random.default_rng(0))
    assert ratio.value == pytest.approx(2)
    assert (ratio.low, ratio.high) == pytest.approx((1, 2))


def test_few_pairs_have_no_interval() -> None:
    assert paired_ratio([np.zeros(2)], np.random.default_rng(0)) == (1.0, None, None)


def test_ratio_passes_only_where_its_whole_interval_meets_the_target() -> None:
    assert verdict(Ratio(1.05, 1.01, 1.1), 1.02) == "unclear"
    assert verdict(Ratio(0.99, 0.93, 1.16), 1.02) == "unclear"
    assert verdict(Ratio(0.99, 0.97, 1.02), 1.02) == "PASS"
    assert verdict(Ratio(1.05, 1.03, 1.1), 1.02) == "MISSED"
    assert verdict(Ratio(0.7, 0.55, 0.8), 0.6, at_least=True) == "unclear"
    assert verdict(Ratio(0.9, None, None), 1.02) == "unclear"
    assert verdict(Ratio(0.5, 0.4, 0.55), 0.6, at_least=True) == "MISSED"
    assert verdict(Ratio(0.7, 0.65, 0.8), 0.6, at_least=True) == "PASS"
    assert verdict(Ratio(9.0, None, None), None) == "—"


def test_losses_that_are_not_numbers_never_agree() -> None:
    assert loss_error([1.0, float("nan")], [1.0, float("nan")]) == float("inf")
    assert loss_error([1.0, 2.0], [1.0, 2.0]) == 0
    assert loss_error([1.0], []) == 0


def test_verdict_of_a_row_follows_from_its_samples() -> None:
    assert only_row(native_records(log_ratios(1.1)))["verdict"] == "MISSED"
    assert only_row(native_records(log_ratios(1.0)))["verdict"] == "unclear"
    assert only_row(native_records(log_ratios(0.8)))["verdict"] == "PASS"


def test_row_with_different_losses_is_not_comparable() -> None:
    row = only_row(native_records(log_ratios(1.0), ([1.0, 0.9], [1.0, 0.9002])))
    assert row["verdict"] == "not comparable" and "ratio" not in row


def test_row_of_missing_candidates_says_why() -> None:
    row = only_row(native_records(log_ratios(1.0), error="not there"))
    assert row["verdict"] == "torch: not there; native torch: not there"


def test_launch_that_was_stopped_does_not_count(tmp_path: Path) -> None:
    records = list(native_records(log_ratios(0.8)))
    lines = JsonLines(tmp_path / "samples.jsonl")
    for record in ({"settings": {"launches": 99}}, *records[:-1]):
        lines.append(record)
    stopped, kept = read_finished(tmp_path / "samples.jsonl")
    launches = {record["launch"] for record in records}
    assert {record["launch"] for record in kept} == launches - {records[-1]["launch"]}
    assert stopped["settings"]["launches"] == len(launches) - 1


@pytest.mark.parametrize("name", ["native-cpu", "floor-cpu"])
def test_published_table_is_the_one_that_the_samples_give(name: str) -> None:
    folder = ROOT / "results" / name
    environment, records = read_finished(folder / "samples.jsonl")
    rng = np.random.default_rng(environment["settings"]["seed"])
    rows = comparison_rows(environment, records, rng)
    assert markdown(environment, rows) == (folder / "table.md").read_text()
