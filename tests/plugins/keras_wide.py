"""The adapters of Keras on JAX and on PyTorch without Keras' rounding of float64 to float32.

Their formulas can then be held to 1e-9. `KERAS_BACKEND`, `jax` or `torch`, chooses the adapter.
"""

import os
from dataclasses import replace
from importlib import import_module
from typing import Any

adapter: Any = import_module(f"backends.keras_{os.environ['KERAS_BACKEND']}_backend")
REQUIRES, devices, unavailable = adapter.REQUIRES, adapter.devices, adapter.unavailable
SUPPORTS = replace(adapter.SUPPORTS, dtypes=("bfloat16", "float32", "float64"), limits={})


def open_session(*args: Any, **options: Any) -> Any:
    from keras.src.backend.common import dtypes

    adapter.SUPPORTS = SUPPORTS
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    return adapter.open_session(*args, **options)
