"""The lengths probe: a model trained on short sequences, scored on longer ones."""

from bench.probes.context import Outcome, ProbeContext
from bench.probes.training import EVALUATION_BATCH, TrainingRun, predict_in_chunks

LENGTH_FACTORS = (1, 2, 4)
"""Lengths that are scored, as multiples of the length in training."""


def lengths(context: ProbeContext, trained: TrainingRun) -> Outcome:
    """The trained model's score at each length, with the score of chance and the threshold."""
    session = context.reopen(context.case.model, trained.params, context.case.training)
    metrics: dict[str, float | None] = {}
    for factor in LENGTH_FACTORS:
        task = context.task.longer(factor)  # type: ignore[attr-defined]
        x, y = context.held_out(task)
        score = task.scores(predict_in_chunks(session, x, EVALUATION_BATCH), y)[task.metric]
        metrics |= {
            f"score.x{factor}": score if trained.diverged_at is None else None,
            f"chance.x{factor}": task.chance,
            f"threshold.x{factor}": task.threshold,
        }
    return Outcome(metrics)
