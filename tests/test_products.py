"""The products that a model cannot avoid: their shapes, their order and their operations."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import bench_for

import backends
from bench.probes.products import Product, forward_products, operations, training_products
from bench.probes.speed import speed
from bench.spec import CELLS, ModelSpec
from bench.weights import initial_weights

B, T, D, H, OUT = 3, 5, 2, 7, 1
LSTM = ModelSpec(cell="lstm", inputs=D, hidden=H, outputs=OUT)


def test_products_of_an_lstm_are_those_of_the_definition_in_their_order() -> None:
    forward = [Product(T * B, D, 4 * H), Product(B, H, 4 * H, T), Product(B, H, OUT)]
    backward = [
        *(Product(B, OUT, H), Product(OUT, B, H)),
        Product(B, 4 * H, H, T),
        Product(4 * H, T * B, H),
        Product(4 * H, T * B, D),
    ]
    assert forward_products(LSTM, B, T) == forward
    assert training_products(LSTM, B, T) == forward + backward


@pytest.mark.parametrize(
    ("change", "forward", "backward"),
    [
        ({}, 4 * H * (D + H) * T + H, 4 * H * (D + H + H) * T + 2 * H),
        ({"cell": "rnn"}, H * (D + H) * T + H, H * (D + H + H) * T + 2 * H),
        ({"cell": "gru"}, 3 * H * (D + H) * T + H, 3 * H * (D + H + H) * T + 2 * H),
        (
            {"cell": "gru", "gru": "reset_before"},
            3 * H * (D + H) * T + H,
            3 * H * (D + H + H) * T + 2 * H,
        ),
        ({"cell": "feedforward"}, H * D * T + H, H * D * T + 2 * H),
        ({"readout": "every"}, 4 * H * (D + H) * T + H * T, 4 * H * (D + 2 * H) * T + 2 * H * T),
        (
            {"bidirectional": True},
            2 * 4 * H * (D + H) * T + 2 * H,
            2 * 4 * H * (D + 2 * H) * T + 2 * 2 * H,
        ),
        (
            {"layers": 2},
            4 * H * (D + H + H + H) * T + H,
            4 * H * (D + 2 * H + 2 * H + 2 * H) * T + 2 * H,
        ),
    ],
)
def test_operations_are_those_counted_by_hand(
    change: dict[str, Any], forward: int, backward: int
) -> None:
    model = replace(LSTM, **change)
    assert operations(forward_products(model, B, T)) == 2 * B * forward
    assert operations(training_products(model, B, T)) == 2 * B * (forward + backward)


def test_gru_that_resets_before_needs_two_products_a_step() -> None:
    gru = replace(LSTM, cell="gru")
    in_turn = {
        variant: [
            (p.inner, p.columns)
            for p in training_products(replace(gru, gru=variant), B, T)
            if p.times == T
        ]
        for variant in ("reset_after", "reset_before")
    }
    assert in_turn["reset_after"] == [(H, 3 * H), (3 * H, H)]
    assert in_turn["reset_before"] == [(H, 2 * H), (H, H), (H, H), (2 * H, H)]


def test_decoder_waits_for_its_outputs_in_the_forward_pass_and_not_in_training() -> None:
    steps = 4
    model = replace(LSTM, readout="every", decoder=steps)
    forward, training = forward_products(model, B, T), training_products(model, B, T)
    generated = [Product(B, OUT + 1, 4 * H, steps), Product(B, H, 4 * H, steps)]
    assert forward[2:] == [*generated, Product(B, H, OUT, steps)]
    assert Product(steps * B, OUT + 1, 4 * H) in training
    encoder, decoder = 4 * H * (D + H), 4 * H * (OUT + 1 + H)
    passes = encoder * T + decoder * steps + H * steps
    assert operations(forward) == 2 * B * passes
    gradients = 4 * H * (D + 2 * H) * T + 4 * H * (OUT + 1 + 2 * H) * steps + 2 * H * steps
    assert operations(training) == 2 * B * (passes + gradients)


def test_twice_as_many_steps_make_chains_twice_as_long_and_no_more_products() -> None:
    once, twice = (training_products(LSTM, B, time) for time in (T, 2 * T))
    assert len(once) == len(twice)
    assert [p.times for p in twice] == [p.times * (2 if p.times == T else 1) for p in once]
    with_readout = 3 * 2 * B * H
    assert operations(twice) - with_readout == 2 * (operations(once) - with_readout)


class Counted:
    """Stands for `np.matmul` or `np.dot`, and counts its operations."""

    def __init__(self, multiply: Callable[..., Any]) -> None:
        self.multiply, self.operations = multiply, 0

    def __call__(self, a: Any, b: Any, out: Any = None) -> Any:
        stack = a.shape[:-2] or b.shape[:-2]
        self.operations += 2 * int(np.prod(stack)) * a.shape[-2] * a.shape[-1] * b.shape[-1]
        return self.multiply(a, b, out=out)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("variant", ["reset_after", "reset_before"])
def test_reference_computes_these_products_and_its_biases(
    cell: str, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NumPy's lstm, gru and rnn keep the bias as one more input of W, and of the readout."""
    model = replace(LSTM, cell=cell, gru=variant, layers=2, readout="every", dtype="float64")
    rng = np.random.default_rng(0)
    session = backends.load("numpy").open_session(model, initial_weights(model, rng), "cpu")
    x, y = rng.standard_normal((B, T, D)), rng.standard_normal((B, T, OUT))
    counters = {name: Counted(getattr(np, name)) for name in ("matmul", "dot")}
    for name, counter in counters.items():
        monkeypatch.setattr(np, name, counter)
    session.step(x, y)
    biases = 2 * 2 * B * T * (2 * model.gates * H + OUT)
    counted = sum(counter.operations for counter in counters.values())
    assert counted == operations(training_products(model, B, T)) + biases


def test_record_of_the_speed_probe_has_the_operations_of_one_update() -> None:
    context = bench_for("numpy", "speed", cell="lstm", batch=B, length=T, hidden=H)
    assert speed(context).metrics["flop_step"] == operations(
        training_products(context.case.model, B, T)
    )


def test_equal_layers_have_equal_products() -> None:
    counts = Counter(training_products(replace(LSTM, layers=3), B, T))
    assert counts[Product(B, H, 4 * H, T)] == 3
    assert counts[Product(T * B, 4 * H, H)] == 2
