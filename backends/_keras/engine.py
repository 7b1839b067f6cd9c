"""The framework that Keras computes with: one for each process, fixed when Keras is imported."""

import os

from bench.spec import Limit, Supports, Unsupported

SUPPORTS_ON_JAX_AND_TORCH = Supports(
    dtypes=("bfloat16", "float32"),
    decoder=True,
    generation=True,
    limits={
        "float64": Limit(
            "theirs", "Keras rounds float64 to float32 everywhere but on TensorFlow (keras #23704)"
        )
    },
)


def compute_with(framework: str) -> None:
    """Import Keras on `tensorflow`, `jax` or `torch`.

    Raises `Unsupported` if the user's `KERAS_BACKEND`, or an earlier import of Keras in this
    process, chose another framework. The variable is set here and not in the environment of the
    worker, which would override the user's choice, and which a session opened in the user's own
    process never sees.
    """
    os.environ.setdefault("KERAS_BACKEND", framework)
    import keras  # reads KERAS_BACKEND, so that no other import of Keras may come earlier

    if (active := keras.backend.backend()) != framework:
        raise Unsupported(
            f"Keras is set to compute with {active}, not with {framework}: unset KERAS_BACKEND, "
            f"or set it to {framework}, in a process that has not imported Keras"
        )
