"""What arithmetic may cost is allowed, element by element, and no more."""

import numpy as np
import pytest
from conftest import bench_for
from hypothesis import given
from hypothesis import strategies as st

from backends.numpy_backend import OPTIMISERS
from bench.gate.parity import compare
from bench.gate.tolerance import (
    Difference,
    allowed,
    along,
    carried_losses,
    difference,
    drift,
    floor,
    rounded,
    to_bfloat16,
)
from bench.spec import Training
from studies import faults

STEPS = 5
trainings = st.builds(
    Training,
    learning_rate=st.sampled_from([1e-3, 0.1]),
    beta1=st.sampled_from([0.0, 0.8, 0.9]),
    beta2=st.sampled_from([0.0, 0.9, 0.999]),
    epsilon=st.sampled_from([1e-8, 1e-3]),
    optimiser=st.sampled_from(["adam", "sgd"]),
)


def moved(path: np.ndarray, training: Training) -> np.ndarray:
    """Weights that begin at zero, after updates along these gradients `(steps, elements)`."""
    weights = np.zeros(path.shape[1])
    optimiser = OPTIMISERS[training.optimiser](training, weights)
    for gradients in path:
        optimiser.update(weights, gradients.copy())
    return weights


def gradients_of_all_sizes(rng: np.random.Generator) -> np.ndarray:
    """`(steps, elements)`: each element with a size of its own over ten powers of ten."""
    sizes = 10 ** rng.uniform(-10, 0, 40)
    drawn = rng.standard_normal((STEPS, 40)) + 2 * rng.standard_normal(40)
    return np.asarray(drawn * sizes)


@given(trainings, st.integers(0, 2**16), st.sampled_from([1e-9, 1e-5, 0.02]))
def test_an_optimiser_carries_near_gradients_no_further_apart_than_their_drift(
    training: Training, seed: int, near: float
) -> None:
    rng = np.random.default_rng(seed)
    path = gradients_of_all_sizes(rng)
    carried = drift([{"w": g} for g in path], [{"w": near}] * STEPS, training)[-1]["w"]
    apart = near * np.abs(path).max(axis=1, keepdims=True)
    for other in (path + apart, path - apart, path + apart * rng.uniform(-1, 1, path.shape)):
        distance = np.abs(moved(other, training) - moved(path, training))
        assert (distance <= carried * (1 + 1e-6) + 1e-15).all()


def test_the_drift_is_narrow_where_the_gradient_is_large_and_a_full_step_where_it_is_lost() -> None:
    training = Training(learning_rate=0.01, beta2=0.9)
    path = [{"w": np.array([1.0, 0.5, 1e-7])}] * STEPS
    large, half, lost = drift(path, [{"w": 1e-5}] * STEPS, training)[-1]["w"] / (0.01 * STEPS)
    assert 1e-5 < large < half < 5e-5
    assert 1 < lost < 2.1


def test_clipping_adds_what_the_norm_may_be_off_by() -> None:
    """Of each gradient its share: the norm is off by 1e-5 · 4 · 7 / 5 at most, which is 5."""
    path = [{"w": np.array([3.0, 4.0])}] * STEPS
    loose, tight, idle = (
        drift(path, [{"w": 1e-5}] * STEPS, Training(clip_norm=limit, beta2=0.9))[-1]["w"]
        for limit in (None, 0.1, 5.1)
    )
    assert tight == pytest.approx(loose * (1 + 7 / 25 * np.array([3.0, 4.0])), rel=0.05)
    assert (idle == loose).all()


@given(st.integers(0, 2**16), st.sampled_from([1e-6, 1e-4]))
def test_clipped_gradients_that_are_near_are_carried_no_further_apart_than_their_drift(
    seed: int, near: float
) -> None:
    rng = np.random.default_rng(seed)
    training = Training(learning_rate=0.01, clip_norm=0.5)
    path = gradients_of_all_sizes(rng)
    carried = drift([{"w": g} for g in path], [{"w": near}] * STEPS, training)[-1]["w"]
    apart = near * np.abs(path).max(axis=1, keepdims=True)
    for other in (path + apart * np.sign(path), path + apart * rng.uniform(-1, 1, path.shape)):
        distance = np.abs(moved(other, training) - moved(path, training))
        assert (distance <= carried * (1 + 1e-3) + 1e-12).all()


def test_gradients_that_stray_on_the_way_widen_what_the_last_updates_allow() -> None:
    path = [{"w": np.array([1.0, 0.5])}] * 3
    strayed = [path[0], {"w": np.array([1.0, 0.5 + 1e-4])}, path[2]]
    near = along({"w": 1e-5}, path, strayed)
    assert [step["w"] for step in near] == pytest.approx([1e-5, 1e-3, 1e-5])
    training = Training(learning_rate=0.01, beta2=0.9)
    wide, narrow = (drift(path, n, training)[-1]["w"] for n in (near, [near[0]] * 3))
    assert (wide > 10 * narrow).all()


def test_an_rnn_that_amplifies_what_rounding_does_to_its_weights_is_no_fault() -> None:
    found = judged("tensorflow-loop", task="workload", cell="rnn", batch=64, length=100, hidden=512)
    assert all(d.accepted for d in found)


def test_steps_that_overshoot_carry_adam_s_rounding_far_and_are_no_fault() -> None:
    """The loss goes down, up and down, at a rate of 0.01; Optax has 1 − β₂ᵗ in float32."""
    size: dict[str, object] = {"task": "adding", "cell": "lstm", "length": 20, "hidden": 64}
    found = judged("jax", **size)
    assert all(d.accepted for d in found)
    assert next(d.error for d in found if d.array.startswith("losses")) > 1e-4
    longer = judged(faults.with_training(learning_rate=1.01e-2), **size)
    assert "losses of five steps" in [d.array for d in longer if not d.accepted]


@pytest.mark.parametrize(("form", "seed"), [("2a-end", 30), ("2a-end", 40), ("2b-end", 31)])
def test_large_gradients_make_much_of_what_the_weights_may_differ_by(form: str, seed: int) -> None:
    """An lstm that keeps the first of a hundred symbols, on ten of them: the reference's own loss
    in float32 happens to come near the truth, that of others does not."""
    size: dict[str, object] = {"task": "long-lag", "form": form, "symbols": 100, "held_out": 100}
    size |= {"batch": 10, "hidden": 32, "learning_rate": 3e-3, "forget_bias": 5.0, "seed": seed}
    assert all(d.accepted for d in judged("jax", **size))
    fault = faults.wrong_gradient("layers.0.forward.u", 1.001)
    assert "d layers.0.forward.u" in [d.array for d in judged(fault, **size) if not d.accepted]


def test_losses_may_be_apart_by_what_each_weight_makes_of_its_own_distance() -> None:
    path = [{"w": np.array([5.0, 5.0])}, {"w": np.array([2.0, -3.0])}, {"w": np.array([1.0, 0.0])}]
    drifted = [{"w": np.array([0.1, 0.01])}, {"w": np.array([0.2, 9.0])}, {"w": np.ones(2)}]
    assert carried_losses(path, drifted) == pytest.approx([0, 0.23, 0.2])


def test_the_element_farthest_beyond_its_own_tolerance_counts() -> None:
    truth, drift = np.array([1.0, 1.0, 1.0]), np.array([0.5, 0.0, 0.0])
    found = difference("w", truth + np.array([0.4, 0.02, 0.0]), truth, 0.01, drift)
    assert (found.error, found.tolerance) == pytest.approx((0.02, 0.01))
    assert not found.accepted
    assert difference("w", truth + np.array([0.4, 0.009, 0.0]), truth, 0.01, drift).accepted
    nothing = np.zeros(2)
    assert difference("w", nothing + 1e-3, nothing, 0.01, np.array([0.01, 0.01])).accepted
    assert not difference("w", nothing + 1e-3, nothing, 0.01).accepted
    assert not difference("w", truth + np.array([0, np.nan, 0]), truth, 0.01, drift).accepted


def test_a_sum_may_lose_what_adding_one_after_another_in_float32_loses() -> None:
    count = 1 << 18
    terms = np.random.default_rng(0).standard_normal((count, 8)) + 0.1
    truth, naive = terms.sum(axis=0), np.cumsum(terms.astype(np.float32), axis=0)[-1]
    assert difference("b", naive, truth, floor("float32", count)).accepted
    assert not difference("b", naive, truth, floor("float32")).accepted
    assert floor("float64", count) == floor("float64") == 1e-9
    assert allowed("float32", [truth], truth) == floor("float32") == 1e-5


def judged(adapter: object, **more: object) -> list[Difference]:
    """What the gate says of one model, in float32 unless told otherwise."""
    bench = bench_for(adapter, **{"dtype": "float32", **more})
    x, y = bench.task.sample(bench.rng("batches"))
    model = bench.case.model
    return compare(bench, model, bench.case.training, bench.weights(model), x, y)[0]


PLAIN: dict[str, object] = {"optimiser": "sgd", "hidden": 32, "learning_rate": 0.05}


@pytest.mark.parametrize("adapter", ["torch", "tensorflow", "jax"])
def test_plain_gradient_descent_is_no_fault(adapter: str) -> None:
    assert all(d.accepted for d in judged(adapter, **PLAIN))


@pytest.mark.parametrize(
    "wrong", [{"optimiser": "adam"}, {"learning_rate": 0.0505}, {"clip_norm": 0.1}]
)
def test_plain_gradient_descent_is_told_from_another_update(wrong: dict[str, object]) -> None:
    found = judged(faults.with_training(**wrong), **PLAIN)
    assert any(not d.accepted and d.array.endswith("five steps") for d in found)


def test_plain_gradient_descent_has_no_rounding_of_adam_s_to_be_forgiven() -> None:
    """A rate that was rounded to float32, in float64."""
    rate = float(np.float32(0.05))
    found = judged(faults.with_training(learning_rate=rate), dtype="float64", **PLAIN)
    assert any(not d.accepted for d in found)
    assert all(d.accepted for d in judged("numpy", dtype="float64", **PLAIN))


def test_the_sums_of_a_large_batch_are_no_fault() -> None:
    """oneDNN's lstm adds up the bias's gradient over 102,400 steps one after another."""
    found = judged("torch", task="workload", seed=1, batch=256, length=400, hidden=16)
    assert all(d.accepted for d in found)
    assert max(d.error for d in found if d.array.startswith("d ")) > 1e-6


@pytest.mark.parametrize(
    "fault",
    [
        faults.with_training(learning_rate=1.01e-3),
        faults.with_training(beta1=0.8),
        faults.with_training(beta2=0.99),
        faults.with_training(epsilon=1e-6),
        faults.second_bias(),
    ],
    ids=["learning rate", "beta1", "beta2", "epsilon", "second bias"],
)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_fault_of_the_optimiser_is_found_in_float32_too(cell: str, fault: object) -> None:
    size = {"batch": 16, "length": 30, "hidden": 64, "learning_rate": 1e-3, "clip_norm": 0.01}
    rejected = [
        d.array for d in judged(fault, cell=cell, task="workload", **size) if not d.accepted
    ]
    assert rejected
    assert all("five steps" in array for array in rejected)


def test_one_weight_that_misses_a_fifth_of_one_step_is_found() -> None:
    def short(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found["layers.0.forward.u"][3, 4] += 2e-4
        return found

    size = {"task": "workload", "cell": "lstm", "batch": 16, "length": 30, "hidden": 64}
    assert all(d.accepted for d in judged("numpy", learning_rate=1e-3, **size))
    found = judged(faults.with_results(params=short), learning_rate=1e-3, **size)
    assert [d.array for d in found if not d.accepted] == ["layers.0.forward.u after five steps"]


def test_one_lucky_run_of_the_reference_does_not_narrow_what_is_allowed() -> None:
    truth = np.array([1.0])
    lucky, usual = truth + 1e-9, truth + 3e-5
    assert allowed("float32", [lucky], truth) == 1e-5
    assert allowed("float32", [lucky, usual], truth) == pytest.approx(3e-4)


@pytest.mark.parametrize(("dtype", "unit"), [("float32", 2**-23), ("bfloat16", 2**-7)])
def test_the_reference_runs_on_weights_that_the_dtype_hardly_tells_apart(
    dtype: str, unit: float
) -> None:
    rng = np.random.default_rng(0)
    weights, x = {"w": rng.standard_normal((30, 20))}, rng.standard_normal((2, 3, 4))
    runs = [near["w"] for near, _ in rounded(dtype, weights, x)]
    for run in runs:
        assert np.abs(run / weights["w"] - 1).max() <= unit
    assert not np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[1], runs[2])
    first = weights["w"] if dtype == "float32" else to_bfloat16(weights["w"])
    np.testing.assert_array_equal(runs[0], first)
