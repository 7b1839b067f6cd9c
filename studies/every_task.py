"""The study of every task at its standard size and in its other forms: which cells learn it, in
the NumPy reference and in JAX."""

from dataclasses import replace

from bench.spec import Task
from studies.experiment import Experiment, Study
from tasks import (
    adding,
    adding_1997,
    autoencoder,
    char_lm,
    classification,
    fill_blank,
    forecasting,
    long_lag,
    memory,
    multiplication,
    reber,
    seq2seq,
    temporal_order,
    two_sequence,
)

SEEDS = 3
STANDARD, OTHER_FORMS = "Every task at its standard size", "Other forms"


def experiment(
    name: str,
    task: Task,
    *,
    group: str = STANDARD,
    directions: int = 1,
    init: str = "orthogonal",
    forget_bias: float | None = None,
) -> Experiment:
    """An experiment whose name begins with the name of its task."""
    return Experiment(
        name=name,
        task_name=name.partition(":")[0],
        task=task,
        group=group,
        directions=directions,
        init=init,
        forget_bias=forget_bias,
        seeds=SEEDS,
    )


def other_form(name: str, task: Task, *, init: str = "orthogonal") -> Experiment:
    """A form of a task that its standard size does not cover."""
    return experiment(name, task, group=OTHER_FORMS, init=init)


EVERY_TASK = Study(
    about="every task at its standard size and in its other forms, by every cell, in NumPy and JAX",
    main_backend="numpy",
    other_backends=("jax",),
    experiments=(
        experiment("adding", adding.PROFILES["standard"]),
        experiment("adding-1997", adding_1997.PROFILES["standard"]),
        experiment("multiplication", multiplication.PROFILES["standard"]),
        experiment("memory", memory.PROFILES["standard"]),
        experiment("long-lag", long_lag.PROFILES["standard"], forget_bias=5.0),
        experiment("two-sequence", two_sequence.PROFILES["standard"]),
        experiment("temporal-order", temporal_order.PROFILES["standard"]),
        experiment("reber", reber.PROFILES["standard"]),
        experiment("fill-blank", fill_blank.PROFILES["standard"], directions=2),
        experiment("seq2seq", seq2seq.PROFILES["standard"]),
        experiment("autoencoder", autoencoder.PROFILES["standard"]),
        experiment("forecasting", forecasting.PROFILES["standard"]),
        experiment("classification", classification.PROFILES["standard"]),
        experiment("char-lm", char_lm.PROFILES["standard"]),
        # The study of papers has the forms of long-lag and two-sequence, and the other series.
        other_form(
            "adding:standard:marks=anywhere",
            replace(adding.PROFILES["standard"], marks="anywhere"),
        ),
        other_form("temporal-order:6a", temporal_order.PROFILES["6a"], init="chrono"),
        other_form(
            "fill-blank:standard:needs=past",
            replace(fill_blank.PROFILES["standard"], needs="past"),
        ),
        other_form("seq2seq:copy", seq2seq.PROFILES["copy"]),
        other_form("seq2seq:dates", seq2seq.PROFILES["dates"]),
        other_form("classification:digits", classification.PROFILES["digits"]),
        other_form("classification:vowels", classification.PROFILES["vowels"]),
        other_form(
            "forecasting:standard:ahead=3",
            replace(forecasting.PROFILES["standard"], ahead=3),
        ),
        other_form(
            "forecasting:demand:ahead=12",
            replace(forecasting.PROFILES["demand"], ahead=12),
        ),
    ),
)
