"""Training gives the same curves in every backend; the probes that follow it report them."""

import math
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import COMPILED, bench_for, skip_unless_thorough

import backends
from backends._numpy.session import NumpySession
from bench.gate.parity import parity
from bench.probes.gradients import gradients, half_life, through_time
from bench.probes.learning import learning, thinned
from bench.probes.lengths import lengths
from bench.probes.training import WRITTEN, norm, train
from bench.spec import ModelSpec, Params, Training
from studies import faulty_backends

STEPS = 100


def curve(backend: Any, cell: str) -> list[float]:
    """The loss of each of 100 steps in float64."""
    size = {"length": 12, "hidden": 6, "steps": STEPS, "held_out": 16}
    return train(bench_for(backend, "learning", cell=cell, **size)).losses


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_loss_curves_agree_over_a_hundred_steps(
    backend: str, cell: str, request: pytest.FixtureRequest
) -> None:
    if backend in COMPILED and cell != "gru":
        skip_unless_thorough(request)
    losses = curve(backend, cell)
    assert len(losses) == STEPS
    np.testing.assert_allclose(losses, curve("numpy", cell), rtol=1e-6, atol=0)


def test_loss_curve_of_another_optimiser_formula_does_not_agree() -> None:
    losses = curve(faulty_backends.with_training(epsilon=1e-4), "gru")
    assert not np.allclose(losses, curve("numpy", "gru"), rtol=1e-6, atol=0)


def test_same_seed_gives_the_same_losses_and_another_seed_does_not() -> None:
    first, again, other = (
        train(bench_for("numpy", "learning", seed=seed, steps=10)).losses for seed in (0, 0, 1)
    )
    assert first == again != other


class Restartable(NumpySession):
    """A session of the reference that can be restarted."""

    def restart(self, params: Params) -> None:
        NumpySession.__init__(self, self.spec, params, self.training)

    def __init__(self, spec: ModelSpec, params: Params, training: Training) -> None:
        super().__init__(spec, params, training)
        self.training = training


@pytest.mark.parametrize(("session", "opened"), [(Restartable, 1), (NumpySession, 3)])
def test_gate_and_all_seeds_share_a_session_that_can_be_restarted(
    session: type[NumpySession], opened: int
) -> None:
    counts: Counter[ModelSpec] = Counter()

    def open_session(spec: ModelSpec, params: Params, device: str, training: Training) -> Any:
        counts[spec] += 1
        return session(spec, params, training)

    adapter = SimpleNamespace(REQUIRES=(), open_session=open_session)
    size: dict[str, Any] = {"dtype": "float32", "steps": 3, "held_out": 8}
    shared: dict[str, Any] = {}
    proof = replace(bench_for(adapter, "parity", **size), cache=shared)
    assert parity(proof).failure is None
    for seed in (0, 1):
        context = bench_for(adapter, "learning", seed=seed, **size)
        losses = train(replace(context, cache=shared)).losses
        assert losses == train(bench_for("numpy", "learning", seed=seed, **size)).losses
    assert counts[proof.case.model] == opened


def test_learning_reports_when_an_easy_task_is_solved() -> None:
    context = bench_for(
        "numpy", "learning", cell="gru", length=4, hidden=16, batch=32, steps=400,
        learning_rate=1e-2,
    )  # fmt: skip
    outcome = learning(context, train(context))
    assert outcome.metrics["solved"] == 1
    assert outcome.metrics["score"] < outcome.metrics["threshold"] < outcome.metrics["chance"]
    step = outcome.metrics["steps_to_solve"]
    solved_at = outcome.samples["checkpoint_step"].index(step)
    assert outcome.samples["mse"][solved_at] < 0.01 <= min(outcome.samples["mse"][:solved_at])
    assert outcome.metrics["sequences_to_solve"] == step * 32


def test_model_without_memory_does_not_solve_the_task() -> None:
    context = bench_for("numpy", "learning", cell="feedforward", length=4, steps=200)
    outcome = learning(context, train(context))
    assert outcome.metrics["solved"] == 0
    assert outcome.metrics["steps_to_solve"] is None


def test_diverging_run_stops_and_has_no_score() -> None:
    calls = iter(range(10**9))
    blown = faulty_backends.with_results(step=lambda loss: math.nan if next(calls) >= 12 else loss)
    trained = train(bench_for(blown, "learning", steps=100, held_out=16))
    assert trained.diverged_at == 12
    assert len(trained.losses) < 100
    outcome = learning(bench_for(blown, "learning", steps=100, held_out=16), trained)
    assert math.isnan(outcome.metrics["score"])


def test_nan_gradients_are_counted() -> None:
    def spoil(result: Any) -> Any:
        return result[0], {**result[1], "readout.b": np.array([np.nan])}

    context = bench_for(
        faulty_backends.with_results(gradients=spoil), "gradients", steps=3, held_out=8
    )
    metrics = gradients(context, train(context)).metrics
    assert metrics["gradient_nan"] == 4
    assert metrics["gradient_inf"] == 0


def test_norms_before_and_after_clipping_are_recorded() -> None:
    context = bench_for("numpy", "gradients", steps=5, held_out=8, clip_norm=0.05)
    outcome = gradients(context, train(context))
    raw, clipped = outcome.samples["gradient_norm"], outcome.samples["gradient_norm_clipped"]
    assert max(raw) > 0.05 >= max(clipped)
    assert outcome.metrics["clipped_share"] == np.mean(np.array(raw) > 0.05)
    norms = [v for k, v in outcome.samples.items() if k.startswith("gradient_norm.")]
    np.testing.assert_allclose(np.sqrt((np.array(norms) ** 2).sum(axis=0)), raw)


@pytest.mark.parametrize("halving", [2.0, 7.5, -3.0])
def test_half_life_of_an_exponential_is_its_halving_time(halving: float) -> None:
    t = np.arange(40)
    assert half_life(1e-3 * 2 ** (t / halving)) == pytest.approx(halving)


def test_half_life_of_a_constant_norm_is_infinite_and_of_too_few_steps_none() -> None:
    assert half_life(np.array([0.0, 0.0, 1.0])) is None
    assert half_life(np.full(5, 3.0)) == math.inf


def test_gradients_through_time_do_not_underflow_in_float32(backend: str) -> None:
    context = bench_for(backend, "gradients", cell="rnn", dtype="float32", length=80, hidden=4)
    small = {k: v * 0.2 for k, v in context.weights(context.case.model).items()}
    through = through_time(context, small)
    assert 0 < through[0] < 1e-39
    assert through[-1] > 1e-6


def test_norm_counts_all_elements_in_float64() -> None:
    assert norm(np.array([3e30], np.float32), np.array([4e30], np.float32)) == pytest.approx(5e30)


def on_text(backend: Any = "numpy", **options: Any) -> Any:
    size = {"length": 10, "batch": 8, "hidden": 8, "steps": 10, "held_out": 20}
    return bench_for(backend, "learning", task="char-lm", **{**size, **options})


def test_text_that_a_trained_model_writes_is_recorded() -> None:
    context = on_text()
    outcome = learning(context, train(context))
    written = "".join(chr(int(code)) for code in outcome.samples["written"])
    assert len(written) == WRITTEN
    assert set(written) <= set(context.task.alphabet)
    again = train(on_text())
    assert written == again.written
    prompt = [float(ord(context.task.alphabet[code])) for code in context.task.prompt[0]]
    assert outcome.samples["prompt"] == prompt == [float(ord(c)) for c in again.prompt]


def test_diverged_model_of_text_writes_nothing_and_does_not_fail() -> None:
    """The weights of a real session become NaN in its last update."""
    reference: Any = backends.load("numpy")

    def open_session(spec: Any, params: Any, *arguments: Any) -> Any:
        session = reference.open_session(spec, params, *arguments)
        nan = {name: value * np.nan for name, value in session.params().items()}
        diverged = reference.open_session(spec, nan, *arguments)
        names = ("put", "step", "wait", "predict", "gradients")
        methods = {name: getattr(session, name) for name in names}
        return SimpleNamespace(**methods, params=diverged.params, advance=diverged.advance)

    blown = SimpleNamespace(SUPPORTS=reference.SUPPORTS, REQUIRES=(), open_session=open_session)
    context = on_text(blown)
    trained = train(context)
    assert trained.written == ""
    assert math.isfinite(learning(context, trained).metrics["score"] or math.nan)


@pytest.mark.parametrize(
    ("count", "length", "first"), [(0, 0, None), (1, 1, 0), (1000, 1000, 0), (1001, 501, 0.5)]
)
def test_many_losses_are_recorded_as_means_of_blocks(
    count: int, length: int, first: float | None
) -> None:
    losses = thinned([float(k) for k in range(count)])
    assert len(losses) == length
    assert not losses or losses[0] == first
    assert count != 1001 or losses[-1] == 1000, "the last block is shorter"


@pytest.mark.parametrize("task", ["adding", "memory", "temporal-order"])
def test_longer_sequences_are_scored_with_the_trained_weights(task: str) -> None:
    context = bench_for("numpy", "lengths", task=task, cell="gru", steps=30, held_out=40)
    trained = train(context)
    metrics = lengths(context, trained).metrics
    assert metrics["score.x1"] == learning(context, trained).metrics["score"]
    for times in (1, 2, 4):
        longer: Any = context.task.longer(times)  # type: ignore[attr-defined]
        x, y = longer.evaluation(context.rng("evaluation"))
        assert x.shape[1] == longer.time == times * context.task.time
        session = backends.load("numpy").open_session(context.case.model, trained.params, "cpu")
        assert metrics[f"score.x{times}"] == pytest.approx(
            longer.scores(session.predict(x), y)[longer.metric]
        )
        assert metrics[f"chance.x{times}"] == longer.chance
    assert len({metrics[f"score.x{times}"] for times in (1, 2, 4)}) == 3


def test_model_that_learned_one_length_fails_at_four_times_the_length() -> None:
    context = bench_for(
        "numpy", "lengths", cell="gru", length=6, hidden=16, batch=32, steps=500, held_out=200,
        learning_rate=1e-2,
    )  # fmt: skip
    metrics = lengths(context, train(context)).metrics
    assert (metrics["score.x1"] or 1) < 0.01 < (metrics["score.x4"] or 0)
