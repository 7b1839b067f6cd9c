"""The experiments of Hochreiter & Schmidhuber 1997, trained by Adam.

The LSTM of 1997 had no forget gate: a forget bias of 5, or the initialisation `chrono`, makes our
LSTM begin like it. The paper trained by plain gradient descent, one sequence at a time. Here
training is by Adam on small batches, with the norm of the gradient clipped at 1. Six of the
experiments are repeated with the training of 1997 in `studies.papers.trained_as_in_1997`.
"""

from dataclasses import replace

from bench.spec import Task
from studies.experiment import OTHER_SEEDS, SEQUENCES, SOLVED, Experiment, value_range
from studies.papers.published_1997 import (
    ELMAN_WEIGHTS,
    FEWER_THAN_140_WRONG,
    GROUP,
    HELD_OUT_2A_2B,
    HELD_OUT_2000,
    LAST_2000_RIGHT,
    PREDICTS_EVERY_SYMBOL,
    PUBLISHED_SEQUENCES,
    TRAINED_BY_ADAM,
    WEIGHTS,
    none_solved,
    sequences_until_solved,
)
from tasks import adding_1997, long_lag, multiplication, reber, temporal_order, two_sequence

ALL_SEEDS = 10
"""Seeds of the other backends in the six experiments that test whether backends learn alike."""


def _with_an_lstm(
    name: str,
    task_name: str,
    task: Task,
    *,
    published: float | None = None,
    weights: str = "",
    init: str = "orthogonal",
    forget_bias: float | None = None,
    seeds: int = 10,
    other_seeds: int = OTHER_SEEDS,
    differences: tuple[str, ...] = (),
) -> Experiment:
    """An experiment of the paper with an LSTM; `published` counts sequences until solved, and
    `weights` those of the paper's network."""
    return Experiment(
        name=name,
        group=GROUP,
        task_name=task_name,
        task=task,
        cells=("lstm",),
        init=init,
        forget_bias=forget_bias,
        seeds=seeds,
        other_seeds=other_seeds,
        published=(sequences_until_solved(published, weights),) if published else (),
        differences=differences,
    )


def _embedded_reber() -> list[Experiment]:
    return [
        Experiment(
            name="1: embedded Reber grammar",
            group=GROUP,
            task_name="reber",
            task=reber.PROFILES["paper"],
            differences=("Our training ends after 20,000 sequences.",),
            published=(
                value_range("lstm", SEQUENCES, 8440, 39740, WEIGHTS["1"]),
                value_range("lstm", SOLVED, 0.97, 1.0, WEIGHTS["1"]),
                none_solved("rnn", ELMAN_WEIGHTS),
            ),
        )
    ]


def _long_lags() -> list[Experiment]:
    return [
        Experiment(
            name="2a: long lag, p = 100",
            group=GROUP,
            task_name="long-lag",
            task=long_lag.PROFILES["2a"],
            cells=("rnn", "lstm"),
            forget_bias=5.0,
            published=(sequences_until_solved(5040), none_solved("rnn")),
            differences=(HELD_OUT_2A_2B, PREDICTS_EVERY_SYMBOL),
        ),
        _with_an_lstm(
            "2b: no local regularity, p = 100",
            "long-lag",
            long_lag.PROFILES["2b"],
            forget_bias=5.0,
            published=5680,
            differences=(HELD_OUT_2A_2B, PREDICTS_EVERY_SYMBOL),
        ),
        *(
            _with_an_lstm(
                f"{form}, only the last symbol predicted",
                "long-lag",
                replace(long_lag.PROFILES[form], form=f"{form}-end", steps=1000),
                forget_bias=5.0,
                other_seeds=ALL_SEEDS,
            )
            for form in ("2a", "2b")
        ),
        _with_an_lstm(
            "2c: p = q = 50",
            "long-lag",
            replace(long_lag.PROFILES["paper"], symbols=50, lag=50, steps=1500),
            forget_bias=5.0,
            published=PUBLISHED_SEQUENCES["2c, p = q = 50"],
            weights=WEIGHTS["2c, p = q = 50"],
            differences=(TRAINED_BY_ADAM,),
        ),
        _with_an_lstm(
            "2c: p = q = 100",
            "long-lag",
            replace(long_lag.PROFILES["standard"], symbols=100, lag=100, steps=2000),
            forget_bias=5.0,
            published=31_000,
            weights=WEIGHTS["2c, p = q = 100"],
            differences=(TRAINED_BY_ADAM, HELD_OUT_2000),
        ),
    ]


def _two_sequences() -> list[Experiment]:
    sizes = (
        ("3a", "paper", 1000, PUBLISHED_SEQUENCES["3a"]),
        ("3b", "3b", 2000, 41_740),
        ("3c", "3c", 4000, 269_650),
    )
    return [
        _with_an_lstm(
            f"{form}: two-sequence problem, T = 100, N = 3",
            "two-sequence",
            replace(two_sequence.PROFILES[size], steps=steps),
            forget_bias=5.0,
            other_seeds=ALL_SEEDS,
            published=published,
            weights=WEIGHTS[form],
            differences=(TRAINED_BY_ADAM,),
        )
        for form, size, steps, published in sizes
    ]


def _arithmetic() -> list[Experiment]:
    return [
        *(
            _with_an_lstm(
                f"4: adding, T = {length}",
                "adding-1997",
                replace(adding_1997.PROFILES["paper"], length=length, steps=5000),
                init="chrono",
                seeds=seeds,
                published=published,
                weights=WEIGHTS[f"4, T = {length}"],
                differences=(TRAINED_BY_ADAM, LAST_2000_RIGHT),
            )
            for length, seeds, published in (
                (100, 10, PUBLISHED_SEQUENCES["4, T = 100"]),
                (500, 5, 209_000),
            )
        ),
        _with_an_lstm(
            "5: multiplication, T = 100",
            "multiplication",
            replace(multiplication.PROFILES["paper"], steps=10_000),
            init="chrono",
            seeds=5,
            published=482_000,
            weights=WEIGHTS["5"],
            differences=(TRAINED_BY_ADAM, FEWER_THAN_140_WRONG),
        ),
    ]


def _temporal_orders() -> list[Experiment]:
    two_marks = temporal_order.PROFILES["6a"]
    variants = (
        ("6a, 4 units", replace(two_marks, hidden=4, steps=4000)),
        (
            "6a, batches of one sequence",
            replace(two_marks, batch=1, learning_rate=0.003, steps=20_000),
        ),
    )
    return [
        _with_an_lstm(
            "6a: temporal order",
            "temporal-order",
            replace(two_marks, steps=2000),
            init="chrono",
            other_seeds=ALL_SEEDS,
            published=PUBLISHED_SEQUENCES["6a"],
            weights=WEIGHTS["6a"],
            differences=(TRAINED_BY_ADAM, LAST_2000_RIGHT),
        ),
        *(
            Experiment(
                name=name,
                group=GROUP,
                task_name="temporal-order",
                task=task,
                cells=("lstm",),
                init="chrono",
                seeds=5,
                other_cells={},
            )
            for name, task in variants
        ),
        _with_an_lstm(
            "6b: temporal order of three",
            "temporal-order",
            temporal_order.PROFILES["6b"],
            forget_bias=5.0,
            seeds=5,
            published=PUBLISHED_SEQUENCES["6b"],
            weights=WEIGHTS["6b"],
            differences=(TRAINED_BY_ADAM, LAST_2000_RIGHT),
        ),
    ]


EXPERIMENTS = (
    *_embedded_reber(),
    *_long_lags(),
    *_two_sequences(),
    *_arithmetic(),
    *_temporal_orders(),
)
