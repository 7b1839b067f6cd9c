"""Scores, solved seeds and gradients of the learning table."""

from typing import Any

import pytest
from report_records import (
    ENVIRONMENT,
    INFO,
    all_probes,
    gradients_record,
    learning_record,
    parity_record,
    tables_of,
)

from bench.analysis.tables import build_tables
from bench.report.learning_words import learning_words


def test_diverged_seeds_count_as_worst_and_are_counted() -> None:
    def score(*scores: float | None) -> str:
        learned = (learning_record(score, seed=k) for k, score in enumerate(scores))
        words = learning_words(tables_of([parity_record(), *learned]).learning)
        return str(words["score"].iloc[0])

    assert score(0.1, None, 0.2) == "0.200 (1 diverged)"
    assert score(0.1, None, None) == "diverged (2 diverged)"
    assert score(None) == "diverged"


def test_solved_seeds_have_an_exact_interval_and_unsolved_seeds_are_censored() -> None:
    learned = [learning_record(0.001, 10 * k, seed=k) for k in (1, 2)]
    records = [parity_record(), *learned, learning_record(seed=3)]
    words = learning_words(tables_of(records).learning).iloc[0]
    assert (words["solved"], words["solved 95%"]) == ("2/3", "9–99%")
    assert words["steps to solve"] == "15, 1 > 20"
    assert "steps to solve" not in learning_words(tables_of(all_probes()).learning)


def test_deciding_score_is_named_among_several() -> None:
    assert tables_of(all_probes()).learning["metric"].tolist() == ["mse"]
    diverged = tables_of([parity_record(), learning_record(None)])
    assert diverged.learning["metric"].tolist() == ["mse"]


def test_scores_of_classical_methods_are_columns() -> None:
    assert tables_of(all_probes()).learning["baseline.persistence"].tolist() == [0.5]


@pytest.mark.parametrize(
    ("norms", "text"),
    [([1, 2, 4], "1.0 → -1.0"), ([4, 2, 1], "-1.0 → -1.0"), ([3, 3, 3], "∞ → -1.0")],
)
def test_half_life_is_positive_negative_or_infinite(norms: list[float], text: str) -> None:
    words = learning_words(tables_of([parity_record(), gradients_record(norms)]).learning)
    assert words["half-life (steps)"].tolist() == [text]


def test_norms_of_zero_give_no_half_life() -> None:
    records = [parity_record(), *(gradients_record([0, 0, 4], seed=k) for k in range(2))]
    words = learning_words(tables_of(records).learning)
    assert words["half-life (steps)"].tolist() == ["– → -1.0"]


def test_median_half_life_belongs_to_the_median_rate() -> None:
    """The median of decay, growth and a level norm is the level norm, not the median number."""
    norms = enumerate(([1, 2, 4], [4, 2, 1], [3, 3, 3]))
    records = [parity_record(), *(gradients_record(series, seed=k) for k, series in norms)]
    assert abs(tables_of(records).learning["half_life_initial"].iloc[0]) > 1e6


def test_counts_of_nan_and_inf_are_added_over_seeds() -> None:
    assert learning_words(tables_of(all_probes()).learning)["NaN/Inf"].tolist() == ["0/9"]


@pytest.mark.parametrize(
    ("facts", "flags"),
    [
        ({"versions": {"torch": "2.12.0"}}, "e"),
        ({"code": {"task": "0"}}, "e"),
        ({"machine": {"processor": "another"}}, "e"),
        ({"executed_path": None, "threads": 7}, ""),
    ],
)
def test_seed_that_other_software_trained_is_flagged(facts: Any, flags: str) -> None:
    environments = {"e": ENVIRONMENT, "other": {**ENVIRONMENT, **facts}}
    records = [parity_record(), *(learning_record(seed=k) for k in range(2))]
    records.append(learning_record(seed=2, environment="other"))
    [raised] = build_tables(records, {"r": {**INFO, "environments": environments}}).learning[
        "flags"
    ]
    assert raised == flags
