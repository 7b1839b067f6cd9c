"""Times, ranks and flags come from the stored samples."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from report_records import (
    ENVIRONMENT,
    INFO,
    all_probes,
    forward_only_record,
    parity_record,
    record,
    speed_record,
    tables_of,
    terminal_text,
)

from bench.analysis.ranks import ranked_rows
from bench.analysis.tables import build_tables
from bench.report.learning_words import learning_words
from bench.report.speed_words import phase_words, start_words
from bench.report.terminal import render
from bench.report.words import format_number


@pytest.mark.parametrize(("device", "share"), [("cpu", 0.25), ("cuda:0", 0.5)])
def test_times_come_from_the_samples_and_not_from_the_metrics(device: str, share: float) -> None:
    launches = [speed_record(k, launch=k, device=device) for k in (1, 2, 9)]
    row = tables_of([parity_record(device=device), *launches]).speed.iloc[0]
    times = [float(np.quantile(launch.samples["step"], share)) for launch in launches]
    assert row["step_s"] == sorted(times)[1]
    assert row["step_launches_s"] == tuple(times)
    assert row["sequences_per_s"] == pytest.approx(16 / times[1])
    assert row["gflops"] == pytest.approx(8e6 / times[1] / 1e9)
    assert row["first_call_s"] == 0.75


def step_words(speed: pd.DataFrame) -> pd.DataFrame:
    """The displayed table of updates."""
    return phase_words(ranked_rows(speed, "step"), "step")


def test_backend_that_does_not_train_is_ranked_by_its_forward_pass_alone() -> None:
    metrics = {"parity_error": 1e-7, "parity_tolerance": 1e-5, "gradients_compared": 0.0}
    parity = record("parity", metrics=metrics, backend="onnx")
    launches = [forward_only_record(launch=k, backend="onnx") for k in range(3)]
    records = [*all_probes(), parity, *launches]
    tables = tables_of(records)
    assert tables.not_measured.empty
    forward = phase_words(ranked_rows(tables.speed, "forward"), "forward")
    words = forward.set_index("backend")
    fastest_forward = format_number(1e3 * tables.speed["forward_s"].min())
    columns = ["rank", "forward pass (ms)", "flags"]
    assert words.loc["onnx", columns].tolist() == ["1–2", fastest_forward, "*i"]
    assert step_words(tables.speed)["backend"].tolist() == ["torch"]
    assert learning_words(tables.learning).set_index("backend").loc["onnx", "flags"] == "*i"
    assert "inference only" in terminal_text(records)


@pytest.mark.parametrize(("expected", "flag"), [("one_dnn", ""), (None, ""), ("cudnn", "*f")])
def test_unexpected_kernel_is_flagged_in_every_table(expected: str | None, flag: str) -> None:
    info = {**INFO, "environments": {"e": {**ENVIRONMENT, "expected_path": expected}}}
    tables = build_tables(all_probes(), {"r": info})
    rows = start_words(tables.speed).iloc[0], learning_words(tables.learning).iloc[0]
    assert [row.get("flags", "") for row in rows] == [flag, flag]
    assert rows[0]["path"] == ("one_dnn, not cudnn" if flag else "one_dnn")
    text = render("r", all_probes(), info, 200, terminal=False)
    assert ("fell back" in text) == bool(flag)


def test_launches_are_not_pooled_as_if_their_samples_were_independent() -> None:
    """One fast launch of three moves a pooled quantile, but not the median over launches."""
    equal = [parity_record(), *(speed_record(1, launch=k) for k in range(3))]
    odd = [parity_record(), *(speed_record(1, launch=k) for k in range(2))]
    odd.append(speed_record(0.1, launch=2))
    assert tables_of(equal).speed["step_s"].equals(tables_of(odd).speed["step_s"])


def test_interval_of_three_or_more_launches_lies_within_them() -> None:
    row = tables_of(all_probes(launches=5)).speed.iloc[0]
    low, high = row["step_low_s"], row["step_high_s"]
    assert min(row["step_launches_s"]) <= low < row["step_s"] < high
    assert high <= max(row["step_launches_s"])
    assert "fewer than 3 launches" not in terminal_text(all_probes(launches=5))


@pytest.mark.parametrize(
    ("flag", "changes"),
    [
        ("w", {"extra_metrics": {"step_warmed_up": 0.0}}),
        ("s", {"width": 0.5}),
        ("l", {"extra_metrics": {"others_busy": 0.5}}),
        ("c", {"extra_metrics": {"native_calls": 0.0}}),
        ("e", {"environment": "other"}),
    ],
)
def test_each_disturbance_raises_its_flag_alone(flag: str, changes: Any) -> None:
    quiet = [parity_record(), speed_record(launch=0), speed_record(launch=1)]
    assert tables_of(quiet).speed["flags"].tolist() == [""]
    disturbed = [*quiet, speed_record(launch=2, **changes)]
    assert tables_of(disturbed).speed["flags"].tolist() == [flag]
    assert f"*{flag}" in terminal_text(disturbed)


def test_times_of_code_that_was_not_proven_equal_are_not_ranked() -> None:
    records = [parity_record(), *(speed_record(launch=k, environment="timed") for k in range(3))]

    def speed(timed: Any, proven: Any) -> Any:
        environments = {"e": {**ENVIRONMENT, "code": proven}, "timed": {**ENVIRONMENT, **timed}}
        return build_tables(records, {"r": {**INFO, "environments": environments}}).speed.iloc[0]

    same, edited = {"adapter": "1", "task": "1"}, {"adapter": "2", "task": "1"}
    for timed in ({"code": same}, {}):
        assert (speed(timed, same)["flags"], speed(timed, same)["step_rank_best"]) == ("", 1)
    assert speed({"code": edited}, same)["flags"] == "o"
    assert pd.isna(speed({"code": edited}, same)["step_rank_best"])
    assert speed({"code": same}, None)["flags"] == "o", "what was proven is not known"


def test_launches_of_several_machines_or_versions_are_not_ranked() -> None:
    launches = [speed_record(launch=k, environment="ef"[k > 0]) for k in range(3)]

    def speed(**changes: Any) -> Any:
        environments = {"e": ENVIRONMENT, "f": {**ENVIRONMENT, **changes}}
        info = {"r": {**INFO, "environments": environments}}
        return build_tables([parity_record(), *launches], info).speed.iloc[0]

    for unknown in ({"machine": {"governor": "x"}}, {"machine": None}, {"versions": None}):
        assert (speed(**unknown)["flags"], speed(**unknown)["step_rank_best"]) == ("e", 1)
    for other in ({"machine": {"cores": 1}}, {"python": "3.12"}, {"versions": {"numpy": "1"}}):
        assert speed(**other)["flags"] == "me"
        assert pd.isna(speed(**other)["step_rank_best"])


@pytest.mark.parametrize(("metric", "limit"), [("stolen", 0.02), ("throttled", 0.0),
                                              ("gpu_throttled", 0.0)])  # fmt: skip
def test_slowed_down_machine_raises_the_flag_held_back(metric: str, limit: float) -> None:
    def flags(value: float) -> list[str]:
        launch = speed_record(extra_metrics={metric: value})
        return list(tables_of([parity_record(), launch]).speed["flags"])

    assert flags(limit) == [""]
    assert flags(limit + 0.01) == ["h"]


def test_times_of_another_machine_are_shown_with_its_name() -> None:
    elsewhere = {**ENVIRONMENT, "machine": {"processor": "Model_Y", "cores": 64}}
    info = {**INFO, "environments": {"e": ENVIRONMENT, "elsewhere": elsewhere}}
    records = [parity_record(), speed_record(), parity_record(backend="jax")]
    records.append(speed_record(backend="jax", environment="elsewhere"))
    speed = build_tables(records, {"r": info}).speed.set_index("backend")
    assert speed["machine"].to_dict() == {
        "torch": "Model_X 100%, 2 cores",
        "jax": "Model_Y, 64 cores",
    }
