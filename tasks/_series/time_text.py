"""Dates and times of the day as text, read into seconds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

import numpy as np

from bench.spec import Array

if TYPE_CHECKING:
    import pandas as pd

COMPACT_FORMS = {
    6: ("%Y%m", "%y%m%d"),
    8: ("%Y%m%d",),
    10: ("%Y%m%d%H",),
    12: ("%Y%m%d%H%M",),
    14: ("%Y%m%d%H%M%S",),
}
"""How dates are written as one number, by its digits."""


def is_number(text: str) -> bool:
    """Whether the text is a finite number."""
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def parsed_dates(texts: Sequence[str], day_first: bool) -> "pd.Series[pd.Timestamp]":
    """Points in time that are written as the first one is; NaT for any other text."""
    import pandas as pd

    with catch_warnings():
        # pandas warns that it cannot infer a format, or that days come first despite `dayfirst`.
        simplefilter("ignore")
        return pd.Series(pd.to_datetime(list(texts), errors="coerce", utc=True, dayfirst=day_first))


def compact_dates(texts: Sequence[str]) -> Array | None:
    """Seconds of dates written as numbers, such as 20260131 or 202601; None for anything else."""
    if any(len(text) != len(texts[0]) or not text.isdigit() for text in texts):
        return None
    import pandas as pd

    for form in COMPACT_FORMS.get(len(texts[0]), ()):
        dates = pd.Series(pd.to_datetime(list(texts), format=form, errors="coerce", utc=True))
        if not dates.isna().any():
            return seconds(dates)
    return None


def dates_of_parts(parts: dict[str, Array]) -> Array:
    """Seconds of dates whose year, month, day, … are columns of numbers; NaN for no date."""
    import pandas as pd

    columns = pd.DataFrame({"day": 1.0, **parts})
    return seconds(pd.to_datetime(columns, errors="coerce"))


def times_of_day(texts: Sequence[str]) -> Array:
    """Numbers as they are, or seconds of times of the day; NaN for anything else."""
    if all(map(is_number, texts)):
        return np.array(texts, dtype=np.float64)
    return seconds(parsed_dates(texts, day_first=False))


def seconds(dates: "pd.Series[pd.Timestamp]") -> Array:
    """Seconds since the first date; NaN for NaT."""
    return (dates - dates.iloc[0]).dt.total_seconds().to_numpy()
