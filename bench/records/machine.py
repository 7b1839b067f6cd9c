"""Describes what ran a case: processor, memory, versions, devices, driver and commit.

A fact that cannot be read is None, never a guess.
"""

import ctypes
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.processes.supervised import run_supervised
from bench.records.quota import processor_quota
from bench.records.topology import spread_over_cores
from bench.spec import installed_version

GIT_LIMIT_S = 10


def describe_machine() -> dict[str, Any]:
    """The description of the host, which all its workers share."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor() or None,
        "cores": os.cpu_count(),
        "processor_quota": processor_quota(),
        "memory_bytes": memory_bytes(),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "nvidia_driver": _driver(),
        "gpus": _gpus(),
    }


def machine_differences(earlier: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """The differences between two descriptions of a machine, in words; none for one machine.

    One machine may run another kernel, which may leave it a few KiB more or less memory. Older
    descriptions do not say whether there was a quota.
    """
    ignored = {"system", *({"processor_quota"} - (earlier.keys() & current.keys()))}
    names = [name for name in dict.fromkeys([*earlier, *current]) if name not in ignored]
    pairs = [(name, _printed(earlier, name), _printed(current, name)) for name in names]
    return [f"{name} {before} → {after}" for name, before, after in pairs if before != after]


def _printed(machine: Mapping[str, Any], name: str) -> Any:
    value = machine.get(name)
    return f"{value / 2**30:.1f} GiB" if name == "memory_bytes" and value else value


def cpus() -> list[int]:
    """The processors that this process may use. Every beginning of the list uses as many physical
    cores as it can, so that no two threads share a core while another is free."""
    affinity = getattr(os, "sched_getaffinity", None)
    return spread_over_cores(affinity(0) if affinity else range(os.cpu_count() or 1))


def processor_count() -> int:
    """How many processors this process can keep busy: those that it may use, or the whole
    processors within its container's quota if they are fewer."""
    quota = processor_quota()
    return len(cpus()) if quota is None else min(len(cpus()), max(1, int(quota)))


def why_no_cuda(device: str) -> str | None:
    """Why this machine lacks the GPU that a device names, according to the NVIDIA driver.

    None if the machine has it, or the device is not a GPU.
    """
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
    """The memory of this machine, in bytes."""
    with suppress(ValueError, OSError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """Installed versions by distribution name, None for one that is missing.

    A build for the CPU, such as `tensorflow-cpu`, counts as the distribution.
    """
    return {name: installed_version(name) or installed_version(name + "-cpu") for name in packages}


def commit(folder: Path) -> dict[str, Any]:
    """The commit of a checkout, and whether its tracked files were changed."""
    head = _git(folder, "rev-parse", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": head, "changed": None if changed is None else bool(changed)}


def identifier(environment: Any) -> str:
    """A short name for an environment: equal environments have equal names."""
    return hashlib.sha256(json.dumps(environment, sort_keys=True).encode()).hexdigest()[:12]


def environment_name(environment: Mapping[str, Any], run: str | None) -> str:
    """The name of an environment in the run of this identity: records of another run name others,
    even where all else is equal. Older runs have no identity."""
    return identifier(environment if run is None else [run, environment])


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of a git command that starts no monitor of files; None where it fails."""
    command = ["git", "-C", str(folder), "-c", "core.fsmonitor=false", *arguments]
    with suppress(OSError, subprocess.TimeoutExpired):
        done = run_supervised(command, GIT_LIMIT_S)
        return None if done.returncode else done.stdout.strip()
    return None


def _driver() -> str | None:
    line = _read("/proc/driver/nvidia/version")
    return line.splitlines()[0].removeprefix("NVRM version:").strip() if line else None


def _gpus() -> list[str]:
    """The names of the NVIDIA GPUs that the driver lists."""
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
