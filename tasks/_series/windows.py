"""Windows of a series, scaled for a network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.spec import Array


def lagged(series: Array, targets: Array, lags: Sequence[int]) -> Array:
    """`series[t − lag]` for every target step t, `(targets, lags)`."""
    return np.asarray(series[targets[:, None] - np.asarray(lags)])


@dataclass(frozen=True, eq=False, kw_only=True)
class Windows:
    """How windows of `length` values and the `ahead` values to forecast are cut from a series.

    `series[:train]` is the training part, `series[train:end]` the test part. A *target* is the
    step of the first value to forecast; its window ends `horizon` steps before it. With the level
    `series` zero is the mean of the training part and the unit its standard deviation. With
    `window` zero is the last value of each window and the unit the root mean square of what
    follows the training windows.
    """

    series: Array
    train: int
    end: int
    length: int
    horizon: int
    ahead: int
    level: str

    @property
    def training_part(self) -> Array:
        return self.series[: self.train]

    @property
    def training_targets(self) -> range:
        """The targets whose windows and values lie in the training part."""
        return range(self.length + self.horizon - 1, self.train - self.ahead + 1)

    @property
    def test_targets(self) -> Array:
        """The targets whose values lie in the test part, in order."""
        return np.arange(self.train, self.end - self.ahead + 1)

    @property
    def unit(self) -> float:
        """The difference that counts as one."""
        if self.level == "series":
            return float(self.training_part.std())
        targets = np.asarray(self.training_targets)
        above = self.values(targets) - self.zero(targets)
        return float(np.mean(above**2) ** 0.5)

    def zero(self, targets: Array) -> Array:
        """The value that counts as zero for each target, `(targets, 1)`."""
        if self.level == "window":
            return np.asarray(self.series[targets - self.horizon, None])
        return np.full((len(targets), 1), self.training_part.mean())

    def values(self, targets: Array) -> Array:
        """The values to forecast, `(targets, ahead)`, not scaled."""
        return np.asarray(self.series[targets[:, None] + np.arange(self.ahead)])

    def scaled(self, values: Array, targets: Array) -> Array:
        """Values of the series `(targets, …)` as a network reads or forecasts them."""
        return np.asarray((values - self.zero(targets)) / self.unit)

    def unscaled(self, scaled: Array, targets: Array) -> Array:
        """The inverse of `scaled`, in float64."""
        return np.asarray(scaled, np.float64) * self.unit + self.zero(targets)

    def cut(self, targets: Array) -> tuple[Array, Array]:
        """Scaled windows `(targets, length)`, oldest value first, and values `(targets, ahead)`."""
        oldest_first = range(self.horizon + self.length - 1, self.horizon - 1, -1)
        x = self.scaled(lagged(self.series, targets, oldest_first), targets)
        return x, self.scaled(self.values(targets), targets)
