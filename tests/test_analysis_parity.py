"""Rows without proven parity stay out of all results, and the tables say why."""

import numpy as np
from report_records import (
    PARITY_FAILURE,
    all_probes,
    parity_record,
    speed_record,
    tables_of,
    three_backends,
)


def test_backend_with_failed_parity_is_in_no_table_of_results_however_fast() -> None:
    tables = tables_of(three_backends())
    assert set(tables.speed["backend"]) == set(tables.learning["backend"]) == {"jax", "torch"}
    assert set(tables.overall["backend"]) == {"jax", "torch"}
    fastest = tables.speed[tables.speed["step_relative"] == 1.0]
    assert set(fastest["backend"]) == {"jax"}


def test_parity_failure_is_reported_in_full_and_skipped_cases_refer_to_it() -> None:
    missing = tables_of(three_backends()).not_measured
    missing = missing[missing["cell"] == "gru"]
    assert list(missing["status"]) == ["failed", "skipped", "left out"]
    assert list(missing["probes"]) == ["parity", "learning ×3", "speed"]
    assert missing["reason"].iloc[0] == PARITY_FAILURE
    assert missing["reason"].iloc[1] == "not proven equal: see parity"


def test_times_without_a_parity_record_are_left_out() -> None:
    tables = tables_of([speed_record(), *all_probes(backend="jax")])
    assert set(tables.speed["backend"]) == {"jax"}
    assert tables.not_measured["reason"].tolist() == ["not proven equal: no parity record"]


def test_parity_in_one_dtype_does_not_prove_another_dtype() -> None:
    records = [
        parity_record(dtype="float64"),
        speed_record(dtype="float64"),
        speed_record(dtype="float32"),
    ]
    assert tables_of(records).speed["dtype"].tolist() == ["float64"]


def test_times_that_are_not_finite_are_left_out_with_a_reason() -> None:
    broken = speed_record(samples={"step": [np.nan], "forward": [1.0], "gradients": [1.0]})
    tables = tables_of([parity_record(), broken])
    assert tables.speed.empty
    assert tables.not_measured["reason"].tolist() == ["samples are missing"]
