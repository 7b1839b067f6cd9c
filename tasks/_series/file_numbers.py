"""A column of text as numbers: what is missing, and what is no number."""

import re

import numpy as np
import pandas as pd

from tasks._series.file_table import quoted_rows
from tasks._series.user_file import FILLS, FileSettings, split

NO_VALUE = ("", "na", "n/a", "#n/a", "nan", "<na>", "null", "none", "-", ".", "?")
"""Texts that stand for a missing value, in small letters."""
LARGEST = 1e15
"""Errors are squared: this is far below the root of the largest float32."""
CODE = re.compile(r"-9+([.,]9*0*)?|9{3,}([.,]9*0*)?")
"""How a missing value is often coded: -99, -9.99, 9999."""
THOUSANDS = r"[-+]?[1-9]\d{0,2}\.\d{3}"
"""Numbers that may be thousands, where those below 1000 have no mark."""


def read_numbers(
    texts: "pd.Series[str]", file: FileSettings
) -> "tuple[pd.Series[float], list[str]]":
    """The cells of a column as numbers, NaN where there is none, and what is wrong with them."""
    codes = split(file.missing)
    absent = texts.str.lower().isin(NO_VALUE) | texts.isin(codes)
    plain = texts.str.translate(str.maketrans(".,", "?.")) if file.decimal == "," else texts
    numbers = pd.to_numeric(plain.where(~absent, "nan"), errors="coerce").astype(np.float64)
    wrong = ~absent & ~(numbers.abs() <= LARGEST)
    code = None if codes else _code(texts, numbers.mask(wrong))
    marked = plain.str.contains(".", regex=False) & ~absent
    thousands = plain.str.fullmatch(THOUSANDS)
    problems = []
    if wrong.any():
        problems.append(
            f"{quoted_rows(texts[wrong])}: no number. Write numbers up to {LARGEST:g} with the "
            f"decimal mark {file.decimal!r} (see --decimal), without a mark between thousands, and "
            "name texts that stand for no value by --missing"
        )
    if absent.any() and not file.fill:
        problems.append(
            f"{quoted_rows(texts[absent])}: no value. Fill missing values with --fill "
            f"{' or '.join(FILLS)}, or delete the rows"
        )
    if code:
        problems.append(
            f"{quoted_rows(texts[texts == code])}: this looks like a code for a missing value. If "
            f"it is one, give --missing {code}; if it is a value, --missing none"
        )
    if thousands.any() and thousands.equals(marked) and numbers[~marked].abs().max() < 1000:
        problems.append(
            f"{quoted_rows(texts[thousands])}: is this mark between thousands? Other numbers have "
            "none. Write thousands without a mark, or decimals in all numbers"
        )
    return numbers.mask(wrong), problems


def _code(texts: "pd.Series[str]", numbers: "pd.Series[float]") -> str | None:
    """The smallest or largest number, if it is written in nines and either the only one below zero,
    or farther from all others than these are from each other."""
    for extreme in (numbers.min(), numbers.max()):
        others = numbers[numbers != extreme].dropna()
        code = next(iter(texts[numbers == extreme]), "")
        if CODE.fullmatch(code) and len(others):
            far = (others - extreme).abs().min() > np.ptp(others)
            if far or extreme < 0 <= others.min():
                return code
    return None
