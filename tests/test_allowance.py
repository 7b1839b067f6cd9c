"""Which rule decides how far an array may be from the reference."""

import numpy as np
import pytest

from bench.gate.allowance import (
    FLOAT64_BOUND,
    LEAST_TOLERANCE,
    LOSS_DRIFT,
    REFERENCE_RUNS,
    SUMMATION,
    WEIGHT_DRIFT,
    ReferenceRuns,
    allow,
    decided_by_summation,
)
from bench.gate.observe import LOSSES, Observation
from bench.spec import Training

TRAINING = Training(learning_rate=0.1, optimiser="sgd")
TERMS = 100


def observation(error: float = 0.0) -> Observation:
    """A model with one weight; every array is off by this error."""
    value = np.array([1.0]) + error
    names = ("output", "loss", "d w", LOSSES, "w after five steps")
    return Observation(dict.fromkeys(names, value), [{"w": value}] * 5)


def test_float64_has_one_bound_and_the_drift_that_follows_from_it() -> None:
    allowances = allow(ReferenceRuns(observation()), "float64", TRAINING, TERMS, "cpu")
    for name in ("output", "loss", "d w"):
        assert (allowances[name].relative, allowances[name].reason) == (1e-9, FLOAT64_BOUND)
    weights = allowances["w after five steps"]
    assert weights.absolute == pytest.approx(5 * 0.1 * 1e-9)
    assert weights.reason == WEIGHT_DRIFT


@pytest.mark.parametrize(
    ("error", "relative", "reason"), [(1e-8, 1e-5, LEAST_TOLERANCE), (1e-5, 1e-4, REFERENCE_RUNS)]
)
def test_the_larger_of_least_tolerance_and_reference_runs_decides(
    error: float, relative: float, reason: str
) -> None:
    runs = ReferenceRuns(observation(), [observation(error)])
    output = allow(runs, "float32", TRAINING, TERMS, "cpu")["output"]
    assert output.relative == pytest.approx(relative)
    assert output.reason == reason
    on_gpu = allow(runs, "float32", TRAINING, TERMS, "cuda")["output"]
    assert on_gpu.relative == 5 * output.relative


def test_sums_in_order_decide_where_they_lose_more_than_rounding() -> None:
    for error, decides in ((1e-6, False), (1e-3, True)):
        in_order = {"w": np.array([1.0 + error])}
        runs = ReferenceRuns(observation(), [observation(1e-8)], in_order)
        allowances = allow(runs, "float32", TRAINING, TERMS, "cpu")
        assert decided_by_summation(allowances) == decides
        assert (allowances["d w"].reason == SUMMATION) == decides
        assert allowances["d w"].relative == pytest.approx(2e-3 if decides else 1e-5)


def test_losses_may_be_off_by_rounding_and_by_the_drift_of_the_weights() -> None:
    allowances = allow(ReferenceRuns(observation()), "float64", TRAINING, TERMS, "cpu")
    losses = allowances[LOSSES]
    assert losses.relative == 1e-9
    assert losses.absolute == pytest.approx(np.arange(5) * 0.1 * 1e-9)
    assert losses.reason == FLOAT64_BOUND + LOSS_DRIFT


def test_a_model_that_does_not_train_has_no_drift() -> None:
    runs = ReferenceRuns(Observation({"output": np.ones(1)}))
    allowances = allow(runs, "float64", TRAINING, TERMS, "cpu")
    assert list(allowances) == ["output"]
