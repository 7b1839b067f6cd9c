"""The contract between a JAX session and a library's recurrent layers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from bench.spec import ModelSpec, Params


class RunStack(Protocol):
    """Run all layers over all steps."""

    def __call__(
        self,
        spec: ModelSpec,
        weights: Any,
        x: Any,
        lengths: Any = None,
        initial_state: Any = None,
        perturbation: Any = None,
    ) -> tuple[Any, tuple[Any, ...]]:
        """Return the last layer's states for every step, held beyond the end, and the final
        states, laid out as `initial_state`.

        x is `(batch, time, inputs)`, lengths `(batch,)` or None, `initial_state` a tuple of
        `(layers × directions, batch, hidden)` (h, for the lstm h and c) or None. `perturbation` is
        None or an array of the shape of the returned states, which is added to the last layer's h
        at every step. Weights and x have the dtype `spec.storage`; where `spec.dtype` is
        `bfloat16` the stack itself rounds them.
        """


@dataclass(frozen=True)
class Stack:
    """A library's recurrent layers as three plain functions, which JAX traces.

    - `to_native(spec, params)`: the library's own pytree of weights, made from the canonical
      weights of the layers (`layers.…`; a decoder's come without their prefix);
    - `to_canonical(spec, weights)`: the way back, for weights and for their gradients;
    - `workspace(spec, batch, time)`: buffers of the storage dtype that `run` overwrites, for a
      stack that takes them as its argument `workspace`; the gradient with respect to them is their
      new content. A session hands the same memory to every pass in training;
    - `run`: see `RunStack`. States are `(batch, time, ·)`, or `(time, batch, ·)` with `time_major`.
    """

    to_native: Callable[[ModelSpec, Params], Any]
    to_canonical: Callable[[ModelSpec, Any], Params]
    run: RunStack
    time_major: bool = False
    workspace: Callable[[ModelSpec, int, int], Any] = lambda spec, batch, time: None
