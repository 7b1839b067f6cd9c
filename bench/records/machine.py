"""What ran the case: processor, memory, versions, device and driver, commit. Never guessed:
what cannot be read is None."""

import ctypes
import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any


def describe_machine() -> dict[str, Any]:
    """The host, the same for every worker on it."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor() or None,
        "cores": os.cpu_count(),
        "memory_bytes": memory_bytes(),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "nvidia_driver": _driver(),
        "gpus": _gpus(),
    }


def machine_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What tells two answers of `machine` apart, in words; nothing where it is the same machine.
    Its kernel may be another, and leave it a few KiB more or less of its memory."""

    def value(of: Mapping[str, Any], name: str) -> Any:
        found = of.get(name)
        return f"{found / 2**30:.1f} GiB" if name == "memory_bytes" and found else found

    names = [name for name in dict.fromkeys([*then, *now]) if name != "system"]
    return [
        f"{name} {value(then, name)} → {value(now, name)}"
        for name in names
        if value(then, name) != value(now, name)
    ]


def cpus() -> list[int]:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def why_no_cuda(device: str) -> str | None:
    """Why this machine has no such GPU, asked of the NVIDIA driver itself; None where it has,
    and for other devices."""
    if not device.startswith("cuda"):
        return None
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver on this machine (libcuda.so.1 not found)"
    if error := driver.cuInit(0):
        return f"the NVIDIA driver does not start (cuInit gives error {error})"
    count = ctypes.c_int(0)
    driver.cuDeviceGetCount(ctypes.byref(count))
    index = int(device.partition(":")[2] or 0)
    return None if index < count.value else f"this machine has {count.value} CUDA devices"


def memory_bytes() -> int | None:
    with suppress(ValueError, OSError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """Installed versions by distribution name; builds for one processor kind count too."""
    return {name: _version(name) or _version(name + "-cpu") for name in packages}


def commit(folder: Path) -> dict[str, Any]:
    """The commit of a checkout, and whether tracked files differ from it."""
    head = _git(folder, "rev-parse", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": head, "changed": None if changed is None else bool(changed)}


@dataclass(frozen=True)
class Moment:
    """Counters of the machine: seconds that all processors, that this process and that the host
    of a virtual machine instead of it have worked, and how often processors were throttled."""

    time: float
    everyone: float
    own: float
    stolen: float
    throttled: int | None

    @classmethod
    def now(cls) -> "Moment":
        import psutil

        spent = psutil.cpu_times()
        idle = spent.idle + getattr(spent, "iowait", 0.0)
        guests = getattr(spent, "guest", 0.0) + getattr(spent, "guest_nice", 0.0)  # user's as well
        own = os.times()
        return cls(
            time.perf_counter(),
            sum(spent) - idle - guests,
            own.user + own.system,
            getattr(spent, "steal", 0.0),
            _throttled(),
        )

    def since(self) -> dict[str, float | None]:
        """What speaks against times taken from this moment to now: processors that worked for
        others and that the host took away, on average; how often one was throttled; and the
        frequency in MHz as it is now."""
        now = Moment.now()
        elapsed = now.time - self.time
        others = now.everyone - self.everyone - (now.own - self.own)
        throttled = None
        if now.throttled is not None and self.throttled is not None:
            throttled = float(now.throttled - self.throttled)
        return {
            "others_busy": max(0.0, others / elapsed),
            "stolen": max(0.0, (now.stolen - self.stolen) / elapsed),
            "throttled": throttled,
            "frequency_mhz": frequency_mhz(),
        }


def frequency_mhz() -> float | None:
    """The mean over the processors, as the kernel tells it; under many a hypervisor it does not."""
    import psutil

    with suppress(OSError, NotImplementedError, AttributeError):
        found = psutil.cpu_freq()
        return float(found.current) if found and found.current else None
    return None


def _throttled() -> int | None:
    """How often the processors of this machine were throttled for heat since it started."""
    pattern = "cpu[0-9]*/thermal_throttle/*_throttle_count"
    counts = [_read(str(path)) for path in Path("/sys/devices/system/cpu").glob(pattern)]
    return sum(int(count) for count in counts if count) if counts else None


def gpu_conditions(device: str) -> dict[str, float | None]:
    """Clocks in MHz, temperature in °C, and whether the clocks are held down for heat or power, of
    an NVIDIA GPU, read through NVML; nothing where there is none or NVML cannot be read.

    `device` counts as CUDA does, among the visible ones: NVML counts them all.
    """
    if not device.startswith("cuda"):
        return {}
    with suppress(Exception):  # a library of the driver's, and what it raises is its own
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
                "gpu_throttled": float(bool(reasons & _GPU_HELD_DOWN)),
            }
        finally:
            pynvml.nvmlShutdown()
    return {}


_GPU_HELD_DOWN = 0x4 | 0x8 | 0x20 | 0x40 | 0x80
"""NVML's bits for: power cap, hardware slowdown, and thermal and power brakes."""


def _nvml_handle(pynvml: Any, index: int) -> Any:
    visible = [d for d in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if d.strip()]
    name = visible[index].strip() if index < len(visible) else str(index)
    if name.isdigit():
        return pynvml.nvmlDeviceGetHandleByIndex(int(name))
    return pynvml.nvmlDeviceGetHandleByUUID(name)


def identifier(environment: Any) -> str:
    """A short name for an environment: the same content, the same name."""
    return hashlib.sha256(json.dumps(environment, sort_keys=True).encode()).hexdigest()[:12]


@cache
def _version(name: str) -> str | None:
    with suppress(metadata.PackageNotFoundError, ValueError):
        return metadata.version(name)
    return None


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()
    return None


def _driver() -> str | None:
    line = _read("/proc/driver/nvidia/version")
    return line.splitlines()[0].removeprefix("NVRM version:").strip() if line else None


def _gpus() -> list[str]:
    """Names of the NVIDIA GPUs the driver shows."""
    folders = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    return [_field(str(path), "Model") or "unknown" for path in folders]


def _read(path: str) -> str | None:
    with suppress(OSError):
        return Path(path).read_text().strip()
    return None


def _field(path: str, name: str) -> str | None:
    for line in (_read(path) or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None
