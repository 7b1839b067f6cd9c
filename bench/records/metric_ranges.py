"""The ranges of metrics and samples that tables and verdicts rest on."""

from collections.abc import Iterator

from bench.records.faults import printable_place
from bench.records.kinds import LONGEST_S
from bench.records.schema import RecordLine

SECONDS = "_s"
"""The end of the names of metrics that are seconds."""
FLAGS = ("solved", "native_calls", "gradients_compared", "gpu_throttled")
FLAG_ENDING = "_warmed_up"
"""Metrics that are 0 or 1."""
COUNT_ENDINGS = ("_block", "_calls_a_sample")
"""The ends of the names of metrics that are at least 1."""
FROM_ZERO = frozenset(
    (
        *("steps_to_solve", "sequences_to_solve", "diverged_at", "parity_error", "arrays_rejected"),
        *("gradient_norm_first", "gradient_norm_last", "first_gradient_norm"),
        *("gradient_nan", "gradient_inf", "process_before", "process_peak", "device_peak"),
        *("others_busy", "stolen", "flop_step", "product_gflops"),
    )
)
"""Metrics that are at least 0. The growth of a process can be negative."""
NORMS = ("gradient_norm", "hidden_gradient_norm.")
"""The beginnings of the names of samples of the gradients probe that are at least 0."""


def check_ranges(record: RecordLine) -> None:
    """Raise ValueError for the first metric, or sample of the gradients probe, out of its range."""
    for name, value in record.metrics.items():
        if value is not None and (wrong := _out_of_range(name, value)):
            raise ValueError(
                f"{printable_place(f'metrics.{name}')} is {value!r}; accepted: {wrong}"
            )
    for place, norm in _norms(record):
        if norm is not None and norm < 0:
            raise ValueError(f"{printable_place(place)} is {norm!r}; accepted: at least 0 or null")


def _out_of_range(name: str, value: float) -> str | None:
    """What is accepted where this value is not; None where it is."""
    if name.endswith(SECONDS) and not 0 <= value <= LONGEST_S:
        return f"a number from 0 to {LONGEST_S:g}"
    if "." in name:  # a score, which a task may name as it likes
        return None
    if (name in FLAGS or name.endswith(FLAG_ENDING)) and value not in (0, 1):
        return "0 or 1"
    if name.endswith(COUNT_ENDINGS) and value < 1:
        return "at least 1"
    if name in FROM_ZERO and value < 0:
        return "at least 0"
    return "above 0" if name == "parity_tolerance" and value <= 0 else None


def _norms(record: RecordLine) -> Iterator[tuple[str, float | None]]:
    if record.probe == "gradients":
        for name, values in record.samples.items():
            if name.startswith(NORMS):
                yield from ((f"samples.{name}[{k}]", value) for k, value in enumerate(values))
