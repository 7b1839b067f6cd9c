"""Training a session on a task: the same weights and batches everywhere."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.probes.context import ProbeContext
from bench.probes.generation import generate
from bench.spec import Array, Session

CHECKPOINTS = 40
WRITTEN = 200
"""Characters that a model trained on text writes."""
AT_ONCE = 1000
"""Held-out sequences evaluated at once, or a training batch where that is more."""


@dataclass(frozen=True)
class Checkpoint:
    """Before update `step`: scores on the held-out set, and the raw gradients' norms on the
    batch of that update, by canonical parameter name."""

    step: int
    scores: dict[str, float]
    norms: dict[str, float]
    nan: int
    inf: int


@dataclass(frozen=True)
class Trained:
    """A whole training run. `losses[k]` is the loss on batch k before update k."""

    losses: list[float]
    checkpoints: list[Checkpoint]
    initial: dict[str, Array]
    params: dict[str, Array]
    prompt: str
    written: str
    """Of a task that is text: what the trained model reads, and what it goes on to write."""

    @property
    def diverged_at(self) -> int | None:
        """The first update whose loss is not finite."""
        return next((k for k, loss in enumerate(self.losses) if not math.isfinite(loss)), None)


def train(bench: ProbeContext) -> Trained:
    """`task.steps` updates, looked at about forty times on the way and once at the end; stops
    where the loss is no longer finite."""
    model, task = bench.case.model, bench.task
    start = bench.weights(model)
    session = bench.reopen(model, start, bench.case.training)
    held_out = task.evaluation(bench.rng("evaluation"))
    rng, every = bench.rng("batches"), max(1, task.steps // CHECKPOINTS)
    losses: list[float] = []
    checkpoints: list[Checkpoint] = []
    waiting: list[object] = []
    for step in range(task.steps + 1):
        x, y = (session.put(part) for part in task.sample(rng))
        last = step == task.steps
        if step % every == 0 or last:
            session.wait()
            losses += [float(loss) for loss in waiting]  # type: ignore[arg-type]
            waiting.clear()
            checkpoints.append(_look(bench, session, step, held_out, (x, y)))
            if not all(map(math.isfinite, losses)):
                break
        if not last:
            waiting.append(session.step(x, y))
    trained = session.params()
    sound = all(np.isfinite(value).all() for value in trained.values())
    prompt, written = _written(bench, session) if sound else ("", "")
    return Trained(losses, checkpoints, start, trained, prompt, written)


def _look(
    bench: ProbeContext,
    session: Session,
    step: int,
    held_out: tuple[Array, Array],
    batch: tuple[Array, Array],
) -> Checkpoint:
    scores = bench.task.scores(
        predictions(session, held_out[0], max(bench.task.batch, AT_ONCE)), held_out[1]
    )
    _, gradients = session.gradients(*batch)
    del gradients["x"]
    values = gradients.values()
    return Checkpoint(
        step,
        scores,
        {name: norm(value) for name, value in gradients.items()},
        nan=sum(int(np.isnan(value).sum()) for value in values),
        inf=sum(int(np.isinf(value).sum()) for value in values),
    )


def _written(bench: ProbeContext, session: Session) -> tuple[str, str]:
    """The task's prompt and characters drawn after it, where it has one and the backend can go
    on."""
    task: Any = bench.task
    prompt = getattr(task, "prompt", None)
    if prompt is None or bench.case.model.bidirectional or bench.supports.lacks("generation"):
        return "", ""
    rng = bench.rng("writing")
    drawn = generate(session, prompt, WRITTEN, classes=task.outputs, rng=rng)
    read, written = ("".join(task.alphabet[code] for code in text[0]) for text in (prompt, drawn))
    return read, written


def predictions(session: Session, x: Array, count: int) -> Array:
    """In chunks of so many."""
    chunks = [session.predict(x[k : k + count]) for k in range(0, len(x), count)]
    return np.concatenate(chunks)


def norm(*arrays: Array) -> float:
    """The Euclidean norm of all elements together, in float64 whatever the arrays hold."""
    return math.sqrt(sum(float((np.asarray(a, dtype=np.float64) ** 2).sum()) for a in arrays))
