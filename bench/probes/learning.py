"""The learning probe: loss and scores during training, and steps to solve the task."""

import math
from collections.abc import Sequence
from typing import Any

from bench.probes.context import Outcome, ProbeContext
from bench.probes.training import TrainingRun
from bench.records.record import FORECAST_PREFIX
from bench.spec import Array

MAX_STORED_LOSSES = 1000
"""The most losses of a training run that a record holds."""
MAX_STORED_FORECASTS = 1000
"""The most forecasts that a record holds: the first ones of the held-out part."""


def learning(context: ProbeContext, trained: TrainingRun) -> Outcome:
    """Scores at each checkpoint. The task is solved at the first checkpoint whose score is under
    the threshold."""
    task, checkpoints = context.task, trained.checkpoints
    scores = [checkpoint.scores[task.metric] for checkpoint in checkpoints]
    solved = next(
        (c.step for c, score in zip(checkpoints, scores, strict=True) if score < task.threshold),
        None,
    )
    diverged = not math.isfinite(scores[-1]) or trained.diverged_at is not None
    metrics: dict[str, float | None] = {
        "score": math.nan if diverged else scores[-1],
        "best_score": min((score for score in scores if math.isfinite(score)), default=None),
        "chance": task.chance,
        "threshold": task.threshold,
        "solved": float(solved is not None),
        "steps_to_solve": solved,
        "sequences_to_solve": None if solved is None else solved * task.batch,
        "diverged_at": trained.diverged_at,
    }
    metrics |= {f"final.{name}": value for name, value in checkpoints[-1].scores.items()}
    metrics |= {f"baseline.{name}": value for name, value in task.baselines.items()}
    return Outcome(metrics, _samples(trained) | stored_forecasts(task, trained.predictions))


def stored_forecasts(task: Any, predictions: Array) -> dict[str, Sequence[float]]:
    """The forecasts of a task on a series, beside what came; empty for other tasks."""
    if not hasattr(task, "forecasts"):
        return {}
    return {
        f"{FORECAST_PREFIX}{name}": [
            float(f"{value:.10g}") for value in values[:MAX_STORED_FORECASTS]
        ]
        for name, values in task.forecasts(predictions).items()
    }


def _samples(trained: TrainingRun) -> dict[str, Sequence[float]]:
    checkpoints = trained.checkpoints
    samples: dict[str, Sequence[float]] = {
        "loss": thinned(trained.losses),
        "checkpoint_step": [float(c.step) for c in checkpoints],
        **{name: [c.scores[name] for c in checkpoints] for name in checkpoints[0].scores},
    }
    if trained.written:
        samples |= {"prompt": _codes(trained.prompt), "written": _codes(trained.written)}
    return samples


def _codes(text: str) -> list[float]:
    return [float(ord(character)) for character in text]


def thinned(losses: Sequence[float]) -> list[float]:
    """Every loss. If there are more than `MAX_STORED_LOSSES`: the means of blocks of successive
    losses, as long as needed; the last block may be shorter."""
    width = -(-len(losses) // MAX_STORED_LOSSES)
    blocks = (losses[start : start + width] for start in range(0, len(losses), width or 1))
    return [sum(block) / len(block) for block in blocks]
