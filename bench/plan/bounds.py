"""The bounds of a run: how many cases it may have, and how large a model may be."""

from dataclasses import replace
from math import prod

from bench.options import Settings
from bench.records import machine
from bench.spec import CELLS, ModelSpec, Task, Unavailable
from bench.weights import weight_shapes

MOST_CASES = 100_000
"""The most cases of one run; `studies.growth` measures what that many cost."""
BYTES = 8
"""The reference computes in float64."""


def check_case_count(cases: int, settings: Settings, models: int) -> None:
    """Raise `Unavailable` for a run of more than `MOST_CASES` cases; `models` counts the models of
    all tasks in all backends on all devices."""
    if cases > MOST_CASES:
        raise Unavailable(
            f"this run would have {cases:,} cases, and one run may have {MOST_CASES:,}: "
            f"{models:,} models in backends on devices, {len(settings.seeds):,} seeds, "
            f"{settings.launches:,} launches. Choose fewer, or divide them over several runs"
        )


def model_count(settings: Settings) -> int:
    """How many models these settings make of a task at one size."""
    cells = sum(len(settings.gru) if CELLS[cell].variants else 1 for cell in settings.cells)
    return cells * len(settings.dtypes) * len(settings.layers) * len(settings.directions)


def check_fits(name: str, task: Task, model: ModelSpec) -> None:
    """Raise `Unavailable` if a model cannot fit into the memory of this machine: the reference,
    which every backend is compared with, holds the weights, a batch and the states of all steps.
    """
    memory, needed = machine.memory_bytes(), BYTES * (_weights(model) + _activations(task, model))
    if memory is not None and needed > memory:
        raise Unavailable(
            f"task {name}: {model.cell} with {_sizes(task, model)} needs at least "
            f"{needed >> 30:,} GiB, and this machine has {memory >> 30}: choose a smaller size"
        )


def _weights(model: ModelSpec) -> int:
    """The number of weights. All layers but the first are alike, so two of them tell it: a model
    may have been given a billion."""
    one, two = (
        sum(prod(shape) for shape in weight_shapes(replace(model, layers=layers)).values())
        for layers in (1, 2)
    )
    return one + (model.layers - 1) * (two - one)


def _activations(task: Task, model: ModelSpec) -> int:
    """The numbers in a batch and in the states of every layer at every step."""
    states = model.layers * model.directions * model.hidden
    return task.batch * task.time * (model.inputs + states)


def _sizes(task: Task, model: ModelSpec) -> str:
    return (
        f"hidden {model.hidden:,}, layers {model.layers:,}, batch {task.batch:,} and "
        f"{task.time:,} steps"
    )
