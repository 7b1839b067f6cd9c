"""The floor of a time: which products are timed, by which library, and what tables make of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import bench_for
from report_records import all_probes, parity_record, speed_record, tables_of, terminal_text
from threadpoolctl import threadpool_limits

import backends
from backends import numpy_backend
from bench.analysis.floor import floors_by_model
from bench.analysis.ranks import ranked_rows
from bench.analysis.rows import rows_from_records
from bench.probes.floor import fastest, layouts, multiply_in_numpy, product_chain
from bench.probes.products import Product, training_products
from bench.probes.speed import speed
from bench.probes.turns import Turns
from bench.records.record import Record
from bench.report.speed_words import phase_words
from bench.spec import ModelSpec, Operands, Unsupported
from bench.weights import initial_weights


class RecordedProducts:
    """A library that only notes what it would multiply, one list for each call."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[int, ...]]] = []

    def __call__(self, operands: Sequence[Operands], **_: Any) -> Callable[[], None]:
        products = [(len(a), a.shape[1], b.shape[1], count) for a, b, count in operands]
        return lambda: self.calls.append(products)


def adapter(**functions: Any) -> Any:
    """NumPy's adapter with more functions."""
    return SimpleNamespace(**{**vars(numpy_backend), **functions})


# ---- what is measured ------------------------------------------------------------------------


def test_layouts_are_the_product_and_its_transpose_in_every_order_of_memory() -> None:
    candidates = layouts(Product(3, 4, 5, 6), "float32")
    assert all(c.a.shape[1] == len(c.b) == 4 and c.times == 6 for c in candidates)
    assert all(c.a.dtype == c.b.dtype == np.float32 for c in candidates)
    kinds = {(len(c.a), c.a.flags.c_contiguous, c.b.flags.c_contiguous) for c in candidates}
    assert len(kinds) == len(candidates) == 8 and {rows for rows, *_ in kinds} == {3, 5}


def test_fastest_layout_is_chosen() -> None:
    candidates = layouts(Product(3, 4, 5), "float64")

    def multiply(operands: Sequence[Operands]) -> Callable[[], None]:
        seconds = 0.0 if operands[0].b is candidates[6].b else 2e-3
        return lambda: time.sleep(seconds)

    assert fastest(candidates, multiply) is candidates[6]


def test_chain_has_every_product_as_often_as_the_model() -> None:
    products = training_products(ModelSpec(cell="gru", inputs=2, hidden=4, outputs=1), 3, 5)
    recorded = RecordedProducts()
    product_chain(products, recorded, "float32", "another device")()
    assert recorded.calls == [[tuple(p) for p in products]]


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
def test_library_multiplies_as_often_as_it_is_told(name: str) -> None:
    """The time grows with the count; a library that computes a product once would be as fast."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 192, 192)).astype(np.float32)
    multiply = {
        "numpy": lambda operands: multiply_in_numpy(operands),
        "torch": lambda operands: backends.load("torch").matrix_products(
            operands, "float32", "cpu"
        ),
        "jax": multiply_in_jax,
    }[name]
    with threadpool_limits(1):
        once, often = (multiply([Operands(a, b, count)]) for count in (1, 200))
        assert least_seconds(often) > 15 * least_seconds(once)


def multiply_in_jax(operands: Sequence[Operands]) -> Callable[[], None]:
    from backends._jax.products import multiply_all

    return multiply_all(operands, "float32", "cpu")


def least_seconds(call: Callable[[], Any], calls: int = 20) -> float:
    call()
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def test_launch_has_the_floors_of_the_phases_that_it_timed() -> None:
    outcome = speed(bench_for("numpy", "speed"))
    floors = {name: s for name, s in outcome.samples.items() if name.startswith("floor.")}
    assert floors.keys() == {"floor.forward.numpy", "floor.training.numpy"}
    assert all(len(seconds) >= 5 and min(seconds) > 0 for seconds in floors.values())


def test_floor_is_measured_once_a_process_and_a_comparison_has_none() -> None:
    recorded = RecordedProducts()
    context = bench_for(adapter(matrix_products=recorded), "speed")
    first, calls = speed(context).samples, len(recorded.calls)
    second = speed(context).samples
    assert calls and len(recorded.calls) == calls
    assert first["floor.training.own"] == second["floor.training.own"]
    in_turns = replace(context, turns=Turns(lambda: None))
    assert not [name for name in speed(in_turns).samples if name.startswith("floor.")]


def test_adapter_may_refuse_a_device_or_have_no_products() -> None:
    def refuse(operands: Any, dtype: str, device: str) -> Any:
        raise Unsupported(f"not on {device}")

    samples = speed(bench_for(adapter(matrix_products=refuse), "speed")).samples
    assert [n for n in samples if n.startswith("floor.")] == [
        "floor.forward.numpy",
        "floor.training.numpy",
    ]


def test_numpy_has_no_floor_for_bfloat16() -> None:
    context = bench_for("torch", "speed", dtype="bfloat16")
    assert {n for n in speed(context).samples if n.startswith("floor.")} == {
        "floor.forward.own",
        "floor.training.own",
    }


def test_floor_is_below_the_time_of_a_step_that_computes_its_products() -> None:
    """Samples of both in turns, so that a loaded machine slows down both."""
    spec = ModelSpec(cell="lstm", inputs=2, hidden=96, outputs=1)
    rng = np.random.default_rng(0)
    session = backends.load("numpy").open_session(spec, initial_weights(spec, rng), "cpu")
    x, y = (rng.standard_normal(shape) for shape in ((32, 20, 2), (32, 1)))
    floor = product_chain(training_products(spec, 32, 20), multiply_in_numpy, "float32")
    with threadpool_limits(1):  # the threads of a product wait long for a loaded processor
        pairs = [
            (least_seconds(floor, 2), least_seconds(lambda: session.step(x, y), 2))
            for _ in range(30)
        ]
    floor_s, step_s = np.min(pairs, axis=0)
    assert floor_s < 1.05 * step_s


# ---- what tables show ------------------------------------------------------------------------


def floor_record(floor_s: float, own_s: float | None = None, **changes: Any) -> Record:
    """A launch in which NumPy's library took `floor_s` for the products of an update, and the
    framework's own `own_s`; the forward pass took a quarter."""
    record = speed_record(**changes)
    for source, seconds in (("numpy", floor_s), ("own", own_s)):
        if seconds is not None:
            record.samples[f"floor.training.{source}"] = [seconds, seconds, 9 * seconds]
            record.samples[f"floor.forward.{source}"] = [seconds / 4] * 3
    return record


def speed_of(*records: Record) -> pd.DataFrame:
    names = dict.fromkeys(record.case["backend"] for record in records)
    return tables_of([*(parity_record(backend=name) for name in names), *records]).speed


def words(speed: pd.DataFrame, phase: str = "step") -> pd.DataFrame:
    return phase_words(ranked_rows(speed, phase), phase)


def test_row_shows_its_time_over_the_floor() -> None:
    speed = speed_of(*(floor_record(1e-3, launch=k) for k in range(3)))
    (row,) = speed.to_dict("records")
    assert row["step_floor_s"] == row["gradients_floor_s"] == pytest.approx(1e-3)
    assert row["forward_floor_s"] == pytest.approx(0.25e-3)
    assert row["step_over_floor"] == pytest.approx(row["step_s"] / 1e-3)
    assert words(speed)["× floor"].tolist() == [f"{row['step_s'] / 1e-3:.2f}"]
    assert "× floor" in terminal_text([parity_record(), floor_record(1e-3)])


def test_rows_of_one_model_share_the_floor_of_the_fastest_library() -> None:
    """The library of NumPy is measured in every launch, and one lucky launch does not count."""
    numpy_only = [floor_record(s, launch=k, backend="a") for k, s in enumerate((2e-3, 2e-3, 1e-9))]
    both = [floor_record(2e-3, 1.5e-3, launch=k, backend="b") for k in range(3)]
    speed = speed_of(*numpy_only, *both)
    assert speed["step_floor_s"].tolist() == pytest.approx([1.5e-3] * 2)
    slow = speed_of(*numpy_only, *(floor_record(2e-3, 3e-3, launch=k) for k in range(3)))
    assert slow["step_floor_s"].tolist() == pytest.approx([2e-3] * 2)


@pytest.mark.parametrize("change", [{"cell": "gru"}, {"threads": 1}, {"dtype": "float64"}])
def test_another_model_or_number_of_threads_has_another_floor(change: dict[str, Any]) -> None:
    records = [floor_record(1e-3), parity_record(**change), floor_record(4e-3, **change)]
    speed = tables_of([parity_record(), *records]).speed
    assert sorted(speed["step_floor_s"]) == pytest.approx([1e-3, 4e-3])


def test_rows_without_a_floor_show_a_dash_and_tables_without_any_have_no_column() -> None:
    old = speed_of(speed_record(), speed_record(backend="other"))
    assert old["step_over_floor"].isna().all() and "× floor" not in words(old)
    gru = [parity_record(cell="gru"), speed_record(cell="gru")]
    mixed = tables_of([parity_record(), floor_record(1e-3), *gru]).speed
    assert sorted(words(mixed).set_index("cell")["× floor"].items())[0] == ("gru", "–")
    assert "× floor" not in terminal_text(all_probes())


@pytest.mark.parametrize("broken", [[], [0.0, 1e-3], [float("nan")], [-1.0]])
def test_samples_that_are_no_times_make_no_floor(broken: list[float]) -> None:
    record = floor_record(1e-3)
    record.samples["floor.training.numpy"] = broken
    (floors,) = floors_by_model(rows_from_records([parity_record(), record]), {}).values()
    assert floors.keys() == {"forward"}


def test_disturbed_launches_count_only_where_there_are_no_others() -> None:
    loaded = {"extra_metrics": {"others_busy": 1.0}}
    disturbed = [floor_record(9e-3, launch=k, backend="a", **loaded) for k in range(3)]
    quiet = floor_record(1e-3, backend="b")
    assert speed_of(*disturbed, quiet)["step_floor_s"].tolist() == pytest.approx([1e-3] * 2)
    assert speed_of(*disturbed)["step_floor_s"].tolist() == pytest.approx([9e-3])


def test_floor_on_a_gpu_is_the_median_of_its_samples() -> None:
    record = floor_record(1e-3, device="cuda:0")
    record.samples["floor.training.numpy"] = [1e-3, 2e-3, 9e-3]
    rows = rows_from_records([parity_record(device="cuda:0"), record])
    (floors,) = floors_by_model(rows, {}).values()
    assert floors["step"] == pytest.approx(2e-3)
