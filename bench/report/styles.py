"""The colour and the mark of a backend: the same in every figure, from its name alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

COLOURS = (
    *("#0072B2", "#D55E00", "#E69F00", "#000000"),
    *("#56B4E9", "#CC79A7", "#882255", "#009E73"),
)
"""The colours of Okabe & Ito 2008, which colour-blind readers can tell apart, with Paul Tol's wine
in place of their yellow, which is too light for lines on white."""
SHAPES = (("D", "-."), ("^", ":"), ("s", "--"), ("o", "-"))
"""Marker and dashes, which tell apart backends of one colour."""
SALT = 36509
"""Chosen so that the built-in backends all differ, and those of one framework in colour. Another
value changes the colours of all backends."""
WIDEST, NARROWEST = 4.5, 1.5


@dataclass(frozen=True)
class LineStyle:
    """How a backend is drawn."""

    colour: str
    marker: str
    dashes: str
    width: float = NARROWEST


def line_style(backend: str) -> LineStyle:
    """The style of a backend, which depends on its name alone. Conditions that the label names
    after it change its marks, but not its colour."""
    colour, shape = _digest(backend.split(" ")[0])[0], _digest(backend)[1]
    return LineStyle(COLOURS[colour % len(COLOURS)], *SHAPES[shape % len(SHAPES)])


def _digest(name: str) -> bytes:
    return blake2b(f"{SALT} {name}".encode(), digest_size=4).digest()


def line_styles(backends: Iterable[str]) -> dict[str, LineStyle]:
    """The styles of the backends of a figure. Later ones have thinner lines, so that they do not
    hide earlier ones where results coincide."""
    names = sorted(set(backends))
    widths = np.linspace(WIDEST, NARROWEST, len(names)) if len(names) > 1 else [2.0]
    return {
        name: LineStyle(style.colour, style.marker, style.dashes, float(width))
        for name, style, width in zip(names, map(line_style, names), widths, strict=True)
    }
