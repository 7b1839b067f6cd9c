"""Which instruction sets NumPy and its BLAS really use, from their own reports."""

from contextlib import suppress

import numpy as np
import threadpoolctl


def numpy_instruction_sets() -> dict[str, str | None]:
    """The widest instruction set that NumPy's own loops use, and the kernels that its BLAS chose.

    Call it before another library loads a BLAS of its own. A library that does not tell (MKL) is
    missing.
    """
    libraries = {
        str(library["internal_api"]): str(library["architecture"])
        for library in threadpoolctl.threadpool_info()
        if library.get("architecture")
    }
    return {"numpy": _widest(), **libraries}


def _widest() -> str | None:
    """NumPy lists its instruction sets from narrow to wide; those switched off are not found."""
    with suppress(Exception):  # the report is for humans: its form may change
        simd = np.show_config(mode="dicts")["SIMD Extensions"]
        return str([*simd["baseline"], *simd.get("found", ())][-1])
    return None
