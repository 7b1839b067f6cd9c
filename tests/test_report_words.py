"""Numbers as text."""

from typing import Any

import pytest
from report_records import all_probes, parity_record, record, speed_record, tables_of

from bench.report.learning_words import learning_words
from bench.report.speed_words import start_words
from bench.report.words import format_number, merge_intervals


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.000817, "0.000817"), (12.345, "12.3"), (19571.2, "19,600"), (3.9e-07, "3.90e-07"),
        (0.9996, "1.00"), (999.6, "1,000"), (-32.27, "-32.3"), (0, "0"), (1e9, "1.00e+09"),
        (float("inf"), "∞"), (float("nan"), "–"), (None, "–"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(value: Any, text: str) -> None:
    assert format_number(value) == text


def test_memory_is_the_allocator_s_on_a_gpu_and_the_growth_of_the_process_on_a_cpu() -> None:
    def memory(device: str) -> str:
        sizes = {"process_growth": 3 * 2**20, "device_peak": 5 * 2**20}
        records = [parity_record(device=device), speed_record(device=device)]
        records.append(record("memory", metrics=sizes, device=device))
        return str(start_words(tables_of(records).speed)["memory (MiB)"].iloc[0])

    assert (memory("cpu"), memory("cuda")) == ("3.00", "5.00")


def test_fewer_than_three_seeds_are_shown_as_their_scores() -> None:
    words = learning_words(tables_of(all_probes(seeds=2)).learning)
    assert words["score"].tolist() == ["0.0200, 0.0300"]
    assert not [name for name in words if name.startswith("score ")]


@pytest.mark.parametrize(
    ("seeds", "column", "interval"),
    [
        (3, "score range", "0.0200–0.0400"),
        (5, "score range", "0.0200–0.0600"),
        (6, "score 95%", "0.0200–0.0700"),
        (10, "score 95%", "0.0300–0.100"),
    ],
)
def test_interval_over_seeds_is_called_95_percent_from_six_seeds_on(
    seeds: int, column: str, interval: str
) -> None:
    words = learning_words(tables_of(all_probes(seeds=seeds)).learning)
    assert [name for name in words if name.startswith("score ")] == [column]
    assert words[column].tolist() == [interval]


def test_heading_tells_where_some_rows_have_a_range_and_others_an_interval() -> None:
    records = all_probes(seeds=3) + all_probes(seeds=6, backend="jax")
    words = learning_words(tables_of(records).learning)
    assert words["score range or 95%"].tolist() == ["0.0200–0.0700", "0.0200–0.0400"]
    assert "score [range or 95%]" in merge_intervals(words)
