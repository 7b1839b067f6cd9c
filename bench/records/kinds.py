"""The kinds of values in records, answers and `run.json`. A description says what is accepted."""

import re
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from bench.spec import CELLS, DTYPES, GRU_VARIANTS, LOSSES, READOUTS

STATUSES = ("ok", "failed", "skipped")
MOST = 2**63 - 1
"""The largest whole number."""
LONGEST_S = 1e10
"""Seconds that something may have taken: three centuries."""


def _one_of(words: Iterable[str]) -> Meta:
    words = list(words)
    choices = "|".join(map(re.escape, words))
    return Meta(pattern=rf"\A(?:{choices})\Z", description=", ".join(words))


def _whole(least: int) -> Meta:
    return Meta(ge=least, le=MOST, description=f"a whole number of at least {least}")


Text = Annotated[str, Meta(description="a text")]
Flag = Annotated[bool, Meta(description="true or false")]
Status = Annotated[str, _one_of(STATUSES)]
Cell = Annotated[str, _one_of(CELLS)]
Dtype = Annotated[str, _one_of(DTYPES)]
Readout = Annotated[str, _one_of(READOUTS)]
Loss = Annotated[str, _one_of(LOSSES)]
GruVariant = Annotated[str, _one_of(GRU_VARIANTS)]
Device = Annotated[
    str, Meta(pattern=r"\A(?:cpu|cuda(?::[0-9]+)?)\Z", description="cpu, cuda, cuda:1, …")
]
Whole = Annotated[int, _whole(0)]
Count = Annotated[int, _whole(1)]
Integer = Annotated[int, Meta(ge=-MOST, le=MOST)]
Number = Annotated[Integer | float, Meta(description="a finite number")]
Duration = Annotated[
    float, Meta(ge=0, le=LONGEST_S, description=f"seconds, a number from 0 to {LONGEST_S:g}")
]
Moment = Annotated[
    float, Meta(ge=0, lt=2**33, description="seconds since 1970, as a finite number")
]
Setting = Annotated[
    str | bool | Integer | float, Meta(description="a text, a finite number, true, false")
]
TextsByName = Annotated[dict[str, Text | None], Meta(description="an object of texts")]
Digest = Annotated[str, Meta(pattern=r"\A[0-9a-f]{8}\Z", description="8 hexadecimal digits")]
Digests = Annotated[
    str,
    Meta(pattern=r"\A(?:[0-9a-f]{8})*\Z", description="8 hexadecimal digits for each planned case"),
]
