"""The distance of an array from the reference."""

import math
from typing import Any

import numpy as np
import pytest

from bench.gate.difference import Difference, difference, relative_error


@pytest.mark.parametrize(
    ("array", "reference", "error"),
    [
        (np.array([1.0, 2.0]), np.array([1.0, 2.0]), 0.0),
        (np.array([1.0, 2.2]), np.array([1.0, 2.0]), 0.1),
        (np.zeros(2), np.zeros(2), 0.0),
        (np.array([1e-300, 0]), np.zeros(2), math.inf),
        (np.zeros(3), np.zeros(2), math.inf),
        (None, np.zeros(2), math.inf),
        (np.ones(2) + 0.5j, np.ones(2), math.inf),
        (np.array(["1.0", "1.0"]), np.ones(2), math.inf),
        (np.array([1, 1]), np.ones(2), 0.0),
    ],
)
def test_error_is_relative_to_the_largest_element_of_the_reference(
    array: Any, reference: Any, error: float
) -> None:
    assert relative_error(array, reference) == pytest.approx(error)


def test_nan_and_infinite_errors_are_never_accepted() -> None:
    error = relative_error(np.array([np.nan, 1.0]), np.array([1.0, 1.0]))
    assert "of the reference is not finite" in str(Difference("output", error, 1.0))
    assert not Difference("output", error, math.inf).accepted
    assert not Difference("output", math.inf, math.inf).accepted


def test_the_element_farthest_beyond_its_tolerance_counts() -> None:
    reference, absolute = np.array([1.0, 1.0, 1.0]), np.array([0.5, 0.0, 0.0])
    array = reference + np.array([0.4, 0.02, 0.0])
    rejected = difference("w", array, reference, 0.01, absolute)
    assert (rejected.error, rejected.tolerance) == pytest.approx((0.02, 0.01))
    assert not rejected.accepted
    closer = reference + np.array([0.4, 0.009, 0.0])
    assert difference("w", closer, reference, 0.01, absolute).accepted
    with_nan = reference + np.array([0, np.nan, 0])
    assert not difference("w", with_nan, reference, 0.01, absolute).accepted


def test_a_reference_of_zeros_allows_the_absolute_tolerance_only() -> None:
    zeros = np.zeros(2)
    assert difference("w", zeros + 1e-3, zeros, 0.01, np.array([0.01, 0.01])).accepted
    assert not difference("w", zeros + 1e-3, zeros, 0.01).accepted
