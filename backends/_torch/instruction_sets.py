"""The instruction sets that PyTorch and its oneDNN really use, from their own reports."""

import ctypes
import os
import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from tempfile import TemporaryFile

import torch


@cache
def instruction_sets() -> dict[str, str | None]:
    """By library; None where it does not tell. MKL, which has no such report, is missing."""
    return {"torch": torch.backends.cpu.get_cpu_capability(), "onednn": _onednn()}


def _onednn() -> str | None:
    """oneDNN tells its instruction set only in the log of its first primitive."""
    if not torch.backends.mkldnn.is_available():
        return None
    with suppress(Exception):  # the log is for humans: without it the answer is unknown
        isa = re.search(r"cpu,isa:(.+)", _printed(_run_primitive))
        return isa and isa[1].strip()
    return None


def _run_primitive() -> None:
    with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
        torch.ones(1).to_mkldnn()


def _printed(call: Callable[[], None]) -> str:
    """What a C library prints to standard output during a call."""
    flush = ctypes.CDLL(None).fflush
    with TemporaryFile() as file:
        flush(None)
        output = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            call()
            flush(None)
        finally:
            os.dup2(output, 1)
            os.close(output)
        file.seek(0)
        return file.read().decode(errors="replace")
