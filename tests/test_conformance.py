"""Every adapter computes what the reference computes: outputs, states, loss and all gradients, of
every cell, stacked and not, in one direction and both, full and ragged, in every dtype it has.

`--backends NAME…` chooses the adapters (paths of files too), `--device` where they run, and
`--thorough` asks all of them everything. By default those that compile are asked a share.
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
from studies import faults

MODELS = ("rnn", "lstm", "gru", "gru-reset-before", "feedforward")
KINDS = [("last", "mse"), ("every", "cross_entropy"), ("last", "cross_entropy"), ("every", "mse")]
EVERYTHING = tuple(QUESTIONS)
WIDTHS = ("float32", "float64")
FEWEST = ("predictions", "ragged gradients")
DECODER_EXTRAS = ("training", "hidden gradients", "ragged from states", "pieces")

SHARES = {
    "jax": 2,
    "tensorflow": 2,
    "jax-autodiff": 1,
    "jax-cudnn": 4,
    "flax": 1,
    "equinox": 1,
    "tensorflow-xla": 1,
    "tensorflow-loop": 1,
    "keras-jax": 1,
    "torch-compile": 1,
}
"""How many of the eight combinations of layers, directions and dtype a backend that compiles is
asked for each cell: a compiled function takes from a third of a second to ten seconds. Those asked
for less than half share their sessions with one of these, or compile for longer."""


class Combination(NamedTuple):
    """A model of the matrix, and what is asked about it."""

    spec: ModelSpec
    ask: Sequence[str] = EVERYTHING

    @property
    def name(self) -> str:
        """As in the test's name."""
        s = self.spec
        variant = f"-{s.gru}" if s.cell == "gru" else ""
        direction = "bi" if s.bidirectional else "uni"
        decoder = f"-decoder{s.decoder}" if s.decoder else ""
        return f"{s.cell}{variant}{decoder}-{s.layers}-{direction}-{s.dtype}"


def model(name: str, turn: int, **more: Any) -> ModelSpec:
    """Readout and loss go round with the turn."""
    cell, _, variant = name.partition("-")
    readout, loss = KINDS[turn % len(KINDS)]
    sizes = {"inputs": 2, "hidden": 3, "outputs": 5, "readout": readout, "loss": loss}
    return ModelSpec(cell=cell, gru=variant.replace("-", "_") or "reset_after", **sizes | more)


def matrix(share: int | None) -> list[Combination]:
    """Cell × layers × directions × dtype: all of it, or the share of a backend that compiles,
    which differs from cell to cell."""
    chosen = []
    for cell, three, both, wide in product(range(len(MODELS)), (0, 1), (0, 1), (0, 1)):
        sizes = {"layers": 3 if three else 1, "bidirectional": bool(both), "dtype": WIDTHS[wide]}
        spec = model(MODELS[cell], cell + three + 2 * both + wide, **sizes)
        if share is None:
            chosen.append(Combination(spec))
        elif (three, both, wide) in few_settings(cell, share):
            chosen.append(Combination(spec, few(three, both) if share > 1 else FEWEST))
    return chosen


def few_settings(cell: int, share: int) -> list[tuple[int, int, int]]:
    """Three layers, both directions, float64: half of all in which each pair of values occurs, a
    quarter in which each value does, or one."""
    half = [(a, b, (a + b + cell) % 2) for a, b in product((0, 1), (0, 1))]
    three, both, wide = half[cell % 4]
    return {4: half, 2: [(three, both, wide), (1 - three, 1 - both, 1 - wide)]}.get(
        share, [half[cell % 4]]
    )


def few(three: int, both: int) -> tuple[str, ...]:
    """Questions such that the four models of a cell are together asked all of them."""
    base = FEWEST, ("gradients", "ragged from states")
    more = {
        (0, 0): ("training", "ragged"),
        (1, 0): ("pieces", "advance from states", "ragged training"),
        (0, 1): ("from states", "pieces"),
        (1, 1): ("hidden gradients", "pieces"),
    }
    return ("weights", *base[(three + both) % 2], *more[three, both])


def decoders(share: int | None) -> list[Combination]:
    """Cell × layers × dtype, the losses by turns."""
    chosen = []
    for cell, three, wide in product(range(len(MODELS) - 1), (0, 1), (0, 1)):
        sizes = {"layers": 3 if three else 1, "dtype": WIDTHS[wide], "decoder": 3}
        spec = model(MODELS[cell], 3, loss=LOSSES[(three + wide) % 2], **sizes)
        mine, extra = cell % 2, DECODER_EXTRAS[cell]
        if share is None:
            chosen.append(Combination(spec))
        elif share == 4 and wide == three ^ mine:
            base = FEWEST if three else ("gradients", extra)
            chosen.append(Combination(spec, base))
        elif wide == mine and three == cell // 2 and (share == 2 or cell == 1):
            chosen.append(Combination(spec, FEWEST))
    return chosen


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    config, rows = metafunc.config, {"combination": matrix, "decoder": decoders}
    wanted = next((name for name in rows if name in metafunc.fixturenames), None)
    if wanted:
        pairs = [(a, c) for a in adapters(config) for c in rows[wanted](share(a, config))]
        metafunc.parametrize(("adapter", wanted), pairs, ids=[f"{a}-{c.name}" for a, c in pairs])
    elif "adapter" in metafunc.fixturenames:
        metafunc.parametrize("adapter", adapters(config))


def share(adapter: str, config: pytest.Config) -> int | None:
    """None stands for everything."""
    return None if config.getoption("--thorough") else SHARES.get(adapter)


Checked = Callable[..., Verdict]


@pytest.fixture
def checked(
    adapter: str, request: pytest.FixtureRequest, record_property: Callable[[str, str], None]
) -> Checked:
    """Checks the adapter under test. What it declares impossible is skipped, but only after it
    was found to be refused."""
    device = request.config.getoption("--device")

    def check(p: Problem, ask: Sequence[str] = EVERYTHING) -> Verdict:
        verdict = assert_conforms(backends.load(adapter), p, ask=ask, device=device)
        for limit in verdict.limits:
            record_property(LIMIT, f"{adapter}: {limit}")
        if not verdict.differences:
            pytest.skip(f"{adapter}: {'; '.join(verdict.limits)}")
        return verdict

    return check


def test_an_adapter_computes_what_the_reference_computes(
    combination: Combination, checked: Checked
) -> None:
    checked(problem(combination.spec), combination.ask)


def test_a_decoder_is_taught_and_writes_as_the_reference_s_does(
    decoder: Combination, checked: Checked
) -> None:
    checked(problem(decoder.spec), decoder.ask)


@pytest.mark.parametrize("name", MODELS)
def test_bfloat16_is_as_near_as_bfloat16_can_be(
    name: str, checked: Checked, adapter: str, request: pytest.FixtureRequest
) -> None:
    turn = MODELS.index(name)
    spec = model(name, turn, bidirectional=bool(turn % 2), dtype="bfloat16")
    asked = {None: EVERYTHING, 1: ("predictions",)}
    checked(problem(spec), asked.get(share(adapter, request.config), FEWEST))


@pytest.mark.parametrize("name", MODELS)
def test_one_step_of_one_sequence_with_one_unit(
    name: str, checked: Checked, adapter: str, request: pytest.FixtureRequest
) -> None:
    turn, asked = MODELS.index(name), share(adapter, request.config)
    if asked == 1:
        pytest.skip(f"{adapter} compiles for long: asked with --thorough")
    sizes = {"inputs": 1, "hidden": 1, "outputs": 1, "layers": 2, "bidirectional": turn % 2 == 1}
    ask = EVERYTHING if asked is None else ("ragged from states", "gradients")
    checked(problem(model(name, turn, dtype="float64", **sizes), batch=1, time=1), ask)


PLAIN = replace(
    problem(model("lstm", 0)), training=replace(TRAINING, optimiser="sgd", learning_rate=0.5)
)


def test_plain_gradient_descent(checked: Checked) -> None:
    checked(PLAIN, ("training",))


def test_adam_is_no_plain_gradient_descent() -> None:
    adam = faults.with_training(optimiser="adam")
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
    """Any model at any small size, a third of them with a decoder."""
    spec = draw(specs)
    if spec.cell != "feedforward" and draw(st.integers(0, 2)) == 0:
        steps = draw(st.integers(1, 4))
        spec = replace(spec, bidirectional=False, readout="every", decoder=steps)
    batch, time = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    p = problem(spec, batch, time, draw(st.integers(0, 2**16)))
    clip, optimiser = draw(st.sampled_from([None, 0.1, 10.0])), draw(st.sampled_from(OPTIMISERS))
    return replace(p, training=replace(TRAINING, clip_norm=clip, optimiser=optimiser))


def test_any_model_of_any_size(adapter: str, request: pytest.FixtureRequest) -> None:
    """Drawn at random, and always the same."""
    asked, config = share(adapter, request.config), request.config
    if asked == 1:
        pytest.skip(f"{adapter} compiles for long: asked with --thorough")
    ask = EVERYTHING if asked is None else ("ragged from states", "gradients")

    @settings(max_examples=20 if asked is None else 3, deadline=None, derandomize=True)
    @given(problems())
    def agree(p: Problem) -> None:
        assert_conforms(backends.load(adapter), p, ask=ask, device=config.getoption("--device"))

    agree()


@pytest.mark.parametrize("loss", LOSSES)
def test_of_equal_outputs_a_decoder_writes_the_first(
    loss: str, checked: Checked, adapter: str, request: pytest.FixtureRequest
) -> None:
    """All rows of the readout are the same and read one unit: the outputs are equal to the bit."""
    if share(adapter, request.config) == 1:
        pytest.skip(f"{adapter} compiles for long: asked with --thorough")
    spec = model("lstm", 3, loss=loss, decoder=4, dtype="float64")
    p = problem(spec)
    one_unit = np.zeros_like(p.weights["readout.w"])
    one_unit[:, 0] = 2.0
    same = {"readout.w": one_unit, "readout.b": np.zeros_like(p.weights["readout.b"])}
    checked(replace(p, weights={**p.weights, **same}), ("predictions",))


def test_a_device_that_is_not_there_is_refused(adapter: str) -> None:
    spec = ModelSpec(cell="lstm", inputs=1, hidden=2, outputs=1)
    weights = initial_weights(spec, np.random.default_rng(0))
    with pytest.raises(Unsupported):
        backends.load(adapter).open_session(spec, weights, "tpu")


def test_every_limit_is_given_a_reason(
    adapter: str, record_property: Callable[[str, str], None]
) -> None:
    """A cell, a dtype, a gru variant that is left out: `limits` says why, and whose limit it is."""
    supports = backends.load(adapter).SUPPORTS
    known = {*supports.cells, *supports.dtypes, *supports.gru}
    left_out = {*CELLS, *DTYPES, *GRU_VARIANTS} - known
    assert left_out == set(supports.limits)
    for value in sorted(left_out):
        record_property(LIMIT, f"{adapter}: no {value}: {supports.limits[value]}")


def test_no_backend_is_left_out() -> None:
    known = set(backends.names())
    assert set(ELSEWHERE) <= known, "the suite excuses what is not there"
    assert set(SHARES) <= known
