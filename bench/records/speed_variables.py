"""The environment variables that decide how fast a library computes, by an allow-list.

Frameworks add their own patterns, see `backends.SPEED_VARIABLES`.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from fnmatch import translate
from functools import cache

THREADING = ("OMP_*", "GOMP_*", "KMP_*", "LIBOMP_*", "TBB_*")
"""OpenMP, and what its GNU, Intel and LLVM libraries add."""
LINEAR_ALGEBRA = (
    *("OPENBLAS_*", "GOTO_*", "GOTOBLAS_*", "MKL_*", "BLIS_*", "VECLIB_*"),
    *("DNNL_*", "ONEDNN_*", "MKLDNN_*"),  # oneDNN under its names of today and before
    *("NPY_*", "NUMPY_*", "NUMEXPR_*"),
)
ALLOCATORS = (
    *("LD_PRELOAD", "LD_BIND_NOW", "DYLD_INSERT_LIBRARIES", "GLIBC_TUNABLES", "MALLOC_*"),
    *("_RJEM_MALLOC_CONF", "JE_MALLOC_CONF", "TCMALLOC_*", "MIMALLOC_*", "HUGETLB_*"),
)
PYTHON = (
    *("PYTHONMALLOC", "PYTHONOPTIMIZE", "PYTHONDEVMODE", "PYTHONTRACEMALLOC"),
    *("PYTHON_JIT", "PYTHON_GIL", "PYTHONPERFSUPPORT", "PYTHON_PERF_JIT_SUPPORT"),
)
GPUS = (
    *("CUDA_*", "CUBLAS_*", "CUBLASLT_*", "NVIDIA_TF32_OVERRIDE"),
    *("HIP_*", "HSA_*", "ROCBLAS_*", "HIPBLASLT_*", "MIOPEN_*"),
)
ALLOWED = (*THREADING, *LINEAR_ALGEBRA, *ALLOCATORS, *PYTHON, *GPUS)

PLACES = ("*_DIR", "*_FILE", "*_HOME", "*_PATH", "*_ROOT", "*_VERSION", "*_LOG*")
"""Variables that say where files are, what is installed or what is logged, not how to compute."""
SECRETS = ("*TOKEN*", "*SECRET*", "*PASSWORD*", "*_KEY*")
"""Records are published: what may be a secret never enters one."""
DEVICE_CHOICE = ("CUDA_DEVICE_ORDER", "*_VISIBLE_DEVICES")
"""Which of the GPUs is used: the record names its kind."""
SET_ON_IMPORT = ("KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK")
"""Switches against crashes that threadpoolctl and scikit-learn set when they are imported."""


def speed_variables(
    environ: Mapping[str, str], patterns: Iterable[str], omit: Collection[str] = ()
) -> dict[str, str]:
    """The variables of `environ` that decide speed, with their values, by name.

    `patterns` extends the allow-list, as in `XLA_*`; `omit` names variables that the record holds
    elsewhere.
    """
    allowed = _one_of((*ALLOWED, *patterns))
    excluded = _one_of((*PLACES, *SECRETS, *DEVICE_CHOICE, *SET_ON_IMPORT))
    return {
        name: environ[name]
        for name in sorted(environ)
        if name not in omit and allowed.match(name) and not excluded.match(name)
    }


@cache
def _one_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """An expression that matches what one of the patterns does: a worker asks for each case."""
    return re.compile("|".join(map(translate, patterns)))
