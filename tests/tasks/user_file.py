"""CSV files of a user, for the tests of `forecasting`."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.forecasting import Forecasting

GOOD = "when,y,z\n" + "".join(f"2020-01-{k + 1:02},{np.sin(k):.4f},{k}\n" for k in range(30))
"""A file of thirty days that is accepted."""


def good_except(line: int, text: str) -> str:
    """`GOOD` with another text at a line, counted from 1."""
    lines = GOOD.splitlines()
    lines[line - 1] = text
    return "\n".join(lines) + "\n"


def dates(frequency: str, form: str, count: int = 40, start: str = "2018-01-01") -> list[str]:
    """Dates at a frequency of pandas, written in a format."""
    return list(pd.date_range(start, periods=count, freq=frequency).strftime(form))


def without(texts: Sequence[str], *places: int) -> list[str]:
    return [text for place, text in enumerate(texts) if place not in places]


def with_times(times: Sequence[str], heading: str = "t") -> str:
    """A file with these times, in quotes, beside a sine under `y`."""
    lines = (f'"{time}",{np.sin(k):.4f}' for k, time in enumerate(times))
    return "\n".join((f"{heading},y", *lines)) + "\n"


def panel(times: Sequence[str], **columns: Sequence[str]) -> str:
    """A file with the headings of `columns`, `t` and `y`: a row for each time and each combination
    of the values of the columns."""
    index = pd.MultiIndex.from_product([times, *columns.values()], names=["t", *columns])
    frame = index.to_frame(index=False)
    frame["y"] = np.sin(np.arange(len(frame))).round(4)
    return str(frame[[*columns, "t", "y"]].to_csv(index=False))


def forecasting_of(
    text: str | bytes, folder: Path, column: str = "y", name: str = "series.csv", **settings: Any
) -> Forecasting:
    """The task on a file with this text, in a folder of its own: what a file holds is kept."""
    content = text if isinstance(text, bytes) else text.encode()
    file = folder / sha256(content).hexdigest()[:12] / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    sizes = {"length": 4, "order": 2, **settings}
    return Forecasting(series="csv", data=str(file), column=column, **sizes)
