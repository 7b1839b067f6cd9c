"""Six experiments of Hochreiter & Schmidhuber 1997, trained as the paper trained them.

Plain gradient descent, one sequence at a time, no clipping, no forget gate, small initial weights,
input gates that are almost closed at first, and as many units as the paper has cells. The learning
rate is the paper's in 1, 6a and 6b and another in 2c, 3a and 4.
"""

from dataclasses import replace

from bench.spec import Task
from studies.experiment import Experiment
from studies.papers.published_1997 import (
    GROUP,
    PUBLISHED_SEQUENCES,
    WEIGHTS,
    sequences_until_solved,
)
from tasks import adding_1997, long_lag, reber, temporal_order, two_sequence

REMAINING_DIFFERENCES = (
    "Differences that remain: our outputs are a softmax with cross entropy, or linear, where the "
    "paper has logistic outputs with squared errors; our LSTM squashes by tanh, where the paper "
    "uses sigmoids with a wider range; in 4 and 6 each of our units has its own gates, where the "
    "paper shares gates in blocks of two; our gradients go back through all steps, where the paper "
    "truncates them at each step; the initial weights, since we use those of 6a throughout; the "
    "learning rate in 2c, 3a and 4; and in 4 and 6 the criterion at which counting ends."
)


def _experiment(experiment: str, task_name: str, task: Task) -> Experiment:
    return Experiment(
        name=f"{experiment}, trained as in 1997",
        group=GROUP,
        task_name=task_name,
        task=task,
        cells=("lstm",),
        init="lstm-1997",
        optimiser="sgd",
        seeds=5,
        other_cells={},
        published=(sequences_until_solved(PUBLISHED_SEQUENCES[experiment], WEIGHTS[experiment]),),
        differences=(REMAINING_DIFFERENCES,),
    )


EXPERIMENTS = (
    _experiment(
        "1",
        "reber",
        replace(
            reber.PROFILES["paper"],
            hidden=4,
            batch=1,
            clip_norm=None,
            learning_rate=0.5,
            steps=60_000,
        ),
    ),
    _experiment(
        "2c, p = q = 50",
        "long-lag",
        replace(
            long_lag.PROFILES["paper"],
            symbols=50,
            lag=50,
            hidden=2,
            batch=1,
            clip_norm=None,
            learning_rate=0.1,
            steps=60_000,
        ),
    ),
    _experiment(
        "3a",
        "two-sequence",
        replace(
            two_sequence.PROFILES["paper"],
            hidden=3,
            batch=1,
            clip_norm=None,
            learning_rate=0.02,
            steps=60_000,
        ),
    ),
    _experiment(
        "4, T = 100",
        "adding-1997",
        replace(
            adding_1997.PROFILES["paper"],
            length=100,
            hidden=4,
            batch=1,
            clip_norm=None,
            learning_rate=0.0625,
            steps=150_000,
        ),
    ),
    _experiment(
        "6a",
        "temporal-order",
        replace(
            temporal_order.PROFILES["6a"],
            hidden=4,
            batch=1,
            clip_norm=None,
            learning_rate=0.5,
            steps=60_000,
        ),
    ),
    _experiment(
        "6b",
        "temporal-order",
        replace(
            temporal_order.PROFILES["6b"],
            hidden=6,
            batch=1,
            clip_norm=None,
            learning_rate=0.1,
            steps=100_000,
        ),
    ),
)
