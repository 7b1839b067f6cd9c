"""What ran the case: processor, memory, versions, device and driver, commit. Never guessed:
what cannot be read is None."""

import ctypes
import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
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


def processor_seconds() -> tuple[float, float, float]:
    """The time, and the seconds that all processors, and that this process, have worked."""
    import psutil

    spent = psutil.cpu_times()
    idle = spent.idle + getattr(spent, "iowait", 0.0)
    guests = getattr(spent, "guest", 0.0) + getattr(spent, "guest_nice", 0.0)  # in user as well
    own = os.times()
    return time.perf_counter(), sum(spent) - idle - guests, own.user + own.system


def others_busy(since: tuple[float, float, float]) -> float:
    """How many processors have worked for others than this process since then, on average."""
    now = processor_seconds()
    elapsed, everyone, own = (after - before for after, before in zip(now, since, strict=True))
    return max(0.0, (everyone - own) / elapsed)


def identifier(environment: Any) -> str:
    """A short name for an environment: the same content, the same name."""
    return hashlib.sha256(json.dumps(environment, sort_keys=True).encode()).hexdigest()[:12]


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
