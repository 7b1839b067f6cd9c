"""Checks that a series suits the settings of a forecast."""

import numpy as np

from tasks._series.catalogue import Series


def check_lengths(series: Series, *, length: int, horizon: int, ahead: int, period: int) -> None:
    """Raise `ValueError` for settings that ask for more values than a series has.

    A window with the values to forecast, and a period, must fit into half of the training part;
    the values to forecast into the test part.
    """
    train, tested = series.train, series.end - series.train
    total = f"{series.name} has {series.end} values, {train} to train on and {tested} to forecast"
    most, span = train // 2, length + horizon + ahead - 1
    if span > most:
        raise ValueError(
            f"length + horizon + ahead − 1 must be at most {most}, not {length} + {horizon} + "
            f"{ahead} − 1 = {span}: {total}{_shorter(most - horizon - ahead + 1)}"
        )
    if period > most:
        raise ValueError(f"period must be at most {most}, not {period}: {total}")
    if ahead > tested:
        raise ValueError(f"ahead must be at most {tested}, not {ahead}: {total}")


def _shorter(longest: int) -> str:
    """A hint at settings whose windows fit, if there are any."""
    if longest < 1:
        return ""
    return f". Choose shorter windows, such as --tasks forecasting:length={longest}:order=1"


def check_changes(series: Series, unit: float) -> None:
    """Raise `ValueError` if the values to learn from or to forecast hardly change.

    `unit` is the unit of the windows: zero if zero is the right answer for every window.
    """
    training, tested = np.split(series.values()[: series.end], [series.train])
    if not unit or not np.ptp(training):
        raise ValueError(
            f"nothing to learn from {series.name}: its first {series.train} values, the training "
            "part, change too little, or each value to forecast equals the last of its window. "
            "Choose another column"
        )
    if not series.error_variance() or not np.ptp(tested):
        raise ValueError(
            f"nothing to forecast in {series.name}: the values after the first {series.train}, the "
            "test part, change too little. Choose another column"
        )
