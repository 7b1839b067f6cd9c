"""Every task at its standard size: which cells learn it, in the reference and in JAX."""

from collections.abc import Mapping
from typing import Any

from bench.study.rows import Row, Study

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "adding": {},
    "adding-1997": {},
    "multiplication": {},
    "memory": {},
    "long-lag": {"forget_bias": 5.0},
    "two-sequence": {},
    "temporal-order": {},
    "reber": {},
    "fill-blank": {"directions": 2},
    "seq2seq": {},
    "autoencoder": {},
    "forecasting": {},
    "classification": {},
    "char-lm": {},
}
"""Of each task, what is not left at its default."""

EVERY = Study(
    about="every task at its standard size, by every cell, in NumPy and JAX",
    main="numpy",
    others=("jax",),
    rows=[
        Row(
            group="Every task at its standard size",
            name=name,
            task=f"{name}:standard",
            seeds=3,
            **settings,
        )
        for name, settings in SETTINGS.items()
    ],
)
