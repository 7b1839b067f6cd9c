"""The allowance for rounding: how far an array may be from float64 because of its dtype alone.

- float64 must come within 1e-9.
- float32 is compared with the reference's own runs in float32: a backend may be ten times as far
  from float64 as the farthest of them, or `least_tolerance`, whichever is larger. Below that,
  rounding alone differs with the order of summation; losses and gradients are sums over all steps
  of all sequences.
- bfloat16 is allowed the cost of rounding. The reference runs in float32 on weights and inputs
  rounded to bfloat16. A backend also rounds every state; it may be ten times as far off as the
  reference, or five units in the last place (5 · 2⁻⁸), ten units for gradients.
- The reference runs `RUNS` times, on weights that differ by less than the dtype can tell apart
  (`rounded_inputs`). With one run only, the gradient of a single element that happens to come
  close to float64 would allow nothing.
"""

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from bench.gate.difference import relative_error
from bench.spec import Array, Params

FLOAT64_TOLERANCE = 1e-9
LEAST_TOLERANCES: Mapping[str, float] = {
    "float64": FLOAT64_TOLERANCE,
    "float32": 1e-5,
    "bfloat16": 5 * 2**-8,
}
TIMED_TOLERANCE: Mapping[str, float] = {"float64": 1e-9, "float32": 1e-4, "bfloat16": 0.05}
"""How far a few numbers of a session may be off while it is timed on all its threads: its first
loss and gradient norm, or its first outputs."""
FACTOR = 10.0
"""How many times as far as the reference's own runs a backend may be."""
RUNS = 3
GPU_FACTOR = 5.0
UNIT = 2**-23
"""The distance from 1 to the next number of float32."""
BFLOAT16_UNIT = 2**-8


def rounding_tolerance(
    dtype: str, runs: Iterable[Array], reference: Array, terms: int = 0
) -> float:
    """How far an array may be off, given the reference's own `runs` in the dtype.

    `terms` is the number of terms that a loss or a gradient adds up, all steps of all sequences;
    0 for an array that is no such sum.
    """
    errors = (relative_error(run, reference) for run in runs)
    return max(least_tolerance(dtype, terms), *(FACTOR * error for error in errors))


def least_tolerance(dtype: str, terms: int = 0) -> float:
    """The tolerance where the reference itself comes closer.

    Adding n terms one after another in float32 loses about √n units in the last place (Higham &
    Mary 2019, SIAM J. Sci. Comput. 41(5)). In bfloat16 a gradient is rounded twice as often: on
    the way forward and on the way back.
    """
    summed = UNIT * math.sqrt(terms) if dtype == "float32" else 0.0
    return max(summed, LEAST_TOLERANCES[dtype] * (2 if terms and dtype == "bfloat16" else 1))


def device_factor(dtype: str, device: str) -> float:
    """The factor for all tolerances on a device. cuDNN's tanh is less exact than a CPU's, so
    float32 may be `GPU_FACTOR` times as far off on a GPU. TF32 is much farther off: rejected."""
    return GPU_FACTOR if dtype == "float32" and device.startswith("cuda") else 1.0


def rounded_inputs(dtype: str, weights: Params, x: Array) -> Iterator[tuple[Params, Array]]:
    """The weights and inputs on which the reference runs in float32 to measure the cost of
    rounding to `dtype`: first unchanged, then twice with every weight moved at random by at most
    half a unit in the last place."""
    unit = BFLOAT16_UNIT if dtype == "bfloat16" else UNIT
    for run in range(RUNS):
        moves = np.random.default_rng(run)
        moved = {
            name: value * (1 + bool(run) * unit * moves.uniform(-0.5, 0.5, value.shape))
            for name, value in weights.items()
        }
        if dtype == "bfloat16":
            yield {name: to_bfloat16(value) for name, value in moved.items()}, to_bfloat16(x)
        else:
            yield moved, x


def to_bfloat16(array: Array) -> Array:
    """float32 values rounded to the nearest bfloat16, ties to even; finite values only."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32)
