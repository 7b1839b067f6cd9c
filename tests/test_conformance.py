"""Every adapter computes what the reference computes: outputs, states, loss and all gradients, for
every cell, stacked or not, in one direction and both, for full and ragged batches, in every dtype.

`--backends NAME…` chooses the adapters (paths of files too), `--device` their device, and
`--thorough` asks all of them every question. By default, backends that compile get a share.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
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
FEWEST = ("predictions", "NaN", "ragged gradients", "no targets")
AFTER = ("advance after training",)
DECODER_EXTRAS = ("training", "hidden gradients", "ragged from states", "pieces")

SHARES = {
    "jax": 1,
    "tensorflow": 1,
    "jax-autodiff": 1,
    "jax-cudnn": 4,
    "flax": 1,
    "equinox": 1,
    "tensorflow-xla": 1,
    "tensorflow-loop": 1,
    "keras-jax": 1,
    "torch-compile": 1,
}
"""How many of the eight combinations of layers, directions and dtype a backend that compiles gets
for each cell: to compile a function takes from a third of a second to ten seconds. Backends with
fewer than four share their session with another of these, or take longer to compile."""


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


def matrix(share: int | None) -> list[Combination]:
    """Cell × layers × directions × dtype: all combinations, or the share of a backend that
    compiles, which differs from cell to cell."""
    chosen = []
    for cell, three, both, wide in product(range(len(MODELS)), (0, 1), (0, 1), (0, 1)):
        sizes = {
            "layers": 3 if three else 1,
            "bidirectional": bool(both),
            "dtype": COMMON_DTYPES[wide],
        }
        spec = model(MODELS[cell], cell + three + 2 * both + wide, **sizes)
        if share is None:
            chosen.append(Combination(spec))
        elif (three, both, wide) in shared_settings(cell, share):
            chosen.append(Combination(spec, shared_questions(three, both) if share > 1 else FEWEST))
    return chosen


def shared_settings(cell: int, share: int) -> list[tuple[int, int, int]]:
    """Whether there are three layers, both directions and float64: four of the eight settings, in
    which every pair of values occurs; two, in which every value does; or one."""
    half = [(a, b, (a + b + cell) % 2) for a, b in product((0, 1), (0, 1))]
    three, both, wide = half[cell % 4]
    return {4: half, 2: [(three, both, wide), (1 - three, 1 - both, 1 - wide)]}.get(
        share, [half[cell % 4]]
    )


def shared_questions(three: int, both: int) -> tuple[str, ...]:
    """The questions about one of a cell's four models, which together get all questions."""
    base = FEWEST, ("gradients", "ragged from states")
    special = {
        (0, 0): ("training", "ragged"),
        (1, 0): ("pieces", "advance from states", "ragged training", *AFTER),
        (0, 1): ("from states", "pieces"),
        (1, 1): ("hidden gradients", "pieces"),
    }
    return ("weights", *base[(three + both) % 2], *special[three, both])


def decoders(share: int | None) -> list[Combination]:
    """Models with a decoder: cell × layers × dtype, with alternating losses."""
    chosen = []
    for cell, three, wide in product(range(len(MODELS) - 1), (0, 1), (0, 1)):
        sizes = {"layers": 3 if three else 1, "dtype": COMMON_DTYPES[wide], "decoder": 3}
        spec = model(MODELS[cell], 3, loss=LOSSES[(three + wide) % 2], **sizes)
        odd, extra = cell % 2, DECODER_EXTRAS[cell]
        if share is None:
            chosen.append(Combination(spec))
        elif share == 4 and wide == three ^ odd:
            base = FEWEST if three else ("gradients", extra)
            chosen.append(Combination(spec, base))
        elif wide == odd and three == cell // 2 and (share == 2 or cell == 1):
            chosen.append(Combination(spec, FEWEST))
    return chosen


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    config, matrices = metafunc.config, {"combination": matrix, "decoder": decoders}
    name = next((name for name in matrices if name in metafunc.fixturenames), None)
    if name:
        pairs = [(a, c) for a in adapters(config) for c in matrices[name](share(a, config))]
        metafunc.parametrize(("adapter", name), pairs, ids=[f"{a}-{c.name}" for a, c in pairs])
    elif "adapter" in metafunc.fixturenames:
        metafunc.parametrize("adapter", adapters(config))


def share(adapter: str, config: pytest.Config) -> int | None:
    """The adapter's entry in `SHARES`; None if it gets everything."""
    return None if config.getoption("--thorough") else SHARES.get(adapter)


Checked = Callable[..., Verdict]


@pytest.fixture
def checked(
    adapter: str, request: pytest.FixtureRequest, record_property: Callable[[str, str], None]
) -> Checked:
    """A function that checks the adapter under test. What the adapter declares impossible is
    skipped, but only after it was refused."""
    device = request.config.getoption("--device")

    def check(p: Problem, ask: Sequence[str] = EVERYTHING) -> Verdict:
        verdict = assert_conforms(backends.load(adapter), p, ask=ask, device=device)
        for limit in verdict.limits:
            record_property(LIMIT, f"{adapter}: {limit}")
        if not verdict.differences:
            pytest.skip(f"{adapter}: {'; '.join(verdict.limits)}")
        return verdict

    return check


def test_adapter_computes_what_the_reference_computes(
    combination: Combination, checked: Checked
) -> None:
    checked(problem(combination.spec), combination.ask)


def test_decoder_trains_and_predicts_as_the_reference_does(
    decoder: Combination, checked: Checked
) -> None:
    checked(problem(decoder.spec), decoder.ask)


@pytest.mark.parametrize("name", MODELS)
def test_bfloat16_is_within_the_tolerance_of_bfloat16(
    name: str, checked: Checked, adapter: str, request: pytest.FixtureRequest
) -> None:
    turn, models = MODELS.index(name), share(adapter, request.config)
    if models == 1 and name not in ("lstm", "gru"):
        pytest.skip(f"{adapter} takes long to compile: run with --thorough")
    spec = model(name, turn, bidirectional=bool(turn % 2), dtype="bfloat16")
    questions = {None: EVERYTHING, 1: ("predictions",)}
    checked(problem(spec), questions.get(models, FEWEST))


@pytest.mark.parametrize("name", MODELS)
def test_one_step_of_one_sequence_with_one_unit_equals_the_reference(
    name: str, checked: Checked, adapter: str, request: pytest.FixtureRequest
) -> None:
    turn, models = MODELS.index(name), share(adapter, request.config)
    if models == 1:
        pytest.skip(f"{adapter} takes long to compile: run with --thorough")
    sizes = {"inputs": 1, "hidden": 1, "outputs": 1, "layers": 2, "bidirectional": turn % 2 == 1}
    ask = EVERYTHING if models is None else ("ragged from states", "gradients")
    checked(problem(model(name, turn, dtype="float64", **sizes), batch=1, time=1), ask)


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


def test_random_models_of_any_size_equal_the_reference(
    adapter: str, request: pytest.FixtureRequest
) -> None:
    """They are drawn at random, and are the same in every run."""
    models, config = share(adapter, request.config), request.config
    if models == 1:
        pytest.skip(f"{adapter} takes long to compile: run with --thorough")
    ask = EVERYTHING if models is None else ("ragged from states", "gradients")

    @settings(max_examples=20 if models is None else 3, deadline=None, derandomize=True)
    @given(problems())
    def agree(p: Problem) -> None:
        assert_conforms(backends.load(adapter), p, ask=ask, device=config.getoption("--device"))

    agree()


@pytest.mark.parametrize("loss", LOSSES)
def test_decoder_takes_the_first_of_equal_outputs(
    loss: str, checked: Checked, adapter: str, request: pytest.FixtureRequest
) -> None:
    """All rows of the readout are the same and read one unit, so the outputs are equal bit for
    bit."""
    if share(adapter, request.config) == 1:
        pytest.skip(f"{adapter} takes long to compile: run with --thorough")
    spec = model("lstm", 3, loss=loss, decoder=4, dtype="float64")
    p = problem(spec)
    one_unit = np.zeros_like(p.weights["readout.w"])
    one_unit[:, 0] = 2.0
    readout = {"readout.w": one_unit, "readout.b": np.zeros_like(p.weights["readout.b"])}
    checked(replace(p, weights={**p.weights, **readout}), ("predictions",))


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
    assert set(SHARES) <= names
