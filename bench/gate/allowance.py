"""How far each array may be from the reference, and the rule that decides it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.gate import rounding, summation
from bench.gate.difference import relative_error
from bench.gate.drift import gradient_distances, loss_drift, weight_drift
from bench.gate.observe import AFTER_STEPS, LOSSES, Observation
from bench.spec import Array, Params, Training

SUM_PREFIXES = ("loss", "d ")
"""Arrays whose names begin so are sums over all steps of all sequences."""

FLOAT64_BOUND = "the bound of float64"
LEAST_TOLERANCE = "the least tolerance of the dtype"
REFERENCE_RUNS = "the reference's own runs in the dtype"
SUMMATION = "sums in order of the reference's terms"
LOSS_DRIFT = ", and the effect of the weights' drift on the losses"
WEIGHT_DRIFT = "the drift of the weights that the optimiser makes of allowed gradients"


@dataclass(frozen=True)
class Allowance:
    """An element of `array` may differ by `relative · max|reference| + absolute`.

    `absolute` is one number or an array of the reference's shape. `reason` is the rule that
    decided.
    """

    array: str
    relative: float
    absolute: Array | float
    reason: str


@dataclass(frozen=True)
class ReferenceRuns:
    """The reference on one model and batch.

    `exact` is in float64, with its trajectory. `rounded` are runs in the dtype, none for float64:
    the first with everything and its trajectory, the others at the initial weights only.
    `in_order` has the gradients of weights added up in the worst order, by parameter name, for
    float32.
    """

    exact: Observation
    rounded: Sequence[Observation] = ()
    in_order: Params | None = None


def allow(
    runs: ReferenceRuns, dtype: str, training: Training, terms: int, device: str
) -> dict[str, Allowance]:
    """An allowance for every array of the exact run, by name. `terms` is the number of steps in
    all sequences of the batch together."""
    factor = rounding.device_factor(dtype, device)
    allowances = _for_rounding(runs, dtype, terms, factor)
    allowances |= _for_summation(runs, allowances)
    if runs.exact.trajectory:
        allowances |= _for_training(runs, allowances, dtype, training, factor)
    return allowances


def decided_by_summation(allowances: Mapping[str, Allowance]) -> bool:
    """Whether sums in order decide for any array: then float32 says little about it."""
    return any(allowance.reason == SUMMATION for allowance in allowances.values())


def _for_rounding(
    runs: ReferenceRuns, dtype: str, terms: int, factor: float
) -> dict[str, Allowance]:
    if dtype == "float64":
        return {
            name: Allowance(name, rounding.FLOAT64_TOLERANCE, 0.0, FLOAT64_BOUND)
            for name in runs.exact.arrays
        }
    return {
        name: _rounding(name, runs, dtype, terms * name.startswith(SUM_PREFIXES), factor)
        for name in runs.exact.arrays
    }


def _rounding(name: str, runs: ReferenceRuns, dtype: str, terms: int, factor: float) -> Allowance:
    arrays = [run.arrays[name] for run in runs.rounded if name in run.arrays]
    tolerance = rounding.rounding_tolerance(dtype, arrays, runs.exact.arrays[name], terms)
    least = tolerance == rounding.least_tolerance(dtype, terms)
    return Allowance(name, factor * tolerance, 0.0, LEAST_TOLERANCE if least else REFERENCE_RUNS)


def _for_summation(
    runs: ReferenceRuns, allowances: Mapping[str, Allowance]
) -> dict[str, Allowance]:
    """Allowances for the gradients that sums in order allow more than rounding does."""
    tolerances = {
        f"d {name}": summation.FACTOR * relative_error(gradient, runs.exact.arrays[f"d {name}"])
        for name, gradient in (runs.in_order or {}).items()
    }
    return {
        name: Allowance(name, tolerance, 0.0, SUMMATION)
        for name, tolerance in tolerances.items()
        if tolerance > allowances[name].relative
    }


def _for_training(
    runs: ReferenceRuns,
    allowances: Mapping[str, Allowance],
    dtype: str,
    training: Training,
    factor: float,
) -> dict[str, Allowance]:
    """Allowances for the losses of five steps and the weights after them."""
    exact = runs.exact.trajectory
    rounded = runs.rounded[0].trajectory if runs.rounded else exact
    first = {name: allowances[f"d {name}"].relative for name in exact[0]}
    distances = gradient_distances(first, exact, rounded, rounding.FACTOR * factor)
    drifts = weight_drift(exact, distances, training)
    losses = allowances[LOSSES]
    least = factor * rounding.least_tolerance(dtype)
    return {
        LOSSES: Allowance(
            LOSSES, losses.relative, loss_drift(exact, drifts), losses.reason + LOSS_DRIFT
        ),
        **{
            name + AFTER_STEPS: Allowance(name + AFTER_STEPS, least, drift, WEIGHT_DRIFT)
            for name, drift in drifts[-1].items()
        },
    }
