"""Records are gathered into rows by run, task, size, device, dtype, cell and backend."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from report_records import (
    ENVIRONMENT,
    INFO,
    STEP_S,
    all_probes,
    forward_only_record,
    learning_record,
    parity_record,
    speed_record,
    tables_of,
    three_backends,
)

from bench.analysis.rows import rows_from_records
from bench.analysis.task_sizes import distinguishing_options
from bench.report.sections import sections


def test_sizes_of_a_task_are_labelled_by_the_first_options_that_tell_them_apart() -> None:
    records = [r for n in (9, 50, 10) for r in all_probes(length=n, batch=n)]
    labels = list(dict.fromkeys(tables_of(records).speed["task"]))
    assert labels == ["adding length=9", "adding length=10", "adding length=50"]


def test_sizes_whose_values_look_alike_have_rows_of_their_own() -> None:
    lengths: list[Any] = [10, "10", None, "None"]
    records = [r for n in lengths for r in all_probes(length=n)]
    tables = tables_of([*records, *all_probes(task="adding length=10")])
    values = ("10", '"10"', "null", '"None"')
    labels = {*(f"adding length={value}" for value in values), '"adding length=10"'}
    assert set(tables.speed["task"]) == labels
    assert len(tables.speed) == len(labels)


def test_setting_that_is_null_is_as_good_as_none() -> None:
    older = parity_record()
    del older.case["clip_norm"]  # type: ignore[attr-defined]
    tables = tables_of([older, *all_probes(clip_norm=None)])
    assert tables.learning["task"].tolist() == ["adding"]


def test_backend_whose_name_looks_like_conditions_has_a_row_of_its_own() -> None:
    records = [r for name in ("torch", "torch [X=1]") for r in all_probes(backend=name)]
    records += [replace(r, environment="f") for r in all_probes(backend="torch", cell="rnn")]
    environments = {"e": {**ENVIRONMENT, "variables": {"X": "1"}}}
    environments["f"] = {**ENVIRONMENT, "variables": {"X": "2"}}
    info = {**INFO, "environments": environments}
    labels = {row.backend for row in rows_from_records(records, {"r": info})}
    assert labels == {'torch [["X", "1"]]', "torch [X=2]", '"torch [X=1]"'}


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.none() | st.integers(0, 2))))
def test_distinguishing_options_are_the_first_that_split_the_sizes(
    sizes: list[dict[str, int | None]],
) -> None:
    def values(names: Sequence[str]) -> set[tuple[int | None, ...]]:
        return {tuple(size.get(name) for name in names) for size in sizes}

    sizes = list({tuple(size.get(name) for name in "abcd"): size for size in sizes}.values())
    expected: list[str] = []
    for option in dict.fromkeys(name for size in sizes for name in size):
        if len(values([*expected, option])) > max(len(values(expected)), 1):
            expected.append(option)
    assert distinguishing_options(sizes) == expected


def test_labels_take_time_in_proportion_to_the_settings() -> None:
    """Counted in comparisons of values, so that no clock is needed."""

    class Value(int):
        seen = 0

        def __hash__(self) -> int:
            Value.seen += 1
            return super().__hash__()

    sizes = [{f"o{k}": Value(k)} for k in range(400)]
    assert len(distinguishing_options(sizes)) == 399
    assert Value.seen <= 5 * len(sizes)


def test_records_of_different_runs_are_never_put_together() -> None:
    tables = tables_of(all_probes(launches=1, run="r") + all_probes(launches=1, run="s"))
    assert tables.speed["step_launches"].tolist() == [1, 1]
    titles = {section.title for section in sections(tables)}
    assert titles == {"adding, cpu, float32, run r", "adding, cpu, float32, run s"}


def test_later_record_counts_where_a_case_was_recorded_twice() -> None:
    tables = tables_of([parity_record(), speed_record(1.0), speed_record(3.0)])
    assert tables.speed["step_launches"].tolist() == [1]
    assert tables.speed["step_s"].iloc[0] > 2 * STEP_S


def test_seed_counts_once_whatever_else_differs() -> None:
    seeds = [learning_record(0.1 * k, seed=k) for k in range(3)]
    again = [learning_record(0.9, seed=2, threads=n) for n in (2, 3, 4)]
    tables = tables_of([parity_record(), *seeds, *again])
    assert tables.learning["seeds"].tolist() == [3]
    assert tables.learning["scores"].iloc[0] == (0.0, 0.1, 0.9)


def test_launch_counts_once_for_each_phase_and_number_of_threads() -> None:
    launches = [speed_record(launch=k) for k in range(3)]
    again = [speed_record(5.0, launch=0, phase_s=9.0), speed_record(7.0, launch=1, seed=4)]
    forward = forward_only_record(launch=2, phases="forward gradients")
    tables = tables_of([parity_record(), *launches, *again, forward])
    assert tables.speed["step_launches"].tolist() == [2]
    assert tables.speed["forward_launches"].tolist() == [3]
    other_threads = speed_record(launch=0, threads=1)
    tables = tables_of([parity_record(), *launches, other_threads])
    assert tables.speed["step_launches"].tolist() == [1, 3]


def test_every_proof_counts() -> None:
    failed = parity_record(status="failed", reason="wrong")
    assert not len(tables_of([failed, parity_record(threads=2), speed_record()]).speed)


def test_tables_have_the_same_columns_full_and_empty() -> None:
    full, empty = tables_of(three_backends()), tables_of([])
    for name in ("learning", "speed", "overall", "not_measured"):
        frame = getattr(empty, name)
        assert isinstance(frame, pd.DataFrame)
        assert frame.empty
        columns = list(getattr(full, name).columns)
        assert list(frame.columns) == [
            column for column in columns if not column.startswith(("baseline.", "final."))
        ]


def test_names_of_tasks_may_hold_any_digits() -> None:
    """Python reads neither superscripts nor very long numbers as whole numbers."""
    names = ["a9", "a²", "a1²3", "a" + "9" * 5000, "a10", "a010", "²"]
    shown = list(tables_of([r for name in names for r in all_probes(task=name)]).speed["task"])
    assert sorted(shown) == sorted(names)
    assert shown.index("a9") < shown.index("a10") < shown.index("a" + "9" * 5000)
