"""The probe of generalisation over length: trained on short sequences, scored on longer ones."""

from bench.probes.context import Outcome, ProbeContext
from bench.probes.training import AT_ONCE, Trained, predictions

LENGTH_FACTORS = (1, 2, 4)
"""How many times as long as what was trained on."""


def lengths(bench: ProbeContext, trained: Trained) -> Outcome:
    """The trained model's score, and what chance and solved are, at each length."""
    session = bench.reopen(bench.case.model, trained.params, bench.case.training)
    metrics: dict[str, float | None] = {}
    for times in LENGTH_FACTORS:
        task = bench.task.longer(times)  # type: ignore[attr-defined]
        x, y = task.evaluation(bench.rng("evaluation"))
        score = task.scores(predictions(session, x, AT_ONCE), y)[task.metric]
        metrics |= {
            f"score.x{times}": score if trained.diverged_at is None else None,
            f"chance.x{times}": task.chance,
            f"threshold.x{times}": task.threshold,
        }
    return Outcome(metrics)
