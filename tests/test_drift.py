"""How far the optimiser may carry weights and losses apart, and no further."""

import numpy as np
import pytest
from conftest import bench_for
from gate_differences import case_differences
from hypothesis import given
from hypothesis import strategies as st

from backends._numpy.optimiser import OPTIMISERS
from bench.gate.difference import Difference
from bench.gate.drift import gradient_distances, loss_drift, weight_drift
from bench.gate.rounding import FACTOR
from bench.spec import Training
from studies import faulty_backends

STEPS = 5
trainings = st.builds(
    Training,
    learning_rate=st.sampled_from([1e-3, 0.1]),
    beta1=st.sampled_from([0.0, 0.8, 0.9]),
    beta2=st.sampled_from([0.0, 0.9, 0.999]),
    epsilon=st.sampled_from([1e-8, 1e-3]),
    optimiser=st.sampled_from(["adam", "sgd"]),
)


def trained(trajectory: np.ndarray, training: Training) -> np.ndarray:
    """Weights that begin at zero, after updates with these gradients `(steps, elements)`."""
    weights = np.zeros(trajectory.shape[1])
    optimiser = OPTIMISERS[training.optimiser](training, weights)
    for gradients in trajectory:
        optimiser.update(weights, gradients.copy())
    return weights


def gradients_of_all_sizes(rng: np.random.Generator) -> np.ndarray:
    """`(steps, elements)`: the sizes of the elements cover ten powers of ten."""
    sizes = 10 ** rng.uniform(-10, 0, 40)
    gradients = rng.standard_normal((STEPS, 40)) + 2 * rng.standard_normal(40)
    return np.asarray(gradients * sizes)


def drift_after(trajectory: np.ndarray, distance: float, training: Training) -> np.ndarray:
    """The drift of weights after the last update, at one relative distance of all gradients."""
    by_name = [{"w": g} for g in trajectory]
    return weight_drift(by_name, [{"w": distance}] * len(by_name), training)[-1]["w"]


# ---- the bounds ------------------------------------------------------------------------------


@given(trainings, st.integers(0, 2**16), st.sampled_from([1e-9, 1e-5, 0.02]))
def test_weights_of_close_gradients_are_no_further_apart_than_the_drift(
    training: Training, seed: int, distance: float
) -> None:
    rng = np.random.default_rng(seed)
    trajectory = gradients_of_all_sizes(rng)
    drift = drift_after(trajectory, distance, training)
    apart = distance * np.abs(trajectory).max(axis=1, keepdims=True)
    random = apart * rng.uniform(-1, 1, trajectory.shape)
    for other in (trajectory + apart, trajectory - apart, trajectory + random):
        moved = np.abs(trained(other, training) - trained(trajectory, training))
        assert (moved <= drift * (1 + 1e-6) + 1e-15).all()


def test_drift_is_narrow_for_large_gradients_and_a_full_step_for_lost_ones() -> None:
    training = Training(learning_rate=0.01, beta2=0.9)
    trajectory = np.array([[1.0, 0.5, 1e-7]] * STEPS)
    large, half, lost = drift_after(trajectory, 1e-5, training) / (0.01 * STEPS)
    assert 1e-5 < large < half < 5e-5
    assert 1 < lost < 2.1


def test_clipping_adds_the_error_of_the_norm_to_the_drift() -> None:
    """The norm is 5 and off by 1e-5 · 4 · 7 / 5 at most; each gradient is off by its share."""
    trajectory = np.array([[3.0, 4.0]] * STEPS)
    loose, tight, idle = (
        drift_after(trajectory, 1e-5, Training(clip_norm=limit, beta2=0.9))
        for limit in (None, 0.1, 5.1)
    )
    assert tight == pytest.approx(loose * (1 + 7 / 25 * np.array([3.0, 4.0])), rel=0.05)
    assert (idle == loose).all()


@given(st.integers(0, 2**16), st.sampled_from([1e-6, 1e-4]))
def test_weights_of_close_clipped_gradients_are_no_further_apart_than_the_drift(
    seed: int, distance: float
) -> None:
    rng = np.random.default_rng(seed)
    training = Training(learning_rate=0.01, clip_norm=0.5)
    trajectory = gradients_of_all_sizes(rng)
    drift = drift_after(trajectory, distance, training)
    apart = distance * np.abs(trajectory).max(axis=1, keepdims=True)
    random = apart * rng.uniform(-1, 1, trajectory.shape)
    for other in (trajectory + apart * np.sign(trajectory), trajectory + random):
        moved = np.abs(trained(other, training) - trained(trajectory, training))
        assert (moved <= drift * (1 + 1e-3) + 1e-12).all()


def test_gradients_that_rounding_moves_on_the_way_widen_the_drift() -> None:
    exact = [{"w": np.array([1.0, 0.5])}] * 3
    rounded = [exact[0], {"w": np.array([1.0, 0.5 + 1e-4])}, exact[2]]
    distances = gradient_distances({"w": 1e-5}, exact, rounded, FACTOR)
    assert [step["w"] for step in distances] == pytest.approx([1e-5, 1e-3, 1e-5])
    training = Training(learning_rate=0.01, beta2=0.9)
    wide, narrow = (
        weight_drift(exact, steps, training)[-1]["w"] for steps in (distances, [distances[0]] * 3)
    )
    assert (wide > 10 * narrow).all()


def test_losses_may_differ_by_each_weight_s_drift_times_its_gradient() -> None:
    trajectory = [
        {"w": np.array([5.0, 5.0])},
        {"w": np.array([2.0, -3.0])},
        {"w": np.array([1.0, 0.0])},
    ]
    drifts = [{"w": np.array([0.1, 0.01])}, {"w": np.array([0.2, 9.0])}, {"w": np.ones(2)}]
    assert loss_drift(trajectory, drifts) == pytest.approx([0, 0.23, 0.2])


# ---- the gate on models that train -----------------------------------------------------------


def differences(adapter: object, **settings: object) -> list[Difference]:
    """The gate's differences for one model, in float32 unless `settings` name another dtype."""
    return case_differences(bench_for(adapter, **{"dtype": "float32", **settings}))


def rejected(adapter: object, **settings: object) -> list[str]:
    """The names of the rejected arrays."""
    return [d.array for d in differences(adapter, **settings) if not d.accepted]


@pytest.mark.thorough
def test_an_rnn_that_amplifies_the_rounding_of_its_weights_is_accepted() -> None:
    size: dict[str, object] = {"task": "workload", "batch": 64, "length": 100, "hidden": 512}
    assert rejected("tensorflow-loop", cell="rnn", **size) == []


def test_steps_that_overshoot_are_accepted_and_a_wrong_rate_is_not() -> None:
    """The loss goes down, up and down, at a rate of 0.01, and Adam's rounding goes far; Optax
    computes 1 − β₂ᵗ in float32."""
    size: dict[str, object] = {"task": "adding", "cell": "lstm", "length": 20, "hidden": 64}
    accepted = differences("jax", **size)
    assert all(d.accepted for d in accepted)
    assert next(d.error for d in accepted if d.array.startswith("losses")) > 1e-4
    faulty = faulty_backends.with_training(learning_rate=1.01e-2)
    assert "losses of five steps" in rejected(faulty, **size)


@pytest.mark.parametrize(("form", "seed"), [("2a-end", 30), ("2a-end", 40), ("2b-end", 31)])
def test_large_gradients_widen_what_losses_may_differ_by(form: str, seed: int) -> None:
    """An lstm that keeps the first of a hundred symbols, on ten of them: the reference's own loss
    in float32 happens to come close to float64, that of other backends does not."""
    size: dict[str, object] = {"task": "long-lag", "form": form, "symbols": 100, "held_out": 100}
    size |= {"batch": 10, "hidden": 32, "learning_rate": 3e-3, "forget_bias": 5.0, "seed": seed}
    assert rejected("jax", **size) == []
    faulty = faulty_backends.wrong_gradient("layers.0.forward.u", 1.001)
    assert "d layers.0.forward.u" in rejected(faulty, **size)


def test_sums_over_a_large_batch_are_accepted() -> None:
    """oneDNN's lstm adds up the bias's gradient over 102,400 steps one after another."""
    accepted = differences("torch", task="workload", seed=1, batch=256, length=400, hidden=16)
    assert all(d.accepted for d in accepted)
    assert max(d.error for d in accepted if d.array.startswith("d ")) > 1e-6


PLAIN: dict[str, object] = {"optimiser": "sgd", "hidden": 32, "learning_rate": 0.05}


@pytest.mark.parametrize("adapter", ["torch", "tensorflow", "jax"])
def test_plain_gradient_descent_is_accepted(adapter: str) -> None:
    assert rejected(adapter, **PLAIN) == []


@pytest.mark.parametrize(
    "fields", [{"optimiser": "adam"}, {"learning_rate": 0.0505}, {"clip_norm": 0.1}]
)
def test_another_update_than_plain_gradient_descent_is_rejected(fields: dict[str, object]) -> None:
    arrays = rejected(faulty_backends.with_training(**fields), **PLAIN)
    assert any(array.endswith("five steps") for array in arrays)


def test_plain_gradient_descent_has_no_allowance_for_adam_s_rounding() -> None:
    """The fault is a rate that was rounded to float32, in float64."""
    rate = float(np.float32(0.05))
    assert rejected(faulty_backends.with_training(learning_rate=rate), dtype="float64", **PLAIN)
    assert rejected("numpy", dtype="float64", **PLAIN) == []


@pytest.mark.parametrize(
    "fault",
    [
        faulty_backends.with_training(learning_rate=1.01e-3),
        faulty_backends.with_training(beta1=0.8),
        faulty_backends.with_training(beta2=0.99),
        faulty_backends.with_training(epsilon=1e-6),
        faulty_backends.second_bias(),
    ],
    ids=["learning rate", "beta1", "beta2", "epsilon", "second bias"],
)
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_fault_of_the_optimiser_is_found_in_float32_too(cell: str, fault: object) -> None:
    size = {"batch": 16, "length": 30, "hidden": 64, "learning_rate": 1e-3, "clip_norm": 0.01}
    arrays = rejected(fault, cell=cell, task="workload", **size)
    assert arrays
    assert all("five steps" in array for array in arrays)


def test_one_weight_that_misses_a_fifth_of_one_step_is_found() -> None:
    def one_weight_off(params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        params["layers.0.forward.u"][3, 4] += 2e-4
        return params

    size: dict[str, object] = {"task": "workload", "cell": "lstm", "learning_rate": 1e-3}
    size |= {"batch": 16, "length": 30, "hidden": 64}
    assert rejected("numpy", **size) == []
    faulty = faulty_backends.with_results(params=one_weight_off)
    assert rejected(faulty, **size) == ["layers.0.forward.u after five steps"]
