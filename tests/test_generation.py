"""Every backend writes the same text from a trained model, and the same strings from a decoder."""

from functools import cache
from typing import Any

import numpy as np
import pytest

import backends
from bench.probes.generation import generate
from bench.spec import Array, ModelSpec, Training
from bench.weights import initial_weights

TEXT = (
    "We hold these truths to be self-evident, that all men are created equal, that they are "
    "endowed by their Creator with certain unalienable Rights, that among these are Life, "
    "Liberty and the pursuit of Happiness."
)
ALPHABET = sorted(set(TEXT))
CLASSES = len(ALPHABET)
MODELS = [("rnn", 1), ("lstm", 1), ("gru", 1), ("gru", 2)]


def encoded(*texts: str) -> Array:
    return np.array([[ALPHABET.index(letter) for letter in text] for text in texts])


def decoded(classes: Array) -> list[str]:
    return ["".join(ALPHABET[k] for k in text) for text in classes]


PROMPTS = encoded("We hold", "that al")


@cache
def trained(cell: str, layers: int) -> tuple[ModelSpec, dict[str, Array]]:
    """A model of the next letter, trained by the reference on excerpts of 16 letters."""
    spec = ModelSpec(
        cell=cell, inputs=CLASSES, hidden=32, outputs=CLASSES, layers=layers, readout="every",
        loss="cross_entropy", dtype="float64",
    )  # fmt: skip
    rng, text, one_hot = np.random.default_rng(0), encoded(TEXT)[0], np.eye(CLASSES)
    training = Training(learning_rate=2e-2, clip_norm=1.0)
    session = reference(spec, initial_weights(spec, rng, "orthogonal"), training)
    for _ in range(250):
        starts = rng.integers(0, len(text) - 16, (8, 1))
        excerpts = text[starts + np.arange(17)]
        session.step(one_hot[excerpts[:, :-1]], excerpts[:, 1:])
    return spec, session.params()


def reference(spec: ModelSpec, params: Any, training: Training = Training()) -> Any:
    return backends.load("numpy").open_session(spec, params, "cpu", training)


def open_or_skip(backend: str, spec: ModelSpec, params: Any, ability: str) -> Any:
    """A backend's session, or a skip where it declares that it lacks the ability."""
    module = backends.load(backend)
    if (limit := module.SUPPORTS.limit(spec) or module.SUPPORTS.lacks(ability)) is not None:
        pytest.skip(f"{backend} declares: {limit}")
    return module.open_session(spec, params, "cpu")


class Rereading:
    """A session whose `advance` reads the whole text again for each letter: the definition."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def advance(self, x: Array, state: Any = None) -> tuple[Array, Array]:
        text = x if state is None else np.concatenate([state, x], axis=1)
        return self.session.predict(text)[:, -x.shape[1] :], text


class Forgetful(Rereading):
    """A session that forgets its state between calls."""

    def advance(self, x: Array, state: Any = None) -> tuple[Array, Any]:
        return super().advance(x)


class Fixed:
    """A session whose outputs do not depend on its inputs."""

    def __init__(self, logits: Any) -> None:
        self.logits = np.asarray(logits, float)

    def advance(self, x: Array, state: Any = None) -> tuple[Array, None]:
        return np.broadcast_to(self.logits, (*x.shape[:2], len(self.logits))), None


# ---- a text ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("cell", "layers"), MODELS)
def test_trained_model_recites_its_text(cell: str, layers: int) -> None:
    session = reference(*trained(cell, layers))
    assert decoded(generate(session, PROMPTS[:1], 60, classes=CLASSES)) == [TEXT[7:67]]


@pytest.mark.parametrize(("cell", "layers"), [("lstm", 1), ("gru", 2)])
def test_every_backend_writes_the_same_text(backend: str, cell: str, layers: int) -> None:
    spec, params = trained(cell, layers)
    session, expected = open_or_skip(backend, spec, params, "generation"), reference(spec, params)
    for seed in (None, 0, 1):
        texts = [
            generate(
                s, PROMPTS, 60, classes=CLASSES, temperature=1.5,
                rng=None if seed is None else np.random.default_rng(seed),
            )
            for s in (session, Rereading(expected))
        ]  # fmt: skip
        assert decoded(texts[0]) == decoded(texts[1])


def test_session_that_drops_its_state_writes_another_text() -> None:
    session = reference(*trained("gru", 1))
    texts = [generate(s, PROMPTS, 60, classes=CLASSES) for s in (session, Forgetful(session))]
    assert (texts[0] != texts[1]).mean() > 0.5


def test_readout_of_the_last_step_writes_the_same_text() -> None:
    import dataclasses

    spec, params = trained("lstm", 1)
    last = dataclasses.replace(spec, readout="last")
    texts = [generate(reference(s, params), PROMPTS, 20, classes=CLASSES) for s in (spec, last)]
    np.testing.assert_array_equal(*texts)


# ---- sampling --------------------------------------------------------------------------------


def test_classes_are_drawn_with_the_probabilities_of_the_softmax() -> None:
    logits, temperature = np.array([0.0, 2.0, -1.0, 1.0]), 2.0
    written = generate(
        Fixed(logits), np.zeros((4000, 1), int), 5, classes=4, temperature=temperature,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    expected = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
    shares = np.bincount(written.ravel(), minlength=4) / written.size
    np.testing.assert_allclose(shares, expected, atol=4 * np.sqrt(0.25 / written.size))


def test_one_uniform_number_decides_each_sequence_and_step() -> None:
    rng, same = np.random.default_rng(5), np.random.default_rng(5)
    written = generate(Fixed([0, 0]), [[0], [1], [0]], 7, classes=2, rng=rng)
    uniform = np.stack([same.random(3) for _ in range(7)], axis=1)
    np.testing.assert_array_equal(written, uniform >= 0.5)
    assert rng.random() == same.random()


def test_class_of_zero_probability_is_never_drawn() -> None:
    logits = [-2000.0, 0.0, -2000.0, 0.0, -2000.0]
    rng = np.random.default_rng(0)
    written = generate(Fixed(logits), np.zeros((200, 1), int), 10, classes=5, rng=rng)
    assert set(np.unique(written)) == {1, 3}


def test_low_temperature_writes_the_greedy_text_and_a_high_one_does_not() -> None:
    session = reference(*trained("gru", 1))
    greedy, cold, hot = (
        generate(session, PROMPTS, 40, classes=CLASSES, rng=rng, temperature=temperature)
        for rng, temperature in (
            (None, 1.0), (np.random.default_rng(0), 1e-3), (np.random.default_rng(0), 3.0),
        )
    )  # fmt: skip
    np.testing.assert_array_equal(cold, greedy)
    assert (hot != greedy).mean() > 0.5


def test_first_of_equal_logits_is_written() -> None:
    assert generate(Fixed([0, 3, 3]), [[0]], 2, classes=3).tolist() == [[1, 1]]


def test_no_steps_write_nothing() -> None:
    assert generate(Fixed([0, 1]), [[0], [1]], 0, classes=2).shape == (2, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": -1}, "steps"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"prompt": [[]]}, "at least"),
        ({"prompt": [0, 1]}, "batch, time"),
        ({"prompt": [[0, 3]]}, "from 0 to 2"),
        ({"prompt": [[-1]]}, "from 0 to 2"),
        ({"prompt": [[0.5]]}, "whole numbers"),
        ({"session": Fixed([0, 1])}, "2 outputs for 3 classes"),
        ({"session": Fixed([0, np.nan, 1])}, "not finite"),
    ],
)
def test_invalid_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    valid: dict[str, Any] = {"session": Fixed([0, 1, 2]), "prompt": [[0]], "steps": 2}
    with pytest.raises(ValueError, match=message):
        generate(**{**valid, **arguments}, classes=3)


# ---- an encoder-decoder ----------------------------------------------------------------------

DIGITS, LENGTH = 4, 3


@cache
def reversing() -> tuple[ModelSpec, dict[str, Array]]:
    """An encoder-decoder, trained by the reference to write digits in reverse."""
    spec = ModelSpec(
        cell="gru", inputs=DIGITS, hidden=24, outputs=DIGITS, readout="every",
        loss="cross_entropy", dtype="float64", decoder=LENGTH,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    session = reference(
        spec, initial_weights(spec, rng, "orthogonal"), Training(learning_rate=1e-2)
    )
    for _ in range(300):
        digits = rng.integers(0, DIGITS, (16, LENGTH))
        session.step(np.eye(DIGITS)[digits], digits[:, ::-1])
    return spec, session.params()


ALL_DIGITS = np.stack(np.meshgrid(*[np.arange(DIGITS)] * LENGTH), axis=-1).reshape(-1, LENGTH)


def test_decoder_learns_to_reverse_digits() -> None:
    written = reference(*reversing()).predict(np.eye(DIGITS)[ALL_DIGITS]).argmax(2)
    assert (written == ALL_DIGITS[:, ::-1]).all(axis=1).mean() > 0.9


def test_every_backend_s_decoder_writes_the_same_digits(backend: str) -> None:
    spec, params = reversing()
    session, x = open_or_skip(backend, spec, params, "decoder"), np.eye(DIGITS)[ALL_DIGITS]
    output, expected = session.predict(x), reference(spec, params).predict(x)
    np.testing.assert_array_equal(output.argmax(2), expected.argmax(2))
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
