"""Digits rebuilt from the final state of an encoder."""

import numpy as np
import pytest
from task_samples import rng

from tasks._labelled_data import load_labelled
from tasks.autoencoder import Autoencoder, principal_components_error


def test_as_many_components_as_pixels_rebuild_a_digit() -> None:
    assert principal_components_error(64) == pytest.approx(0, abs=1e-20)
    sixteen, four, none = map(principal_components_error, (16, 4, 0))
    assert 0 < sixteen < four < none == Autoencoder().chance


def test_targets_are_the_rows_from_last_to_first() -> None:
    task = Autoencoder()
    x, y = task.sample(rng())
    np.testing.assert_array_equal(x[:, ::-1], y)
    assert task.scores(y, y)["mse"] == 0
    mean = load_labelled("digits")[0].x.reshape(-1, 8, 8).mean(axis=0)
    _, held_out = task.evaluation(rng())
    constant = np.broadcast_to(mean[::-1], held_out.shape)
    assert task.scores(constant, held_out)["mse"] == pytest.approx(task.chance)
