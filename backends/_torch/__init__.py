"""PyTorch: one session for several kinds of layers.

A backend hands `open_session` a function that makes a stack of layers from its weights. Layers
are called as `layers(x, state=None, lengths=None)` with x `(batch, time, features)` and a state
`(h,)` or `(h, c)` of `(layers × directions, batch, hidden)`. They return h of every step
`(batch, time, hidden × directions)` and the final state. Their `slots` say where each canonical
weight lives. Weights, states and x come in `spec.storage`; in bfloat16 the layers round them, and
return bfloat16.

- `framework`: what the adapters state about PyTorch; imports it only when asked;
- `session`, `network`, `decoder`, `losses`, `optimiser`, `executed`: shared by all backends;
- `stack`: layers made of passes over one direction, each of which is a *scan*;
- `fused` (torch), `loop` (torch-loop), `compiled` (torch-compile), `bptt`, `bptt_cells` and
  `buffers` (torch-scan): the layers of each backend.
"""

from backends._torch.framework import (
    devices,
    environment,
    instruction_sets,
    matrix_products,
    open_session,
    peak_memory,
    reset_peak_memory,
    settings,
    unavailable,
)

__all__ = [
    "devices",
    "environment",
    "instruction_sets",
    "matrix_products",
    "open_session",
    "peak_memory",
    "reset_peak_memory",
    "settings",
    "unavailable",
]
