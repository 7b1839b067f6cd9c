"""oneDNN 3 through ctypes: the layers run in its primitives, everything else in NumPy.

Sequences run `(T, B, features)` inside. This file does not load the library.

- `package`: finds the shared library in the installed package;
- `library`: loads it, checks every status, destroys what was created;
- `objects`: descriptors, memories and primitives, made of NumPy arrays;
- `primitives`: what each cell is called in oneDNN: gates, biases, arguments;
- `parameters`: all weights in one vector, in oneDNN's layout;
- `direction`: the calls of one direction of one layer at one shape;
- `order`: reversed sequences and sequences of unequal lengths, of which oneDNN knows nothing;
- `stack`: all layers at one shape; `stepwise`: the last layer step by step, for dL/dh_t;
- `network`, `session`: readout, loss and optimiser, most of them those of `backends/_numpy`.
"""

from typing import Any

from backends._onednn.package import REQUIRES, library_path, unavailable

__all__ = ["REQUIRES", "devices", "instruction_sets", "settings", "unavailable"]


def devices() -> tuple[str, ...]:
    return ("cpu",)


def settings(device: str) -> dict[str, Any]:
    """What decides the speed and is no variable of the environment."""
    from backends._onednn.library import Library

    return {"version": Library(library_path()).version}


def instruction_sets() -> dict[str, str | None]:
    """The widest instruction set that oneDNN uses on this processor."""
    from backends._onednn.library import Library

    return {"onednn": Library(library_path()).instruction_set}
