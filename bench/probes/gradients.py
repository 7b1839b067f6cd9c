"""The gradients probe: norms during training, and the norm of dL/dh_t at every time step."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from bench.probes.context import Outcome, ProbeContext
from bench.probes.training import TrainingRun
from bench.spec import Array

FLAT_SLOPE = 1e-12
"""The largest slope of ln ‖dL/dh_t‖ that counts as none: rounding alone gives it to a constant
norm."""


def gradients(context: ProbeContext, trained: TrainingRun) -> Outcome:
    """Norms on the training batches at every checkpoint, before and after clipping, and
    ‖dL/dh_t‖ on one batch at the initial and at the trained weights."""
    limit = context.case.training.clip_norm
    metrics, samples = _over_training(trained, limit)
    for moment, params in (("initial", trained.initial), ("trained", trained.params)):
        norms = through_time(context, params)
        samples[f"hidden_gradient_norm.{moment}"] = [float(norm) for norm in norms]
        metrics[f"half_life.{moment}"] = half_life(norms)
        ratio = norms[0] / norms[-1] if norms[-1] > 0 else math.nan
        metrics[f"first_over_last.{moment}"] = float(ratio)
    return Outcome(metrics, samples)


def _over_training(
    trained: TrainingRun, limit: float | None
) -> tuple[dict[str, float | None], dict[str, Sequence[float]]]:
    """Metrics and samples of the parameter gradients; `limit` is the clipping norm."""
    checkpoints = trained.checkpoints
    total = [math.hypot(*c.norms.values()) for c in checkpoints]
    samples: dict[str, Sequence[float]] = {
        "checkpoint_step": [float(c.step) for c in checkpoints],
        "gradient_norm": total,
        **{
            f"gradient_norm.{name}": [c.norms[name] for c in checkpoints]
            for name in checkpoints[0].norms
        },
    }
    if limit is not None:
        samples["gradient_norm_clipped"] = [min(value, limit) for value in total]
    metrics: dict[str, float | None] = {
        "gradient_norm_first": total[0],
        "gradient_norm_last": total[-1],
        "gradient_nan": float(sum(c.nan for c in checkpoints)),
        "gradient_inf": float(sum(c.inf for c in checkpoints)),
        "clipped_share": None if limit is None else float(np.mean([t > limit for t in total])),
    }
    return metrics, samples


def through_time(context: ProbeContext, params: Mapping[str, Array]) -> Array:
    """‖dL/dh_t‖ over batch and units for each t, in float64 where the backend has it: in float32
    the gradient that reaches the start of a long sequence is below the smallest number."""
    model = context.case.model
    if "float64" in context.supports.dtypes:
        model = dataclasses.replace(model, dtype="float64")
    x, y = context.first_batch()
    hidden_gradients = context.reopen(model, params).hidden_gradients(x, y)
    return np.asarray(np.linalg.norm(np.asarray(hidden_gradients, np.float64), axis=(0, 2)))


def half_life(norms: Array) -> float | None:
    """Steps back in time over which the norm halves: ln 2 over the least-squares slope of
    ln ‖dL/dh_t‖ against t. Negative where the norm grows backwards, infinite where it is
    constant; None with fewer than two steps whose norm is finite and not zero."""
    steps = np.flatnonzero(np.isfinite(norms) & (norms > 0))
    if len(steps) < 2:
        return None
    distances, logarithms = steps - steps.mean(), np.log(norms[steps])
    slope = float(distances @ logarithms / (distances @ distances))
    return math.log(2) / slope if abs(slope) > FLAT_SLOPE else math.inf
