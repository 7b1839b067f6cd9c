"""Backends are ranked by each phase, and only as far as their intervals tell them apart."""

from typing import Any

import numpy as np
import pytest
from report_records import (
    SAMPLES,
    all_probes,
    parity_record,
    speed_record,
    tables_of,
    terminal_text,
    three_backends,
)

from bench.analysis.ranks import rank_range, ranked_rows
from bench.analysis.timing import TABLE_PHASES
from bench.report.speed_words import phase_words
from bench.report.words import format_rank


def timed(backend: str, factors: list[float], phase: str = "step", **changes: Any) -> list[Any]:
    """Launches in which one phase took these factors of its usual time."""
    records = [parity_record(backend=backend)]
    for k, factor in enumerate(factors):
        usual, scaled = (speed_record(f).samples for f in (1.0, factor))
        samples = {**usual, phase: scaled[phase]}
        records.append(speed_record(samples=samples, backend=backend, launch=k, **changes))
    return records


def ranks(records: list[Any], phase: str = "step") -> dict[str, str]:
    """The displayed rank of each backend, in the order of the table."""
    words = phase_words(ranked_rows(tables_of(records).speed, phase), phase)
    return dict(zip(words["backend"], words["rank"], strict=True))


def test_rows_with_overlapping_intervals_share_ranks() -> None:
    low, high = np.array([[1.0, 3.0, 3.5, 9.0, np.nan], [2.0, 4.0, 5.0, 9.5, np.nan]])
    best, worst = rank_range(low, high)
    assert [format_rank(*map(_whole, pair)) for pair in zip(best, worst, strict=True)] == [
        *("1", "2–3", "2–3", "4", "–")
    ]


def _whole(rank: float) -> float:
    return rank if np.isnan(rank) else int(rank)


def test_chain_of_overlaps_shares_ranks_only_between_neighbours() -> None:
    """The first and the last do not overlap: each rank is one that the row can have."""
    best, worst = rank_range(np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0, 6.0]))
    assert best.tolist() == [1, 1, 2] and worst.tolist() == [2, 3, 3]


def test_intervals_that_touch_overlap() -> None:
    best, worst = rank_range(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    assert (best.tolist(), worst.tolist()) == ([1, 1], [2, 2])


def test_ranks_of_random_intervals_agree_with_every_order_that_they_allow() -> None:
    """Draw true times within the intervals: no order that results contradicts the ranks, and two
    rows that overlap have a rank in common."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        low = rng.random(6)
        high = low + rng.random(6) / 3
        best, worst = rank_range(low, high)
        for _ in range(20):
            order = rng.uniform(low, high).argsort().argsort() + 1
            assert ((best <= order) & (order <= worst)).all()
        overlap = (low[:, None] <= high) & (low <= high[:, None])
        common = (best[:, None] <= worst) & (best <= worst[:, None])
        assert common[overlap].all()


def test_each_phase_has_its_own_ranks() -> None:
    records = [
        *timed("inference", [0.5, 0.51, 0.52], "forward"),
        *timed("training", [0.5, 0.51, 0.52], "step"),
    ]
    assert ranks(records, "forward") == {"inference": "1", "training": "2"}
    assert ranks(records, "step") == {"training": "1", "inference": "2"}
    assert ranks(records, "gradients") == {"inference": "1–2", "training": "1–2"}


@pytest.mark.parametrize(
    "metrics",
    [{"step_warmed_up": 0.0}, {"others_busy": 0.5}, {"stolen": 0.1}, {"throttled": 1.0}],
    ids=["warm-up", "load", "stolen", "throttled"],
)
def test_disturbed_row_is_shown_with_its_flag_and_not_ranked(metrics: dict[str, float]) -> None:
    records = [
        *timed("a", [2.0, 2.1, 2.2]),
        *timed("b", [3.0, 3.1, 3.2]),
        *timed("loaded", [1.0, 1.1, 1.2], extra_metrics=metrics),
    ]
    assert ranks(records) == {"a": "1", "b": "2", "loaded": "–"}
    words = phase_words(ranked_rows(tables_of(records).speed, "step"), "step")
    row = words.set_index("backend").loc["loaded"]
    assert row["training update (ms)"] != "–" and row["flags"].startswith("*")
    assert row["× fastest"] == "–"


def test_phase_whose_warm_up_did_not_settle_costs_only_its_own_rank() -> None:
    metrics = {"forward_warmed_up": 0.0}
    records = [*timed("a", [1.0] * 3), *timed("b", [2.0] * 3, extra_metrics=metrics)]
    assert ranks(records, "step") == {"a": "1", "b": "2"}
    assert ranks(records, "forward") == {"a": "1", "b": "–"}


def test_rows_with_fewer_than_three_launches_are_not_ranked() -> None:
    records = [*timed("a", [1.0, 1.1]), *timed("b", [5.0, 5.1])]
    assert ranks(records) == {"a": "–", "b": "–"}
    assert "With fewer than 3 launches no interval is shown" in terminal_text(records)


def test_ranks_compare_only_the_same_task_cell_device_dtype_and_threads() -> None:
    records = three_backends()
    records += [r for name in ("a", "b") for r in all_probes(backend=name, dtype="float64")]
    records += [
        speed_record(0.5, backend=name, threads=1, launch=k)
        for name in ("torch", "jax")
        for k in range(3)
    ]
    for _, group in tables_of(records).speed.groupby(["cell", "dtype", "threads"]):
        assert group["step_s"].is_monotonic_increasing
        assert group["step_relative"].iloc[0] == 1.0
        ends = (group["step_rank_best"].tolist(), group["step_rank_worst"].tolist())
        assert ends in (([1, 2], [1, 2]), ([1, 1], [2, 2]))


def test_overall_mean_takes_only_models_that_every_backend_ran() -> None:
    records = three_backends() + all_probes(50.0, cell="feedforward", backend="torch")
    overall = tables_of(records).overall
    assert set(overall["phase"]) == set(TABLE_PHASES)
    for _, group in overall.groupby("phase"):
        means = group.set_index("backend")
        assert means["models"].tolist() == [3, 3]
        assert means.loc["torch", "relative"] == pytest.approx(2.0)


def test_run_that_timed_one_phase_has_a_table_of_that_phase_alone() -> None:
    samples = {"forward": speed_record().samples["forward"]}
    metrics = {f"first_{phase}_s": None for phase in SAMPLES if phase != "forward"}
    launches = [speed_record(samples=samples, extra_metrics=metrics, launch=k) for k in range(3)]
    tables = tables_of([parity_record(), *launches])
    assert (tables.phases, tables.speed["flags"].tolist()) == (["forward"], [""])
    assert tables.not_measured.empty
    text = terminal_text([parity_record(), *launches])
    assert "Speed: forward pass. On 2 threads" in text and "training update" not in text


def test_caption_names_machine_threads_and_launches() -> None:
    text = terminal_text(all_probes(launches=3))
    assert "On 2 threads of Model_X 100%, 2 cores; median and range of 3 launches." in text
    assert "median and 95% interval of 6 launches" in terminal_text(all_probes(launches=6))
    assert "Model_X 100%, 2 cores; one launch." in terminal_text(all_probes(launches=1))
