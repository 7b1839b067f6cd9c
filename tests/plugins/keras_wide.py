"""The adapters of Keras on JAX and on PyTorch, with Keras' rounding of float64 to float32 taken
away, so that their formulas can be held to 1e-9. `KERAS_BACKEND`, `jax` or `torch`, says which.
"""

import os
from dataclasses import replace
from typing import Any

import backends

own = backends.load(f"keras-{os.environ['KERAS_BACKEND']}")
REQUIRES, devices, unavailable = own.REQUIRES, own.devices, own.unavailable
SUPPORTS = replace(own.SUPPORTS, dtypes=("bfloat16", "float32", "float64"), limits={})


def open_session(*args: Any, **more: Any) -> Any:
    from keras.src.backend.common import dtypes

    own.SUPPORTS = SUPPORTS
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    return own.open_session(*args, **more)
