"""Classification of sequences that ship in packages."""

import random

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from task_samples import rng

from tasks._labelled_data import DATA_SETS, load_labelled
from tasks.classification import Classification

SHAPES = {
    "mnist1d": (4000, 1000, 40, 1),
    "digits": (1438, 359, 64, 1),
    "vowels": (270, 370, 29, 12),
}
every_data_set = pytest.mark.parametrize("name", DATA_SETS)


@every_data_set
def test_data_set_has_the_documented_sequences(name: str) -> None:
    training, held_out = load_labelled(name)
    assert (len(training.y), len(held_out.y), *training.x.shape[1:]) == SHAPES[name]
    assert set(training.y) == set(held_out.y) == set(range(DATA_SETS[name].classes))
    assert not any(a.flags.writeable for a in (training.x, held_out.y))
    task = Classification(data=name, batch=32)
    x, y = task.sample(rng())
    assert ((y >= 0).sum(axis=1) == 1).all()
    for target, sequence in zip(y, x, strict=True):
        end = int(np.argmax(target >= 0))
        assert not sequence[end + 1 :].any(), "a sequence is zero beyond its end"


def test_vowels_have_seven_to_twenty_nine_steps() -> None:
    lengths = np.concatenate([sequences.last for sequences in load_labelled("vowels")]) + 1
    assert (lengths.min(), lengths.max()) == (7, 29)


@every_data_set
def test_scale_comes_from_the_training_sequences_alone(name: str) -> None:
    inside = [
        sequences.x[np.arange(sequences.x.shape[1]) <= sequences.last[:, None]]
        for sequences in load_labelled(name)
    ]
    means, deviations = ([f(x, axis=0) for x in inside] for f in (np.mean, np.std))
    np.testing.assert_allclose(means[0], 0, atol=1e-9)
    np.testing.assert_allclose(deviations[0], 1)
    assert np.abs(means[1]).max() > 1e-3


@every_data_set
def test_nearest_neighbour_is_that_of_scikit_learn(name: str) -> None:
    (x, labels), (queries, truth) = ((s.x.reshape(len(s.x), -1), s.y) for s in load_labelled(name))
    predicted = KNeighborsClassifier(1).fit(x, labels).predict(queries)
    assert Classification(data=name).baselines["nearest neighbour"] == np.mean(predicted != truth)


@every_data_set
def test_error_of_right_wrong_and_constant_answers(name: str) -> None:
    task = Classification(data=name)
    _, y = task.evaluation(rng())
    right = np.eye(task.outputs)[np.maximum(y, 0)]
    assert task.scores(right, y)["error"] == 0
    assert task.scores(-right, y)["error"] == 1
    most_common = np.bincount(y[y >= 0]).argmax()
    constant = np.broadcast_to(np.eye(task.outputs)[most_common], right.shape)
    assert task.scores(constant, y)["error"] == pytest.approx(task.chance)
    assert 0 < task.baselines["nearest neighbour"] < task.chance


def test_reading_mnist1d_leaves_the_global_generators_alone() -> None:
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    DATA_SETS["mnist1d"].read()
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
