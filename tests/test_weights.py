"""Initial weights: the properties of each scheme, and comparisons with the frameworks' draws."""

from collections.abc import Callable, Mapping
from functools import cache
from math import log, sqrt
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

import backends
import bench.weights as weights_module
from backends import numpy_backend
from bench.spec import CELLS, Array, ModelSpec
from bench.weights import SCHEMES, initial_weights, scheme_limit, weight_shapes

INPUTS, HIDDEN, OUTPUTS = 10, 8, 6
LAYER = "layers.0.forward."
MODELS = [(cell, "reset_after") for cell in CELLS] + [("gru", "reset_before")]


def model(cell: str, **fields: Any) -> ModelSpec:
    return ModelSpec(cell=cell, inputs=INPUTS, hidden=HIDDEN, outputs=OUTPUTS, **fields)


def weights(spec: ModelSpec, scheme: str, seed: int = 0, **options: Any) -> dict[str, Array]:
    time = 50 if scheme == "chrono" else None
    return initial_weights(spec, np.random.default_rng(seed), scheme, **{"time": time, **options})


applicable = pytest.mark.parametrize(
    ("scheme", "cell", "variant"),
    [(s, c, v) for s in SCHEMES for c, v in MODELS if scheme_limit(s, c) is None],
)


# ---- properties of all schemes ---------------------------------------------------------------


@applicable
def test_every_array_is_drawn_and_depends_on_the_seed(scheme: str, cell: str, variant: str) -> None:
    spec = model(cell, gru=variant, layers=2, bidirectional=True, dtype="float64")
    first, again, other = (weights(spec, scheme, seed) for seed in (0, 0, 1))
    assert {name: value.shape for name, value in first.items()} == weight_shapes(spec)
    for name, value in first.items():
        assert np.isfinite(value).all()
        np.testing.assert_array_equal(value, again[name])
    assert any((value != other[name]).any() for name, value in first.items())


@applicable
def test_all_dtypes_start_from_the_same_numbers(scheme: str, cell: str, variant: str) -> None:
    exact = weights(model(cell, gru=variant, dtype="float64"), scheme)
    for dtype in ("float32", "bfloat16"):
        stored = weights(model(cell, gru=variant, dtype=dtype), scheme)
        for name, value in stored.items():
            assert value.dtype == np.float32
            np.testing.assert_array_equal(value, exact[name])


def test_uniform_and_orthogonal_give_the_numbers_of_published_results() -> None:
    spec = ModelSpec(cell="rnn", inputs=1, hidden=2, outputs=1)
    uniform, orthogonal = weights(spec, "uniform", 7), weights(spec, "orthogonal", 7)
    w, u, b = (f"layers.0.forward.{parameter}" for parameter in "wub")
    expected = {
        w: [[0.17691171169281006], [0.5617451667785645]],
        u: [[0.38987845182418823, -0.3886157274246216], [-0.2826075553894043, 0.5282843708992004]],
        b: [-0.6996605396270752, 0.454285591840744],
        "readout.w": [[0.42011961340904236, -0.04534682631492615]],
        "readout.b": [-0.27855420112609863],
    }
    assert {name: value.tolist() for name, value in uniform.items()} == expected
    assert orthogonal[w].tolist() == [[0.3538234233856201], [1.123490333557129]]
    assert orthogonal["readout.w"].tolist() == [[-1.3993210792541504, 0.908571183681488]]
    rotation = [
        [-0.5163440108299255, -0.8563812971115112],
        [-0.8563812971115112, 0.5163440108299255],
    ]
    np.testing.assert_allclose(orthogonal[u], rotation, rtol=1e-6)
    assert not orthogonal[b].any() and not orthogonal["readout.b"].any()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_scheme_is_refused_for_cells_to_which_it_does_not_apply(scheme: str) -> None:
    for cell in CELLS:
        if limit := scheme_limit(scheme, cell):
            with pytest.raises(ValueError, match=f"^{limit}$"):
                weights(model(cell), scheme)
        else:
            weights(model(cell), scheme)


def test_schemes_apply_to_the_cells_that_their_papers_name() -> None:
    limited = {(s, c) for s in SCHEMES for c in CELLS if scheme_limit(s, c)}
    gateless = {("chrono", "rnn"), ("chrono", "feedforward")}
    intended = {"identity": "rnn", "lstm-1997": "lstm"}
    assert limited == gateless | {("equinox", "rnn")} | {
        (scheme, cell) for scheme, only in intended.items() for cell in CELLS if cell != only
    }


def test_unknown_scheme_is_refused_with_a_list_of_the_schemes() -> None:
    with pytest.raises(ValueError, match=r"uniform, orthogonal, .* not 'glorot'"):
        weights(model("rnn"), "glorot")


# ---- forget bias, chrono, identity -----------------------------------------------------------


@pytest.mark.parametrize("scheme", [s for s in SCHEMES if not scheme_limit(s, "lstm")])
def test_forget_bias_replaces_the_bias_of_the_forget_gate_and_nothing_else(scheme: str) -> None:
    spec = model("lstm", layers=2, readout="every", decoder=2)
    default, replaced = weights(spec, scheme), weights(spec, scheme, forget_bias=2.5)
    for name, value in replaced.items():
        expected = default[name].copy()
        if name.endswith(".b") and name != "readout.b":
            expected[HIDDEN : 2 * HIDDEN] = 2.5
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("cell", ["rnn", "gru", "feedforward"])
def test_forget_bias_changes_nothing_in_a_cell_without_a_forget_gate(cell: str) -> None:
    default = weights(model(cell), "keras")
    for name, value in weights(model(cell), "keras", forget_bias=2.5).items():
        np.testing.assert_array_equal(value, default[name])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_forget_bias_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="forget_bias"):
        weights(model("lstm"), "keras", forget_bias=value)


@pytest.mark.parametrize("time", [None, 0, 2])
def test_chrono_needs_the_length_of_the_sequences(time: int | None) -> None:
    with pytest.raises(ValueError, match="at least 3 steps"):
        weights(model("lstm"), "chrono", time=time)


def test_chrono_gives_the_input_gate_the_negative_of_the_forget_gate_s_bias() -> None:
    biases = scheme_draws("chrono", model("lstm", dtype="float64"), LAYER)["b"]
    i, f, g, o = (gate.ravel() for gate in np.split(biases, 4, axis=1))
    np.testing.assert_array_equal(f, -i)
    assert not g.any() and not o.any()
    assert f.min() >= 0 and f.max() <= log(49)
    assert alike((np.exp(f) - 1) / 48, np.random.default_rng(1).uniform(size=f.size))


def test_chrono_sets_the_update_gate_of_the_gru() -> None:
    """The state decays by σ(b_z) a step: it lasts 1/(1 − σ(b_z)) steps, from 2 to T."""
    drawn = weights(model("gru", dtype="float64"), "chrono", time=50)
    r, z, n = np.split(drawn["layers.0.forward.b"], 3)
    assert not r.any() and not n.any() and not drawn["layers.0.forward.b_hn"].any()
    memory = 1 / (1 - 1 / (1 + np.exp(-z)))
    assert memory.min() >= 2 and memory.max() <= 50 and memory.std() > 1


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_chrono_draws_the_biases_of_a_decoder_and_not_of_the_readout(cell: str) -> None:
    spec = model(cell, readout="every", decoder=2, layers=2)
    drawn = weights(spec, "chrono", time=50)
    gates = [v for name, v in drawn.items() if name.endswith(".b") and name != "readout.b"]
    assert len(gates) == 4
    assert all(v[HIDDEN : 2 * HIDDEN].min() >= 0 and v[HIDDEN : 2 * HIDDEN].any() for v in gates)
    assert not drawn["readout.b"].any()


def test_identity_keeps_the_state_and_has_tiny_input_weights() -> None:
    spec = ModelSpec(cell="rnn", inputs=40, hidden=50, outputs=30, layers=2, dtype="float64")
    for name, value in weights(spec, "identity").items():
        if name.endswith(".u"):
            np.testing.assert_array_equal(value, np.eye(50))
        elif name.endswith(".w"):
            assert value.std() == pytest.approx(0.001, rel=0.1)
        else:
            assert not value.any()


def test_lstm_1997_has_open_forget_gates_and_almost_closed_input_gates() -> None:
    spec = ModelSpec(cell="lstm", inputs=9, hidden=5, outputs=30)
    drawn = weights(spec, "lstm-1997")
    i, f, *others = np.split(drawn.pop("layers.0.forward.b"), 4)
    assert i.tolist() == [-2, -2, -2, -4, -4]
    kept = 1 / (1 + np.exp(-f))
    assert kept.dtype == np.float32 and (kept == 1).all()
    uniform = np.concatenate([v.ravel() for v in (*drawn.values(), *others)])
    assert 0.095 < np.abs(uniform).max() <= 0.1 and abs(uniform.mean()) < 0.01
    narrow = numpy_backend.open_session(spec, weights(spec, "lstm-1997"), "cpu")
    rng = np.random.default_rng(0)
    _, gradients = narrow.gradients(rng.standard_normal((4, 6, 9)), rng.standard_normal((4, 30)))
    assert not any(gradients[f"layers.0.forward.{name}"][5:10].any() for name in "wub")
    assert gradients["layers.0.forward.w"][:5].all()


# ---- which matrix is orthogonal --------------------------------------------------------------


def orthonormal(matrix: Array) -> bool:
    return np.allclose(matrix.T @ matrix, np.eye(matrix.shape[1]), atol=1e-5)


def orthonormal_blocks(u: Array, cell: str) -> tuple[bool, list[bool]]:
    """Whether the recurrent matrix `(G·H, H)` is orthonormal as a whole, and gate by gate."""
    return orthonormal(u), [orthonormal(block) for block in np.split(u, len(CELLS[cell].gates))]


WHOLE = [("keras", "lstm"), ("keras", "gru"), ("flax", "gru")]
BY_GATE = [("orthogonal", "lstm"), ("orthogonal", "gru"), ("flax", "lstm"), ("chrono", "gru")]


@pytest.mark.parametrize(("scheme", "cell"), WHOLE + BY_GATE)
def test_recurrent_matrix_is_orthogonal_as_a_whole_or_gate_by_gate(scheme: str, cell: str) -> None:
    u = weights(model(cell, dtype="float64"), scheme)["layers.0.forward.u"]
    whole, by_gate = (scheme, cell) in WHOLE, (scheme, cell) in BY_GATE
    assert orthonormal_blocks(u, cell) == (whole, [by_gate] * len(CELLS[cell].gates))


@pytest.mark.parametrize("scheme", ["orthogonal", "keras", "flax"])
def test_recurrent_matrix_of_the_rnn_is_orthogonal(scheme: str) -> None:
    assert orthonormal(weights(model("rnn"), scheme)["layers.0.forward.u"])


# ---- bounds ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "cell", "name", "bound"),
    [
        ("uniform", "lstm", "layers.0.forward.b", 1 / sqrt(100)),
        ("torch", "lstm", "layers.0.forward.w", 1 / sqrt(100)),
        ("torch", "lstm", "layers.0.forward.b", 2 / sqrt(100)),
        ("torch", "feedforward", "layers.0.forward.w", 1 / sqrt(40)),
        ("torch", "feedforward", "layers.0.forward.b", 1 / sqrt(40)),
        ("torch", "gru", "layers.0.forward.b_hn", 1 / sqrt(100)),
        ("equinox", "gru", "layers.0.forward.b", 1 / sqrt(100)),
        ("orthogonal", "lstm", "layers.0.forward.w", sqrt(6 / 140)),
        ("keras", "lstm", "layers.0.forward.w", sqrt(6 / 440)),
        ("keras", "gru", "layers.0.forward.w", sqrt(6 / 340)),
        ("keras", "lstm", "readout.w", sqrt(6 / 150)),
        ("flax", "lstm", "layers.0.forward.w", 2 / 0.8796256610342398 / sqrt(40)),
        ("flax", "gru", "readout.w", 2 / 0.8796256610342398 / sqrt(100)),
    ],
)
def test_weights_fill_their_range_and_stay_within_it(
    scheme: str, cell: str, name: str, bound: float
) -> None:
    spec = ModelSpec(cell=cell, inputs=40, hidden=100, outputs=50, dtype="float64")
    largest = np.abs(weights(spec, scheme)[name]).max()
    assert 0.85 * bound < largest <= bound * (1 + 1e-6)


# ---- the draws of the frameworks -------------------------------------------------------------
# Each function makes one layer of a framework, seeded, and returns its arrays as canonical ones.


def torch_layer(cell: str, inputs: int, units: int, seed: int) -> dict[str, Any]:
    import torch

    torch.manual_seed(seed)
    classes = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU", "feedforward": "Linear"}
    layer = getattr(torch.nn, classes[cell])(inputs, units)
    arrays = [parameter.detach().numpy() for parameter in layer.parameters()]
    if cell == "feedforward":
        return dict(zip("wb", arrays, strict=True))
    w, u, b, second = arrays
    if cell != "gru":
        return {"w": w, "u": u, "b": b + second}
    b[: 2 * units] += second[: 2 * units]
    return {"w": w, "u": u, "b": b, "b_hn": second[2 * units :]}


def keras_layer(cell: str, inputs: int, units: int, seed: int) -> dict[str, Any]:
    import keras

    keras.utils.set_random_seed(seed)
    classes = {"rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU", "feedforward": "Dense"}
    layer = getattr(keras.layers, classes[cell])(units)
    layer.build((None, inputs) if cell == "feedforward" else (None, None, inputs))
    w, *u, b = layer.get_weights()
    arrays = {"w": w.T, "b": b} | ({"u": u[0].T} if u else {})
    if cell != "gru":
        return arrays
    z, r, n = np.split(np.arange(3 * units), 3)
    arrays["b"], b_hn = b[0], b[1][n]
    order = np.concatenate([r, z, n])
    return {name: value[order] for name, value in arrays.items()} | {"b_hn": b_hn}


def flax_layer(cell: str, inputs: int, units: int, seed: int) -> dict[str, Any]:
    from flax import nnx

    classes = {"rnn": "SimpleCell", "lstm": "LSTMCell", "gru": "GRUCell", "feedforward": "Linear"}
    layer = getattr(nnx, classes[cell])(inputs, units, rngs=nnx.Rngs(seed))
    if cell == "feedforward":
        return {"w": layer.kernel[...].T, "b": layer.bias[...]}
    if cell != "lstm":
        i, h = layer.dense_i, layer.dense_h
        return {"w": i.kernel[...].T, "u": h.kernel[...].T, "b": i.bias[...]}
    gates = (
        (layer.ii, layer.hi),
        (layer.if_, layer.hf),
        (layer.ig, layer.hg),
        (layer.io, layer.ho),
    )
    return {
        "w": np.concatenate([below.kernel[...].T for below, _ in gates]),
        "u": np.concatenate([before.kernel[...].T for _, before in gates]),
        "b": np.concatenate([before.bias[...] for _, before in gates]),
    }


def equinox_layer(cell: str, inputs: int, units: int, seed: int) -> dict[str, Any]:
    import equinox
    import jax

    classes = {"lstm": "LSTMCell", "gru": "GRUCell", "feedforward": "Linear"}
    layer = getattr(equinox.nn, classes[cell])(inputs, units, key=jax.random.key(seed))
    if cell == "feedforward":
        return {"w": layer.weight, "b": layer.bias}
    arrays = {"w": layer.weight_ih, "u": layer.weight_hh, "b": layer.bias}
    return arrays | ({"b_hn": layer.bias_n} if cell == "gru" else {})


LAYERS: Mapping[str, Callable[[str, int, int, int], dict[str, Any]]] = {
    "torch": torch_layer,
    "keras": keras_layer,
    "flax": flax_layer,
    "equinox": equinox_layer,
}
DRAWN = {"torch": 400, "keras": 20, "flax": 40, "equinox": 100}
"""Layers drawn of each framework: they take a few seconds."""

BACKEND = {"torch": "torch", "keras": "tensorflow", "flax": "jax", "equinox": "jax"}


@cache
def framework_draws(framework: str, cell: str, inputs: int, units: int) -> dict[str, Array]:
    """The arrays of many layers of a framework, stacked, by parameter (`w`, `u`, …)."""
    layers = [LAYERS[framework](cell, inputs, units, seed) for seed in range(DRAWN[framework])]
    return {
        parameter: np.stack([np.asarray(a[parameter]) for a in layers]) for parameter in layers[0]
    }


@cache
def scheme_draws(scheme: str, spec: ModelSpec, prefix: str) -> dict[str, Array]:
    """The arrays of many draws of a scheme, stacked, by parameter; those whose names start with
    `prefix`."""
    drawn = [weights(spec, scheme, seed) for seed in range(400)]
    names = [name for name in drawn[0] if name.startswith(prefix)]
    return {name[len(prefix) :]: np.stack([w[name] for w in drawn]) for name in names}


def differing(first: Mapping[str, Array], second: Mapping[str, Array], gates: int) -> set[str]:
    """The arrays whose distributions differ, gate by gate: `w0` is the first gate of `w`."""
    return {
        f"{parameter}{gate}"
        for parameter in first
        for gate, (a, b) in enumerate(zip(*by_gate(parameter, gates, first, second), strict=True))
        if not alike(a.ravel(), b.ravel())
    }


def by_gate(parameter: str, gates: int, *drawn: Mapping[str, Array]) -> list[list[Array]]:
    return [
        np.split(arrays[parameter], 1 if parameter == "b_hn" else gates, axis=1) for arrays in drawn
    ]


def alike(a: Array, b: Array) -> bool:
    """Constants are equal; else the two-sample Kolmogorov–Smirnov test rejects at 1e-4."""
    if not a.std() or not b.std():
        return bool(a.std() == b.std() and a[0] == b[0])
    return bool(ks_2samp(a, b, method="asymp").pvalue > 1e-4)


@pytest.fixture
def available(chosen: list[str]) -> Callable[[str], None]:
    """Imports a framework as its adapter does, so that the settings of the process are right."""

    def check(framework: str) -> None:
        if (backend := BACKEND[framework]) not in chosen:
            pytest.skip(f"{backend} is not among the selected --backends")
        backends.load(backend).devices()

    return check


@pytest.mark.parametrize(
    ("framework", "cell"), [(f, c) for f in LAYERS for c in CELLS if not scheme_limit(f, c)]
)
def test_layer_is_drawn_like_the_framework_s(
    framework: str, cell: str, available: Callable[[str], None]
) -> None:
    available(framework)
    drawn = scheme_draws(framework, model(cell), LAYER)
    real = framework_draws(framework, cell, INPUTS, HIDDEN)
    assert not differing(real, drawn, len(CELLS[cell].gates))
    assert all(not drawn[name].any() for name in set(drawn) - set(real))
    if cell != "feedforward":
        shape = orthonormal_blocks(real["u"][0], cell)
        assert orthonormal_blocks(drawn["u"][0], cell) == shape


@pytest.mark.parametrize("framework", LAYERS)
def test_readout_is_drawn_like_the_framework_s(
    framework: str, available: Callable[[str], None]
) -> None:
    available(framework)
    real = framework_draws(framework, "feedforward", HIDDEN, OUTPUTS)
    assert not differing(real, scheme_draws(framework, model("gru"), "readout."), 1)


@pytest.mark.parametrize(
    ("framework", "cell", "scheme", "wrong"),
    [
        ("keras", "lstm", "flax", {"w0", "u0", "b1"}),
        ("keras", "gru", "orthogonal", {"w0", "u0"}),
        ("flax", "lstm", "keras", {"w0", "u0", "b1"}),
        ("torch", "lstm", "uniform", {"b0", "b1", "b2", "b3"}),
        ("torch", "gru", "uniform", {"b0", "b1"}),
        ("torch", "feedforward", "uniform", {"w0", "b0"}),
        ("equinox", "lstm", "torch", {"b0", "b1", "b2", "b3"}),
    ],
)
def test_another_scheme_differs_from_the_framework_s_draw(
    framework: str, cell: str, scheme: str, wrong: set[str], available: Callable[[str], None]
) -> None:
    available(framework)
    real = framework_draws(framework, cell, INPUTS, HIDDEN)
    assert wrong <= differing(
        real, scheme_draws(scheme, model(cell), LAYER), len(CELLS[cell].gates)
    )
    assert not wrong & differing(
        real, scheme_draws(framework, model(cell), LAYER), len(CELLS[cell].gates)
    )


def test_optimized_lstm_of_flax_draws_one_recurrent_matrix_like_keras(
    available: Callable[[str], None],
) -> None:
    available("flax")
    from flax import nnx

    lstm = nnx.OptimizedLSTMCell(INPUTS, HIDDEN, rngs=nnx.Rngs(0))
    u = np.asarray(lstm.dense_h.kernel[...]).T
    keras = scheme_draws("keras", model("lstm"), LAYER)["u"][0]
    assert orthonormal_blocks(u, "lstm") == orthonormal_blocks(keras, "lstm")
    assert orthonormal_blocks(u, "lstm") != orthonormal_blocks(
        scheme_draws("flax", model("lstm"), LAYER)["u"][0], "lstm"
    )


def test_uniform_differs_from_torch_only_in_the_sum_of_two_biases() -> None:
    differences = differing(
        *(scheme_draws(s, model("gru"), LAYER) for s in ("uniform", "torch")), 3
    )
    assert differences == {"b0", "b1"}


@pytest.mark.parametrize("scheme", [s for s in SCHEMES if not scheme_limit(s, "gru")])
def test_decoder_is_drawn_like_an_encoder_with_the_same_inputs(scheme: str) -> None:
    spec = model("gru", readout="every", decoder=3)
    decoder = scheme_draws(scheme, spec, f"decoder.{LAYER}")
    encoder = scheme_draws(scheme, spec.decoding, LAYER)
    assert not differing(encoder, decoder, 3)


def test_checks_of_other_repositories_find_the_name_initial():
    spec = ModelSpec(cell="gru", inputs=2, hidden=3, outputs=1)
    weights = weights_module.initial(spec, np.random.default_rng(0))
    assert weights.keys() == weight_shapes(spec).keys()
