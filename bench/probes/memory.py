"""The memory probe: the peak of the process, and of the framework's allocator on a device."""

from contextlib import suppress
from pathlib import Path

from bench.probes.context import Outcome, ProbeContext


def memory(bench: ProbeContext) -> Outcome:
    """A session opened and three updates made (three predictions where the backend does not
    train), in a fresh process.
    `process_growth` is the peak of resident memory over what the process held once the
    framework was imported: the model, its activations, and what was compiled and cached."""
    bench.watch.timed(bench.import_framework)()
    before, known = resident(), _reset_peak()
    device = bench.case.device
    if reset := getattr(bench.backend, "reset_peak_memory", None):
        reset(device)
    session = bench.open(bench.case.model, bench.weights(bench.case.model), bench.case.training)
    x, y = (session.put(part) for part in bench.task.sample(bench.rng("batches")))
    for _ in range(3):
        session.step(x, y) if bench.supports.training else session.predict(x)
    session.wait()
    peak = resident("VmHWM") if known else None
    own = getattr(bench.backend, "peak_memory", None)
    return Outcome(
        {
            "process_peak": peak,
            "process_before": before,
            "process_growth": peak - before if peak is not None and before is not None else None,
            "device_peak": own(device) if own else None,
        }
    )


def resident(field: str = "VmRSS") -> float | None:
    """Resident memory of this process in bytes, now or (VmHWM) at its peak."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return float(line.split()[1]) * 1024
    return None


def _reset_peak() -> bool:
    """Ask Linux to start the peak anew; whether it could."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True
