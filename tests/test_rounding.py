"""What rounding to a dtype allows, and no more."""

import numpy as np
import pytest

from bench.gate.difference import difference
from bench.gate.rounding import (
    device_factor,
    least_tolerance,
    rounded_inputs,
    rounding_tolerance,
    to_bfloat16,
)


def test_a_sum_may_lose_what_adding_term_by_term_in_float32_loses() -> None:
    count = 1 << 18
    terms = np.random.default_rng(0).standard_normal((count, 8)) + 0.1
    exact, naive = terms.sum(axis=0), np.cumsum(terms.astype(np.float32), axis=0)[-1]
    assert difference("b", naive, exact, least_tolerance("float32", count)).accepted
    assert not difference("b", naive, exact, least_tolerance("float32")).accepted
    assert least_tolerance("float64", count) == least_tolerance("float64") == 1e-9
    assert rounding_tolerance("float32", [exact], exact) == least_tolerance("float32") == 1e-5


def test_one_lucky_reference_run_does_not_narrow_the_tolerance() -> None:
    exact = np.array([1.0])
    lucky, usual = exact + 1e-9, exact + 3e-5
    assert rounding_tolerance("float32", [lucky], exact) == 1e-5
    assert rounding_tolerance("float32", [lucky, usual], exact) == pytest.approx(3e-4)


@pytest.mark.parametrize(("dtype", "unit"), [("float32", 2**-23), ("bfloat16", 2**-7)])
def test_reference_runs_on_weights_that_the_dtype_can_hardly_tell_apart(
    dtype: str, unit: float
) -> None:
    rng = np.random.default_rng(0)
    weights, x = {"w": rng.standard_normal((30, 20))}, rng.standard_normal((2, 3, 4))
    runs = [moved["w"] for moved, _ in rounded_inputs(dtype, weights, x)]
    for run in runs:
        assert np.abs(run / weights["w"] - 1).max() <= unit
    assert not np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[1], runs[2])
    first = weights["w"] if dtype == "float32" else to_bfloat16(weights["w"])
    np.testing.assert_array_equal(runs[0], first)


def test_bfloat16_is_rounded_to_nearest_with_ties_to_even() -> None:
    import ml_dtypes

    values = np.random.default_rng(0).standard_normal(10_000).astype(np.float32)
    ties = (values.view(np.uint32) & 0xFFFF0000 | 0x8000).view(np.float32)
    for array in (values, ties, np.zeros(3, np.float32)):
        expected = array.astype(ml_dtypes.bfloat16).astype(np.float32)
        np.testing.assert_array_equal(to_bfloat16(array), expected)


def test_only_float32_on_a_gpu_has_wider_tolerances() -> None:
    assert device_factor("float32", "cuda:1") == 5
    for dtype, device in (("float32", "cpu"), ("float64", "cuda"), ("bfloat16", "cuda")):
        assert device_factor(dtype, device) == 1
