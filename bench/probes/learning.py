"""The learning probe: loss and scores over training, and steps to solve."""

import math
from collections.abc import Sequence

from bench.probes.context import Outcome, ProbeContext
from bench.probes.training import Trained

MAX_STORED_LOSSES = 1000
"""Losses kept of a training run."""


def learning(bench: ProbeContext, trained: Trained) -> Outcome:
    """Scores at each checkpoint; solved is the first one whose score is under the threshold."""
    task, looks = bench.task, trained.checkpoints
    curve = [look.scores[task.metric] for look in looks]
    solved = next((k for k, score in enumerate(curve) if score < task.threshold), None)
    final = curve[-1] if math.isfinite(curve[-1]) and trained.diverged_at is None else math.nan
    metrics: dict[str, float | None] = {
        "score": final,
        "best_score": min((s for s in curve if math.isfinite(s)), default=None),
        "chance": task.chance,
        "threshold": task.threshold,
        "solved": float(solved is not None),
        "steps_to_solve": None if solved is None else looks[solved].step,
        "sequences_to_solve": None if solved is None else looks[solved].step * task.batch,
        "diverged_at": trained.diverged_at,
    }
    metrics |= {f"final.{name}": value for name, value in looks[-1].scores.items()}
    metrics |= {f"baseline.{name}": value for name, value in task.baselines.items()}
    samples = {"loss": thinned(trained.losses)}
    samples["checkpoint_step"] = [float(look.step) for look in looks]
    samples |= {name: [look.scores[name] for look in looks] for name in looks[0].scores}
    if trained.written:
        samples |= {"prompt": _codes(trained.prompt), "written": _codes(trained.written)}
    return Outcome(metrics, samples)


def _codes(text: str) -> list[float]:
    return [float(ord(character)) for character in text]


def thinned(losses: Sequence[float]) -> list[float]:
    """Every loss; of more than `KEPT`, means of as many in a row as it takes."""
    width = -(-len(losses) // MAX_STORED_LOSSES)
    blocks = (losses[start : start + width] for start in range(0, len(losses), width or 1))
    return [sum(block) / len(block) for block in blocks]
