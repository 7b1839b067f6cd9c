"""The conditions under which a time was taken: load, throttling, clocks and temperature."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.records.quota import Throttling, throttling


@dataclass(frozen=True)
class LoadCounters:
    """Counters of the machine at one moment.

    `busy_s` and `own_s` are the seconds that all processors have worked, and that they have worked
    for this process; `stolen_s` are the seconds that the host of a virtual machine took away.
    `throttled` counts how often a processor was throttled for heat, `quota` how often the container
    used up its quota of processors (None where the system does not count).
    """

    time_s: float
    busy_s: float
    own_s: float
    stolen_s: float
    throttled: int | None
    quota: Throttling | None

    @classmethod
    def now(cls) -> "LoadCounters":
        """The counters at this moment."""
        cpu = psutil.cpu_times()
        idle = cpu.idle + getattr(cpu, "iowait", 0.0)
        # Linux counts the time of guests in `user` as well.
        guests = getattr(cpu, "guest", 0.0) + getattr(cpu, "guest_nice", 0.0)
        process = os.times()
        return cls(
            time.perf_counter(),
            sum(cpu) - idle - guests,
            process.user + process.system,
            getattr(cpu, "steal", 0.0),
            _throttle_count(),
            throttling(),
        )

    def since(self, partner_s: float = 0.0) -> dict[str, float | None]:
        """The disturbances of a measurement between these counters and now.

        `partner_s` are the seconds that processors worked for the other side of a comparison, with
        which this process took turns: they disturbed nothing.

        `others_busy` and `stolen` are average numbers of processors: those that worked for other
        processes, and those that the host took away. `throttled` counts events, `quota_throttled`
        periods; `quota_throttled_s` is in seconds; `frequency_mhz` is the frequency now.
        """
        now = LoadCounters.now()
        elapsed = now.time_s - self.time_s
        others = now.busy_s - self.busy_s - (now.own_s - self.own_s) - partner_s
        throttled = None
        if now.throttled is not None and self.throttled is not None:
            throttled = float(now.throttled - self.throttled)
        return {
            "others_busy": max(0.0, others / elapsed),
            "stolen": max(0.0, (now.stolen_s - self.stolen_s) / elapsed),
            "throttled": throttled,
            **self._throttled_by_quota(now),
            "frequency_mhz": frequency_mhz(),
        }

    def _throttled_by_quota(self, now: "LoadCounters") -> dict[str, float | None]:
        """In how many periods, and for how long, the container was stopped between then and now."""
        if self.quota is None or now.quota is None:
            return {"quota_throttled": None, "quota_throttled_s": None}
        return {
            "quota_throttled": float(now.quota.periods - self.quota.periods),
            "quota_throttled_s": now.quota.seconds - self.quota.seconds,
        }


def frequency_mhz() -> float | None:
    """The mean frequency of the processors; None under a hypervisor that hides it."""
    with suppress(OSError, NotImplementedError, AttributeError):
        frequency = psutil.cpu_freq()
        return float(frequency.current) if frequency and frequency.current else None
    return None


def _throttle_count() -> int | None:
    """How often the processors were throttled for heat since the machine started."""
    pattern = "cpu[0-9]*/thermal_throttle/*_throttle_count"
    counts = []
    for path in Path("/sys/devices/system/cpu").glob(pattern):
        with suppress(OSError):
            counts.append(path.read_text().strip())
    return sum(int(count) for count in counts if count) if counts else None


def gpu_conditions(device: str) -> dict[str, float | None]:
    """The state of an NVIDIA GPU; empty for other devices and where NVML cannot be read.

    Clocks are in MHz, the temperature is in °C; `gpu_throttled` is 1 while heat or power lowers
    the clocks. CUDA numbers a `device` among the visible GPUs, NVML among all GPUs.
    """
    if not device.startswith("cuda"):
        return {}
    with suppress(Exception):  # NVML has its own exception classes
        import pynvml  # type: ignore[import-not-found]

        pynvml.nvmlInit()
        try:
            handle = _nvml_handle(pynvml, int(device.partition(":")[2] or 0))
            reasons = pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
            return {
                "gpu_clock_mhz": float(pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)),
                "gpu_memory_clock_mhz": float(
                    pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM)
                ),
                "gpu_temperature_c": float(
                    pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)
                ),
                "gpu_throttled": float(bool(reasons & GPU_THROTTLED)),
            }
        finally:
            pynvml.nvmlShutdown()
    return {}


GPU_THROTTLED = 0x4 | 0x8 | 0x20 | 0x40 | 0x80
"""NVML's bits for the power cap, the hardware slowdown, and the thermal and power brakes."""


def _nvml_handle(pynvml: Any, index: int) -> Any:
    visible = [d for d in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if d.strip()]
    name = visible[index].strip() if index < len(visible) else str(index)
    if name.isdigit():
        return pynvml.nvmlDeviceGetHandleByIndex(int(name))
    return pynvml.nvmlDeviceGetHandleByUUID(name)
