"""Training is the same everywhere, and the learning and gradient probes say what happened."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import bench_for

import backends
from bench.probes.gradients import gradients, half_life, through_time
from bench.probes.learning import learning, thinned
from bench.probes.lengths import lengths
from bench.probes.training import WRITTEN, norm, train
from studies import faults

STEPS = 100


@pytest.fixture(scope="module")
def curves(request: pytest.FixtureRequest) -> dict[tuple[str, str], list[float]]:
    """The loss of each of 100 steps in float64, by backend and cell."""
    chosen = request.config.getoption("--backends")
    return {
        (name, cell): train(
            bench_for(name, "learning", cell=cell, length=12, hidden=6, steps=STEPS, held_out=16)
        ).losses
        for name in dict.fromkeys(["numpy", *chosen])
        for cell in ("rnn", "lstm", "gru")
    }


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_loss_curves_agree_over_a_hundred_steps(
    backend: str, cell: str, curves: dict[tuple[str, str], list[float]]
) -> None:
    ours, reference = curves[backend, cell], curves["numpy", cell]
    assert len(ours) == STEPS
    np.testing.assert_allclose(ours, reference, rtol=1e-6, atol=0)


def test_loss_curves_of_another_optimiser_formula_do_not_agree(
    curves: dict[tuple[str, str], list[float]],
) -> None:
    wrong = faults.with_training(epsilon=1e-4)
    bench = bench_for(wrong, "learning", cell="gru", length=12, hidden=6, steps=STEPS, held_out=16)
    assert not np.allclose(train(bench).losses, curves["numpy", "gru"], rtol=1e-6, atol=0)


def test_the_same_seed_trains_the_same_and_another_does_not() -> None:
    first, again, other = (
        train(bench_for("numpy", "learning", seed=seed, steps=10)).losses for seed in (0, 0, 1)
    )
    assert first == again != other


def test_learning_solves_an_easy_task_and_says_when() -> None:
    bench = bench_for(
        "numpy", "learning", cell="gru", length=4, hidden=16, batch=32, steps=400,
        learning_rate=1e-2,
    )  # fmt: skip
    outcome = learning(bench, train(bench))
    assert outcome.metrics["solved"] == 1
    assert outcome.metrics["score"] < outcome.metrics["threshold"] < outcome.metrics["chance"]
    step = outcome.metrics["steps_to_solve"]
    at = outcome.samples["checkpoint_step"].index(step)
    assert outcome.samples["mse"][at] < 0.01 <= min(outcome.samples["mse"][:at])
    assert outcome.metrics["sequences_to_solve"] == step * 32


def test_a_model_without_memory_does_not_solve_it() -> None:
    bench = bench_for("numpy", "learning", cell="feedforward", length=4, steps=200)
    outcome = learning(bench, train(bench))
    assert outcome.metrics["solved"] == 0
    assert outcome.metrics["steps_to_solve"] is None


def test_a_diverging_run_stops_and_is_no_success() -> None:
    calls = iter(range(10**9))
    blown = faults.with_results(step=lambda loss: math.nan if next(calls) >= 12 else loss)
    trained = train(bench_for(blown, "learning", steps=100, held_out=16))
    assert trained.diverged_at == 12
    assert len(trained.losses) < 100
    outcome = learning(bench_for(blown, "learning", steps=100, held_out=16), trained)
    assert math.isnan(outcome.metrics["score"])


def test_gradients_that_are_not_numbers_are_counted() -> None:
    def spoil(found: Any) -> Any:
        return found[0], {**found[1], "readout.b": np.array([np.nan])}

    bench = bench_for(faults.with_results(gradients=spoil), "gradients", steps=3, held_out=8)
    metrics = gradients(bench, train(bench)).metrics
    assert metrics["gradient_nan"] == 4
    assert metrics["gradient_inf"] == 0


def test_norms_before_and_after_clipping_are_kept() -> None:
    bench = bench_for("numpy", "gradients", steps=5, held_out=8, clip_norm=0.05)
    outcome = gradients(bench, train(bench))
    raw, clipped = outcome.samples["gradient_norm"], outcome.samples["gradient_norm_clipped"]
    assert max(raw) > 0.05 >= max(clipped)
    assert outcome.metrics["clipped_share"] == np.mean(np.array(raw) > 0.05)
    parts = [v for k, v in outcome.samples.items() if k.startswith("gradient_norm.")]
    np.testing.assert_allclose(np.sqrt((np.array(parts) ** 2).sum(axis=0)), raw)


@pytest.mark.parametrize("halving", [2.0, 7.5, -3.0])
def test_half_life_is_that_of_an_exponential(halving: float) -> None:
    t = np.arange(40)
    assert half_life(1e-3 * 2 ** (t / halving)) == pytest.approx(halving)


def test_half_life_of_a_level_or_empty_curve() -> None:
    assert half_life(np.array([0.0, 0.0, 1.0])) is None
    assert half_life(np.full(5, 3.0)) == math.inf


def test_gradients_through_time_do_not_underflow_in_float32(backend: str) -> None:
    bench = bench_for(backend, "gradients", cell="rnn", dtype="float32", length=80, hidden=4)
    small = {k: v * 0.2 for k, v in bench.weights(bench.case.model).items()}
    through = through_time(bench, small)
    assert 0 < through[0] < 1e-39
    assert through[-1] > 1e-6


def test_norm_is_that_of_all_elements_in_float64() -> None:
    assert norm(np.array([3e30], np.float32), np.array([4e30], np.float32)) == pytest.approx(5e30)


def on_text(backend: Any = "numpy", **options: Any) -> Any:
    words = {"length": 10, "batch": 8, "hidden": 8, "steps": 10, "held_out": 20}
    return bench_for(backend, "learning", task="char-lm", **{**words, **options})


def test_what_a_model_trained_on_text_writes_is_kept() -> None:
    bench = on_text()
    outcome = learning(bench, train(bench))
    written = "".join(chr(int(code)) for code in outcome.samples["written"])
    assert len(written) == WRITTEN
    assert set(written) <= set(bench.task.alphabet)
    again = train(on_text())
    assert written == again.written
    read = [float(ord(bench.task.alphabet[code])) for code in bench.task.prompt[0]]
    assert outcome.samples["prompt"] == read == [float(ord(c)) for c in again.prompt]


def test_a_model_of_text_that_diverged_writes_nothing_and_is_no_failure() -> None:
    """The weights of a real session that have become NaN in its last update."""
    real: Any = backends.load("numpy")

    def opened(*words: Any) -> Any:
        session = real.open_session(*words)
        spoilt = {name: value * np.nan for name, value in session.params().items()}
        lost = real.open_session(words[0], spoilt, *words[2:])
        parts = {name: getattr(session, name) for name in ("put", "step", "wait", "predict")}
        parts["gradients"] = session.gradients
        return SimpleNamespace(**parts, params=lost.params, advance=lost.advance)

    blown = SimpleNamespace(SUPPORTS=real.SUPPORTS, REQUIRES=(), open_session=opened)
    bench = on_text(blown)
    trained = train(bench)
    assert trained.written == ""
    assert math.isfinite(learning(bench, trained).metrics["score"] or math.nan)


@pytest.mark.parametrize(
    ("count", "kept", "first"), [(0, 0, None), (1, 1, 0), (1000, 1000, 0), (1001, 501, 0.5)]
)
def test_of_many_losses_means_of_as_many_in_a_row_are_kept(
    count: int, kept: int, first: float | None
) -> None:
    found = thinned([float(k) for k in range(count)])
    assert len(found) == kept
    assert not found or found[0] == first
    assert count != 1001 or found[-1] == 1000, "the last block is of what is left"


@pytest.mark.parametrize("task", ["adding", "memory", "temporal-order"])
def test_longer_sequences_are_scored_with_the_trained_weights(task: str) -> None:
    bench = bench_for("numpy", "lengths", task=task, cell="gru", steps=30, held_out=40)
    trained = train(bench)
    found = lengths(bench, trained).metrics
    assert found["score.x1"] == learning(bench, trained).metrics["score"]
    for times in (1, 2, 4):
        longer: Any = bench.task.longer(times)  # type: ignore[attr-defined]
        x, y = longer.evaluation(bench.rng("evaluation"))
        assert x.shape[1] == longer.time == times * bench.task.time
        session = backends.load("numpy").open_session(bench.case.model, trained.params, "cpu")
        assert found[f"score.x{times}"] == pytest.approx(
            longer.scores(session.predict(x), y)[longer.metric]
        )
        assert found[f"chance.x{times}"] == longer.chance
    assert len({found[f"score.x{times}"] for times in (1, 2, 4)}) == 3


def test_a_length_is_learned_and_not_the_task() -> None:
    bench = bench_for(
        "numpy", "lengths", cell="gru", length=6, hidden=16, batch=32, steps=500, held_out=200,
        learning_rate=1e-2,
    )  # fmt: skip
    found = lengths(bench, train(bench)).metrics
    assert (found["score.x1"] or 1) < 0.01 < (found["score.x4"] or 0)
