"""CSV files of a user, for the tests of `forecasting`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.forecasting import Forecasting

GOOD = "when,y,z\n" + "".join(f"2020-01-{k + 1:02},{np.sin(k):.4f},{k}\n" for k in range(30))
"""A file of thirty days that is accepted."""


def good_except(line: int, text: str) -> str:
    """`GOOD` with another text at a line, counted from 1."""
    lines = GOOD.splitlines()
    lines[line - 1] = text
    return "\n".join(lines) + "\n"


def with_dates(heading: str, dates: Sequence[str]) -> str:
    """A file with these dates beside a sine under `y`."""
    lines = (f"{date},{np.sin(k):.4f}" for k, date in enumerate(dates))
    return "\n".join((f"{heading},y", *lines)) + "\n"


def forecasting_of(text: str, folder: Path, column: str = "y", **settings: Any) -> Forecasting:
    """The task on a file `series.csv` with this text."""
    folder.mkdir(exist_ok=True)
    file = folder / "series.csv"
    file.write_text(text)
    sizes = {"length": 4, "order": 2, **settings}
    return Forecasting(series="csv", data=str(file), column=column, **sizes)
