"""What the gate observes of a session."""

import numpy as np
from conftest import bench_for

from bench.gate.observe import AFTER_STEPS, LOSSES, STEPS, Observation, Scope, observe
from bench.spec import Limit, Supports

LIMIT = Limit("theirs", "it runs models only")
WEIGHTS = [f"layers.0.forward.{name}" for name in ("w", "u", "b")] + ["readout.w", "readout.b"]


EVERYTHING = Scope()


def observed(scope: Scope = EVERYTHING, trajectory: bool = False) -> Observation:
    context = bench_for("numpy", cell="rnn")
    session = context.open_reference(
        context.case.model, context.weights(context.case.model), context.case.training
    )
    x, y = context.task.sample(context.rng("batches"))
    return observe(session, x, y, scope, trajectory=trajectory)


def test_everything_is_observed_of_a_backend_that_trains() -> None:
    names = ["output", "hidden states", "loss", *(f"d {name}" for name in [*WEIGHTS, "x"])]
    names += ["d hidden states", LOSSES, *(name + AFTER_STEPS for name in WEIGHTS)]
    observation = observed()
    assert list(observation.arrays) == names
    assert len(observation.arrays[LOSSES]) == STEPS
    assert observation.trajectory == []


def test_a_trajectory_begins_with_the_gradients_of_the_initial_weights() -> None:
    observation = observed(trajectory=True)
    assert len(observation.trajectory) == STEPS
    for gradients in observation.trajectory:
        assert list(gradients) == WEIGHTS
    for name, gradient in observation.trajectory[0].items():
        np.testing.assert_array_equal(gradient, observation.arrays[f"d {name}"])
    assert not np.array_equal(
        observation.trajectory[0]["readout.w"], observation.trajectory[1]["readout.w"]
    )


def test_outputs_and_states_alone_are_observed_of_a_backend_that_does_not_train() -> None:
    scope = Scope.from_supports(Supports(training=LIMIT))
    assert scope == Scope(training=False, hidden_gradients=False)
    assert list(observed(scope, trajectory=True).arrays) == ["output", "hidden states"]


def test_hidden_gradients_are_left_out_where_a_backend_lacks_them() -> None:
    scope = Scope.from_supports(Supports(hidden_gradients=LIMIT))
    assert scope == Scope(training=True, hidden_gradients=False)
    assert "d hidden states" not in observed(scope).arrays
