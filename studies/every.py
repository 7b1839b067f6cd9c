"""Every task at its standard size, and its other forms: which cells learn it, in the reference and
in JAX."""

from collections.abc import Mapping
from typing import Any

from studies.rows import Experiment, Study

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
FORMS: Mapping[str, Mapping[str, Any]] = {
    "adding:standard:marks=anywhere": {},
    "temporal-order:6a": {"init": "chrono"},
    "fill-blank:standard:needs=past": {},
    "seq2seq:copy": {},
    "seq2seq:dates": {},
    "classification:digits": {},
    "classification:vowels": {},
    "forecasting:standard:ahead=3": {},
    "forecasting:demand:ahead=12": {},
}
"""Of forms that the standard size is not; those of `long-lag` and `two-sequence`, and other series,
are in the study of papers."""

EVERY = Study(
    about="every task at its standard size and in its other forms, by every cell, in NumPy and JAX",
    main="numpy",
    others=("jax",),
    rows=[
        Experiment(
            group="Every task at its standard size",
            name=name,
            task=f"{name}:standard",
            seeds=3,
            **settings,
        )
        for name, settings in SETTINGS.items()
    ]
    + [
        Experiment(group="Other forms", name=task, task=task, seeds=3, **settings)
        for task, settings in FORMS.items()
    ],
)
