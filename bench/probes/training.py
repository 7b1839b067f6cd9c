"""Training a session on a task: the same weights and batches in every backend."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.probes.context import Batch, ProbeContext
from bench.probes.generation import generate
from bench.spec import Array, Session

CHECKPOINTS = 40
"""About how many checkpoints a training run has."""
WRITTEN = 200
"""Characters that a model trained on text writes."""
EVALUATION_BATCH = 1000
"""Held-out sequences that are evaluated at once, or a training batch where that is larger."""


@dataclass(frozen=True)
class Checkpoint:
    """Before update `step`: scores on the held-out set, and the norms of the raw gradients on the
    batch of that update, by canonical parameter name. `nan` and `inf` count elements of the
    gradients that are not finite."""

    step: int
    scores: dict[str, float]
    norms: dict[str, float]
    nan: int
    inf: int


@dataclass(frozen=True)
class TrainingRun:
    """A whole training run. `losses[k]` is the loss on batch k before update k."""

    losses: list[float]
    checkpoints: list[Checkpoint]
    initial: dict[str, Array]
    params: dict[str, Array]
    predictions: Array
    """What the model predicts for the held-out set at the last checkpoint."""
    prompt: str
    """For a task of text: the text that the trained model reads; empty for other tasks."""
    written: str
    """The text that the trained model writes after the prompt."""

    @property
    def diverged_at(self) -> int | None:
        """The first update whose loss is not finite."""
        return next((k for k, loss in enumerate(self.losses) if not math.isfinite(loss)), None)


def train(context: ProbeContext) -> TrainingRun:
    """Train for `task.steps` updates, with about forty checkpoints on the way and one at the end.
    Training stops at the first checkpoint after a loss that is not finite."""
    task, case = context.task, context.case
    initial = context.weights(case.model)
    session = context.reopen(case.model, initial, case.training)
    held_out, y_held_out = context.held_out(task)
    rng, interval = context.rng("batches"), max(1, task.steps // CHECKPOINTS)
    losses: list[float] = []
    checkpoints: list[Checkpoint] = []
    unread: list[Any] = []  # losses still on the device: reading one waits for it
    for step in range(task.steps + 1):
        x, y = (session.put(array) for array in context.batch(rng))
        last = step == task.steps
        if step % interval == 0 or last:
            session.wait()
            losses += map(float, unread)
            unread.clear()
            predictions = predict_in_chunks(session, held_out, max(task.batch, EVALUATION_BATCH))
            scores = task.scores(predictions, y_held_out)
            checkpoints.append(_checkpoint(session, step, scores, (x, y)))
            if not all(map(math.isfinite, losses)):
                break
        if not last:
            unread.append(session.step(x, y))
    params = session.params()
    prompt, written = _write(context, session) if _all_finite(params) else ("", "")
    return TrainingRun(losses, checkpoints, initial, params, predictions, prompt, written)


def _checkpoint(session: Session, step: int, scores: dict[str, float], batch: Batch) -> Checkpoint:
    _, gradients = session.gradients(*batch)
    del gradients["x"]
    return Checkpoint(
        step,
        scores,
        {name: norm(value) for name, value in gradients.items()},
        nan=sum(int(np.isnan(value).sum()) for value in gradients.values()),
        inf=sum(int(np.isinf(value).sum()) for value in gradients.values()),
    )


def _all_finite(params: dict[str, Array]) -> bool:
    return all(np.isfinite(value).all() for value in params.values())


def _write(context: ProbeContext, session: Session) -> tuple[str, str]:
    """The task's prompt and the characters that the model writes after it. Empty where the task
    has no prompt or the backend cannot go on from a state."""
    task: Any = context.task
    prompt = getattr(task, "prompt", None)
    bidirectional = context.case.model.bidirectional
    if prompt is None or bidirectional or context.supports.lacks("generation"):
        return "", ""
    rng = context.rng("writing")
    written = generate(session, prompt, WRITTEN, classes=task.outputs, rng=rng)
    return _text(prompt[0], task.alphabet), _text(written[0], task.alphabet)


def _text(classes: Array, alphabet: Any) -> str:
    return "".join(alphabet[k] for k in classes)


def predict_in_chunks(session: Session, x: Array, size: int) -> Array:
    """The predictions for all sequences, `size` of them at a time."""
    chunks = [session.predict(x[start : start + size]) for start in range(0, len(x), size)]
    return np.concatenate(chunks)


def norm(*arrays: Array) -> float:
    """The Euclidean norm of all elements together, in float64 whatever the arrays' dtype."""
    return math.sqrt(sum(float((np.asarray(a, dtype=np.float64) ** 2).sum()) for a in arrays))
