"""The distance of an array from the reference."""

import math
from dataclasses import dataclass

import numpy as np

from bench.spec import Array

NOT_REAL = "cOSUTmM"
"""NumPy's letters for the kinds of dtypes that hold no real numbers: complex numbers, objects, text
and times."""


@dataclass(frozen=True)
class Difference:
    """One array's distance from the reference, and how far it may be; both are relative to the
    largest element of the reference. The error is infinite where shapes differ or the array does
    not hold real numbers, and NaN where a value is not finite."""

    array: str
    error: float
    tolerance: float

    @property
    def accepted(self) -> bool:
        """Whether the error is finite and within the tolerance."""
        return self.error <= self.tolerance and math.isfinite(self.error)

    @property
    def severity(self) -> float:
        """The error as a multiple of the tolerance; infinite for NaN."""
        ratio = self.error / self.tolerance
        return math.inf if math.isnan(ratio) else ratio

    def __str__(self) -> str:
        if math.isnan(self.error):
            return f"{self.array}: a value of the backend or of the reference is not finite"
        return f"{self.array} differs by {self.error:.2g} (tolerance {self.tolerance:.2g})"


def difference(
    name: str,
    array: Array | None,
    reference: Array,
    relative: float,
    absolute: Array | float = 0.0,
) -> Difference:
    """The element with the largest ratio of distance to allowed distance.

    An element may differ by `relative · max|reference| + absolute`; `absolute` is one number or
    an array of the reference's shape. An array that is missing, or complex, has an infinite error.
    """
    if array is None or np.shape(array) != np.shape(reference) or not is_real(array):
        return Difference(name, math.inf, relative)
    distance = np.abs(np.asarray(array, dtype=np.float64) - reference)
    scale = float(np.max(np.abs(reference)))
    allowed = np.broadcast_to(relative * scale + absolute, distance.shape)
    if scale == 0:
        return Difference(name, 0.0 if np.all(distance <= allowed) else math.inf, relative)
    worst = np.unravel_index(np.argmax(distance / allowed), distance.shape)
    return Difference(name, float(distance[worst]) / scale, float(allowed[worst]) / scale)


def is_real(array: Array) -> bool:
    """Whether NumPy turns the values into float64 without dropping or parsing anything."""
    return np.asarray(array).dtype.kind not in NOT_REAL


def relative_error(array: Array | None, reference: Array) -> float:
    """max|array − reference| / max|reference|; infinite where shapes differ, NaN where a value
    is NaN."""
    return difference("", array, reference, 1.0).error
