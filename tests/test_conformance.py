"""Every adapter computes what the reference computes: outputs, states, loss and all gradients, for
every cell, stacked or not, in one direction and both, for full and ragged batches, in every dtype.

`--backends NAME…` chooses the adapters (paths of files too), `--device` their device, and
`--thorough` asks all of them every question. By default, backends that are
slow to compile are asked fewer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from itertools import product
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from conformance import QUESTIONS, TRAINING, Problem, Verdict, assert_conforms, check, problem
from conftest import ELSEWHERE, LIMIT, adapters
from hypothesis import given, settings
from hypothesis import strategies as st

import backends
from bench.spec import (
    CELLS,
    DTYPES,
    GRU_VARIANTS,
    LOSSES,
    OPTIMISERS,
    READOUTS,
    ModelSpec,
    Unsupported,
)
from bench.weights import initial_weights
from studies import faulty_backends

MODELS = ("rnn", "lstm", "gru", "gru-reset-before", "feedforward")
READOUTS_AND_LOSSES = [
    ("last", "mse"),
    ("every", "cross_entropy"),
    ("last", "cross_entropy"),
    ("every", "mse"),
]
EVERYTHING = tuple(QUESTIONS)
COMMON_DTYPES = ("float32", "float64")

FEW = {
    "rnn": ({}, ("predictions", "NaN", "ragged gradients", "no targets")),
    "lstm": ({"bidirectional": True}, ("ragged from states", "gradients", "hidden gradients")),
    "gru": (
        {"layers": 2, "dtype": "float64"},
        ("output", "pieces", "training", "advance after training"),
    ),
    "gru-reset-before": (
        {"layers": 2, "bidirectional": True, "dtype": "float64"},
        ("output", "ragged gradients"),
    ),
    "feedforward": ({"layers": 2}, ("output", "ragged training")),
}
"""What a backend that takes long to compile is asked about each cell. Every question costs it one
function or two; over all cells, every value of each setting and nearly every question occurs, and
of each cell both the forward and the backward pass."""
FEW_DECODERS = {
    "lstm": ({"loss": "cross_entropy", "dtype": "float64"}, ("output", "ragged gradients")),
    "gru": ({"loss": "mse"}, ("output",)),
}
"""The same about models with a decoder."""
FEW_IN_BFLOAT16 = {"lstm": ("gradients",), "gru": ("output",)}
"""The same about models in bfloat16."""
SLOW = (
    *("jax", "jax-autodiff", "jax-split", "flax", "equinox", "keras-jax"),
    *("tensorflow", "tensorflow-xla", "tensorflow-loop", "torch-compile", "litert"),
)
"""The backends that take long to compile: from a third of a second to ten seconds a function."""
SLOWEST = ("torch-compile",)
"""Those that compile each layer and each step anew: they are asked about recurrent models of one
layer and about two steps. A decoder and bfloat16, which take them minutes, they compile for
--thorough only."""


class Combination(NamedTuple):
    """A model of the matrix, and the questions about it."""

    spec: ModelSpec
    ask: Sequence[str] = EVERYTHING

    @property
    def name(self) -> str:
        """The model in the name of the test."""
        s = self.spec
        variant = f"-{s.gru}" if s.cell == "gru" else ""
        direction = "bi" if s.bidirectional else "uni"
        decoder = f"-decoder{s.decoder}" if s.decoder else ""
        return f"{s.cell}{variant}{decoder}-{s.layers}-{direction}-{s.dtype}"


def model(name: str, turn: int, **options: Any) -> ModelSpec:
    """A small model of this cell; `turn` chooses its readout and loss."""
    cell, _, variant = name.partition("-")
    readout, loss = READOUTS_AND_LOSSES[turn % len(READOUTS_AND_LOSSES)]
    sizes = {"inputs": 2, "hidden": 3, "outputs": 5, "readout": readout, "loss": loss}
    return ModelSpec(cell=cell, gru=variant.replace("-", "_") or "reset_after", **sizes | options)


def matrix(few: bool = False) -> list[Combination]:
    """Cell × layers × directions × dtype; with `few`, one model for each cell."""
    if few:
        return [
            Combination(model(name, turn, **fields), questions)
            for turn, (name, (fields, questions)) in enumerate(FEW.items(), start=1)
        ]
    chosen = []
    for cell, three, both, wide in product(range(len(MODELS)), (0, 1), (0, 1), (0, 1)):
        sizes = {
            "layers": 3 if three else 1,
            "bidirectional": bool(both),
            "dtype": COMMON_DTYPES[wide],
        }
        chosen.append(Combination(model(MODELS[cell], cell + three + 2 * both + wide, **sizes)))
    return chosen


def decoders(few: bool = False) -> list[Combination]:
    """Models with a decoder: cell × layers × dtype, with alternating losses; with `few`, two."""
    if few:
        return [
            Combination(model(name, 3, decoder=3, **fields), questions)
            for name, (fields, questions) in FEW_DECODERS.items()
        ]
    chosen = []
    for cell, three, wide in product(MODELS[:-1], (0, 1), (0, 1)):
        sizes = {"layers": 3 if three else 1, "dtype": COMMON_DTYPES[wide], "decoder": 3}
        chosen.append(Combination(model(cell, 3, loss=LOSSES[(three + wide) % 2], **sizes)))
    return chosen


def in_bfloat16(few: bool = False) -> list[Combination]:
    """A model for each cell; with `few`, two."""
    chosen = []
    for turn, name in enumerate(MODELS):
        spec = model(name, turn, bidirectional=bool(turn % 2), dtype="bfloat16")
        if not few:
            chosen.append(Combination(spec))
        elif name in FEW_IN_BFLOAT16:
            chosen.append(Combination(spec, FEW_IN_BFLOAT16[name]))
    return chosen


def of_one_layer(combination: Combination) -> Combination:
    """The same with one layer, if the cell is recurrent."""
    if not CELLS[combination.spec.cell].recurrent:
        return combination
    return combination._replace(spec=replace(combination.spec, layers=1))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    config, names = metafunc.config, metafunc.fixturenames
    matrices = {"combination": matrix, "decoder": decoders, "rounded": in_bfloat16}
    if name := next((name for name in matrices if name in names), None):
        left_out = SLOWEST if name != "combination" else ()
        pairs = [
            (a, combination)
            for a in adapters(config)
            if not (a in left_out and is_slow(a, config))
            for combination in asked(a, matrices[name], config)
        ]
        metafunc.parametrize(("adapter", name), pairs, ids=[f"{a}-{c.name}" for a, c in pairs])
    elif "quick_adapter" in names:
        quick = [name for name in adapters(config) if not is_slow(name, config)]
        metafunc.parametrize("quick_adapter", quick)
    elif "adapter" in names:
        metafunc.parametrize("adapter", adapters(config))


def asked(
    adapter: str, make_matrix: Callable[[bool], list[Combination]], config: pytest.Config
) -> list[Combination]:
    """The combinations of a matrix that the adapter is asked about."""
    few = is_slow(adapter, config)
    combinations = make_matrix(few)
    return list(map(of_one_layer, combinations)) if few and adapter in SLOWEST else combinations


def is_slow(adapter: str, config: pytest.Config) -> bool:
    """Whether the adapter is asked a few questions only."""
    return adapter in SLOW and not config.getoption("--thorough")


@pytest.fixture(scope="module", autouse=True)
def quickly_compiled(request: pytest.FixtureRequest) -> Iterator[None]:
    """Unless the suite is thorough, JAX compiles here without LLVM's optimiser, in half the time.
    `test_parity.py` and `test_jax.py` compile as users do."""
    if request.config.getoption("--thorough") or find_spec("jax") is None:
        yield
        return
    import jax

    from backends._jax import jit

    quick = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    precision = jax.default_matmul_precision
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jit, "jax", SimpleNamespace(jit=quick, default_matmul_precision=precision))
        jit.compiled.cache_clear()
        yield
        jit.compiled.cache_clear()


@pytest.fixture
def device(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--device"))


Checked = Callable[..., Verdict]


@pytest.fixture
def time(adapter: str, request: pytest.FixtureRequest) -> int:
    """The steps of a sequence: two where each unrolled step takes a second to compile."""
    return 2 if adapter in SLOWEST and is_slow(adapter, request.config) else 5


@pytest.fixture
def checked(adapter: str, device: str, record_property: Callable[[str, str], None]) -> Checked:
    """A function that checks the adapter under test. What the adapter declares impossible is
    skipped, but only after it was refused."""

    def check(p: Problem, ask: Sequence[str] = EVERYTHING) -> Verdict:
        verdict = assert_conforms(backends.load(adapter), p, ask=ask, device=device)
        for limit in verdict.limits:
            record_property(LIMIT, f"{adapter}: {limit}")
        if not verdict.differences:
            pytest.skip(f"{adapter}: {'; '.join(verdict.limits)}")
        return verdict

    return check


def test_adapter_computes_what_the_reference_computes(
    combination: Combination, checked: Checked, time: int
) -> None:
    checked(problem(combination.spec, time=time), combination.ask)


def test_decoder_trains_and_predicts_as_the_reference_does(
    decoder: Combination, checked: Checked
) -> None:
    checked(problem(decoder.spec), decoder.ask)


def test_bfloat16_is_within_the_tolerance_of_bfloat16(
    rounded: Combination, checked: Checked
) -> None:
    checked(problem(rounded.spec), rounded.ask)


@pytest.mark.parametrize("name", MODELS)
def test_one_step_of_one_sequence_with_one_unit_equals_the_reference(
    name: str, quick_adapter: str, device: str
) -> None:
    turn, sizes = MODELS.index(name), {"inputs": 1, "hidden": 1, "outputs": 1, "layers": 2}
    spec = model(name, turn, dtype="float64", bidirectional=turn % 2 == 1, **sizes)
    assert_conforms(backends.load(quick_adapter), problem(spec, batch=1, time=1), device=device)


PLAIN = replace(
    problem(model("lstm", 0)), training=replace(TRAINING, optimiser="sgd", learning_rate=0.5)
)


def test_plain_gradient_descent_equals_the_reference(checked: Checked) -> None:
    checked(PLAIN, ("training",))


def test_adam_in_place_of_plain_gradient_descent_is_rejected() -> None:
    adam = faulty_backends.with_training(optimiser="adam")
    assert not check(adam, PLAIN, ask=("training",)).conforms


specs = st.builds(
    ModelSpec,
    cell=st.sampled_from(list(CELLS)),
    inputs=st.integers(1, 4),
    hidden=st.integers(1, 5),
    outputs=st.integers(1, 4),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    readout=st.sampled_from(READOUTS),
    loss=st.sampled_from(LOSSES),
    dtype=st.just("float64"),
    gru=st.sampled_from(GRU_VARIANTS),
)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """A random model of a small size; a third of them have a decoder."""
    spec = draw(specs)
    if spec.cell != "feedforward" and draw(st.integers(0, 2)) == 0:
        steps = draw(st.integers(1, 4))
        spec = replace(spec, bidirectional=False, readout="every", decoder=steps)
    batch, time = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    p = problem(spec, batch, time, draw(st.integers(0, 2**16)))
    clip, optimiser = draw(st.sampled_from([None, 0.1, 10.0])), draw(st.sampled_from(OPTIMISERS))
    return replace(p, training=replace(TRAINING, clip_norm=clip, optimiser=optimiser))


def test_random_models_of_any_size_equal_the_reference(quick_adapter: str, device: str) -> None:
    """They are drawn at random, and are the same in every run."""

    @settings(max_examples=20, deadline=None, derandomize=True)
    @given(problems())
    def agree(p: Problem) -> None:
        assert_conforms(backends.load(quick_adapter), p, device=device)

    agree()


@pytest.mark.parametrize("loss", LOSSES)
def test_decoder_takes_the_first_of_equal_outputs(
    loss: str, quick_adapter: str, device: str
) -> None:
    """All rows of the readout are the same and read one unit, so the outputs are equal bit for
    bit."""
    p = problem(model("lstm", 3, loss=loss, decoder=4, dtype="float64"))
    one_unit = np.zeros_like(p.weights["readout.w"])
    one_unit[:, 0] = 2.0
    readout = {"readout.w": one_unit, "readout.b": np.zeros_like(p.weights["readout.b"])}
    equal_outputs = replace(p, weights={**p.weights, **readout})
    assert_conforms(
        backends.load(quick_adapter), equal_outputs, ask=("predictions",), device=device
    )


def test_unknown_device_is_refused(adapter: str) -> None:
    spec = ModelSpec(cell="lstm", inputs=1, hidden=2, outputs=1)
    weights = initial_weights(spec, np.random.default_rng(0))
    with pytest.raises(Unsupported):
        backends.load(adapter).open_session(spec, weights, "tpu")


def test_every_excluded_cell_dtype_and_variant_has_a_reason(
    adapter: str, record_property: Callable[[str, str], None]
) -> None:
    """`limits` says why each of them is excluded, and whose limit it is."""
    supports = backends.load(adapter).SUPPORTS
    supported = {*supports.cells, *supports.dtypes, *supports.gru}
    excluded = {*CELLS, *DTYPES, *GRU_VARIANTS} - supported
    assert excluded == set(supports.limits)
    for value in sorted(excluded):
        record_property(LIMIT, f"{adapter}: no {value}: {supports.limits[value]}")


def test_every_exception_of_the_suite_names_a_backend() -> None:
    names = set(backends.names())
    assert set(ELSEWHERE) <= names, "the suite excuses a backend that does not exist"
    assert {*SLOWEST} <= {*SLOW} <= names
