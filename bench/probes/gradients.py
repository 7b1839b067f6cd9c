"""The gradient probe: norms over training, and the norm of dL/dh_t at every step of time."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from bench.probes.context import Outcome, ProbeContext
from bench.probes.training import Trained
from bench.spec import Array

LEVEL = 1e-12
"""A slope that rounding alone can leave of a level norm."""


def gradients(bench: ProbeContext, trained: Trained) -> Outcome:
    """Norms on the training batches over training, before and after clipping, and
    ‖dL/dh_t‖ on one batch at the initial and at the trained weights."""
    looks = trained.checkpoints
    total = [math.hypot(*look.norms.values()) for look in looks]
    limit = bench.case.training.clip_norm
    samples: dict[str, Sequence[float]] = {
        "checkpoint_step": [float(look.step) for look in looks],
        "gradient_norm": total,
        **{f"gradient_norm.{name}": [lk.norms[name] for lk in looks] for name in looks[0].norms},
    }
    if limit is not None:
        samples["gradient_norm_clipped"] = [min(value, limit) for value in total]
    metrics: dict[str, float | None] = {
        "gradient_norm_first": total[0],
        "gradient_norm_last": total[-1],
        "gradient_nan": float(sum(look.nan for look in looks)),
        "gradient_inf": float(sum(look.inf for look in looks)),
        "clipped_share": None if limit is None else float(np.mean([t > limit for t in total])),
    }
    for moment, params in (("initial", trained.initial), ("trained", trained.params)):
        through = through_time(bench, params)
        samples[f"hidden_gradient_norm.{moment}"] = [float(v) for v in through]
        metrics[f"half_life.{moment}"] = half_life(through)
        ratio = through[0] / through[-1] if through[-1] > 0 else math.nan
        metrics[f"first_over_last.{moment}"] = float(ratio)
    return Outcome(metrics, samples)


def through_time(bench: ProbeContext, params: Mapping[str, Array]) -> Array:
    """‖dL/dh_t‖ over batch and units for each t, in float64 where the backend has it: in
    float32 what a long sequence leaves of a gradient is below the smallest number."""
    wide = "float64" in bench.supports.dtypes
    model = bench.case.model
    model = dataclasses.replace(model, dtype="float64") if wide else model
    x, y = bench.task.sample(bench.rng("batches"))
    hidden = bench.reopen(model, params).hidden_gradients(x, y)
    return np.asarray(np.linalg.norm(np.asarray(hidden, np.float64), axis=(0, 2)))


def half_life(norms: Array) -> float | None:
    """Steps back in time over which the norm halves: ln 2 over the least-squares slope of
    ln ‖dL/dh_t‖ against t. Negative where the norm grows backwards, infinite where it is
    level; None with fewer than two steps that are finite and not zero."""
    seen = np.flatnonzero(np.isfinite(norms) & (norms > 0))
    if len(seen) < 2:
        return None
    slope = float(np.polyfit(seen, np.log(norms[seen]), 1)[0])
    return math.log(2) / slope if abs(slope) > LEVEL else math.inf
