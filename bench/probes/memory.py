"""The memory probe: the peak of the process, and of the framework's allocator on a device."""

from contextlib import suppress
from math import inf
from numbers import Real
from pathlib import Path

from bench.probes.context import Outcome, ProbeContext

UPDATES = 3


def memory(context: ProbeContext) -> Outcome:
    """Bytes at the peak of a fresh process that opens a session and makes three updates, or three
    predictions where the backend does not train.

    `process_growth` is the peak of resident memory minus the memory that the process held once
    the framework was imported: the model, its activations, and compiled and cached code.
    """
    context.watch.timed(context.import_framework)()
    before, peak_reset = resident_bytes(), _reset_peak()
    device = context.case.device
    if reset := getattr(context.backend, "reset_peak_memory", None):
        reset(device)
    _run_updates(context)
    peak = resident_bytes("VmHWM") if peak_reset else None
    return Outcome(
        {
            "process_peak": peak,
            "process_before": before,
            "process_growth": peak - before if peak is not None and before is not None else None,
            "device_peak": _device_peak(context),
        }
    )


def _device_peak(context: ProbeContext) -> float | None:
    """What the framework's allocator says; None where the backend has no such function or it says
    nothing. Raises ValueError for what is no number of bytes."""
    ask = getattr(context.backend, "peak_memory", None)
    peak = ask(context.case.device) if ask else None
    if peak is None:
        return None
    size = float(peak) if isinstance(peak, Real) and not isinstance(peak, bool) else -1.0
    if not 0 <= size < inf:
        raise ValueError(f"peak_memory() returned {peak!r:.80}; it must be bytes, or None")
    return size


def _run_updates(context: ProbeContext) -> None:
    case = context.case
    session = context.open(case.model, context.weights(case.model), case.training)
    x, y = (session.put(array) for array in context.first_batch())
    for _ in range(UPDATES):
        session.step(x, y) if context.supports.training else session.predict(x)
    session.wait()


def resident_bytes(field: str = "VmRSS") -> float | None:
    """Resident memory of this process in bytes, now or (`VmHWM`) at its peak; None where Linux's
    `/proc` cannot be read."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return float(line.split()[1]) * 1024
    return None


def _reset_peak() -> bool:
    """Ask Linux to measure the peak anew; whether it did."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True
