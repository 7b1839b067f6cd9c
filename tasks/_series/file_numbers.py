"""A column of text as numbers: what is missing, and what is no number."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.spec import Array
from tasks._series.quoting import quoted_rows

NO_VALUE = frozenset({"", "na", "n/a", "#n/a", "nan", "<na>", "null", "none", "-", ".", "?"})
"""Texts that stand for a missing value, in small letters."""
LARGEST, SMALLEST_CHANGE = 1e15, 1e-100
"""Errors are squared: the largest value is far below the root of the largest float32, and the
smallest change far above the root of the smallest float64."""
CODE = re.compile(r"-9+(\.9+)?0*|-9+\.0+")
"""How a missing value is often coded: -99, -9.99, -9999."""


@dataclass(frozen=True, eq=False)
class Numbers:
    """`values` is NaN where a value is missing or could not be read; `missing` marks the former."""

    values: Array
    missing: Array
    problems: Sequence[str]


def read_numbers(
    texts: "pd.Series[str]", lines: Array, *, decimal: str, missing: Collection[str] | None
) -> Numbers:
    """Read the cells of a column; `lines` are their lines in the file.

    `missing` are texts that stand for no value beside `NO_VALUE`; where it is None, numbers that
    look like a code for a missing value are a problem.
    """
    absent = (texts.str.lower().isin(NO_VALUE) | texts.isin(list(missing or ()))).to_numpy()
    plain = texts if decimal == "." else texts.str.replace(".", "?").str.replace(decimal, ".")
    values = pd.to_numeric(plain.where(~absent, "nan"), errors="coerce").to_numpy(
        np.float64, copy=True
    )
    wrong = ~absent & ~(np.abs(values) <= LARGEST)
    problems = []
    if wrong.any():
        problems.append(_wrong_numbers(texts[wrong], lines[wrong], decimal))
    if missing is None and (code := _code(texts, values)):
        rows = (texts == code).to_numpy()
        problems.append(
            f"{quoted_rows(lines[rows])}: {code} looks like a code for a missing value. If it is "
            f"one, give --missing {code}; if it is a value, --missing none"
        )
    values[wrong] = np.nan
    return Numbers(values, absent, problems)


def _wrong_numbers(texts: "pd.Series[str]", lines: Array, decimal: str) -> str:
    first = texts.iloc[0]
    if re.search(r"\d[ ,.']\d", first):
        other = "." if decimal == "," else ","
        advice = (
            f"The decimal mark is {decimal!r} (give --decimal '{other}' for the other one), and "
            "thousands are written without a separator"
        )
    else:
        advice = (
            f"Write finite numbers of at most {LARGEST:g}; a text that stands for a missing value "
            "is named by --missing TEXT"
        )
    return f"{quoted_rows(lines, texts)}: no number. {advice}"


def _code(texts: "pd.Series[str]", values: Array) -> str | None:
    """The smallest number, if it is written in nines and either the only one below zero, or farther
    from all others than these are from each other."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    code = texts.iloc[int(np.nanargmin(values))]
    others = finite[finite > finite.min()]
    if not len(others) or not CODE.fullmatch(code):
        return None
    far = others.min() - finite.min() > np.ptp(others)
    return code if far or others.min() >= 0 else None


def change_problem(values: Array) -> str | None:
    """Why a series without enough change cannot be forecast, or None."""
    if (values == values[0]).all():
        return f"every value is {values[0]:g}. Choose a column that changes"
    if (change := np.ptp(values)) < SMALLEST_CHANGE:
        return f"values differ by {change:g}, less than {SMALLEST_CHANGE:g}. Use a smaller unit"
    return None
