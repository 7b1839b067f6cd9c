"""One direction of one layer as a tf.while_loop, with its backward pass written by hand.

See `backends/_bptt.py` for the steps and the words. Sequences are time-major `(time, batch, ·)`.
Weights lie as Keras lays them out: products are h @ u with u `(H, G·H)`, and the gates of the gru
come in the order z, r, n. The loop computes the state side of the preactivations; their input side
is computed for all steps before it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from backends._tensorflow.loop_cells import CELL_OF_KERAS, CellSteps


def loop_scan(
    layer: Any, x: Any, initial: list[Any], mask: Any, perturbation: Any, every: bool
) -> tuple[Any, ...]:
    """Run one direction of one layer: see `backends._keras.layers.keras_scan`, in whose place
    this stands."""
    keras_cell = layer.cell
    dtype = keras_cell.compute_dtype

    def time_major(value: Any) -> Any:
        value = tf.transpose(value, [1, 0, 2])
        return tf.reverse(value, [0]) if layer.go_backwards else value

    w, u, b = (
        tf.cast(v.value, dtype)
        for v in (keras_cell.kernel, keras_cell.recurrent_kernel, keras_cell.bias)
    )
    cell = CELL_OF_KERAS[type(keras_cell).__name__, getattr(keras_cell, "reset_after", False)]
    bias, *second_bias = tf.unstack(b) if b.shape.rank == 2 else [b]
    input_side = tf.tensordot(time_major(tf.cast(x, dtype)), w, 1) + bias
    mask = None if mask is None else time_major(mask[..., None])
    if perturbation is not None:
        perturbation = time_major(tf.cast(perturbation, dtype))
    states = [tf.cast(state, dtype) for state in initial]
    weights = [*cell.recurrent_weights(u), *second_bias]
    h, *final = Passes(cell, mask).run(input_side, weights, states, perturbation, every)
    return tf.transpose(h, [1, 0, 2]) if every else h, *final


@dataclass(frozen=True)
class Passes:
    """The two passes of one cell over one direction: see `backends._bptt.CellPasses`.

    `mask` `(time, batch, 1)` is true where a step is real, or None where all are.
    """

    cell: CellSteps
    mask: Any

    def run(
        self,
        input_side: Any,
        weights: list[Any],
        initial: list[Any],
        perturbation: Any,
        every: bool,
    ) -> tuple[Any, ...]:
        """h `(time, batch, hidden)`, or the final one, and the final states; TensorFlow takes
        their gradients by `derivatives`."""
        perturbed = perturbation is not None

        @tf.custom_gradient
        def passes(
            input_side: Any, perturbation_or_zero: Any, weights: list[Any], initial: list[Any]
        ) -> tuple[Any, Any]:
            added = perturbation_or_zero if perturbed else None
            states, tape = self.forward(input_side, weights, initial, added)
            final = [state[-1] for state in states]

            def gradient(*d_outputs: Any) -> list[Any]:
                d_above, d_final = (d_outputs[0], d_outputs[1:]) if every else (None, d_outputs)
                d_input_side, d_hidden, d_weights, d_initial = self.derivatives(
                    weights, initial, states, tape, d_above, d_final
                )
                return [d_input_side, d_hidden if perturbed else None, *d_weights, *d_initial]

            return (states[0], *final) if every else tuple(final), gradient

        # A custom gradient takes tensors alone: a zero stands for a perturbation that is None.
        perturbation_or_zero = perturbation if perturbed else tf.zeros((), input_side.dtype)
        outputs = passes(input_side, perturbation_or_zero, weights, initial)
        return outputs if every else (outputs[0], *outputs)

    def derivatives(
        self,
        weights: list[Any],
        initial: list[Any],
        states: list[Any],
        tape: list[Any],
        d_above: Any,
        d_final: Sequence[Any],
    ) -> tuple[Any, Any, list[Any], list[Any]]:
        """The derivatives of the input side, of h at every step, of the weights and of the initial
        states, from what `forward` returned and the derivatives of the outputs."""
        before = [
            tf.concat([first[None], state[:-1]], 0)
            for first, state in zip(initial, states, strict=True)
        ]
        factors = self.cell.factors(tape, before, states)
        d_state_side, d_hidden, d_initial = self.backward(factors, weights, d_above, d_final)
        d_real = d_hidden
        if self.mask is not None:
            d_real = tf.where(self.mask, d_hidden, tf.zeros_like(d_hidden))
        d_input_side, *d_weights = self.cell.weight_gradients(
            d_state_side, d_real, factors, before[0]
        )
        return d_input_side, d_hidden, d_weights, d_initial

    def forward(
        self, input_side: Any, weights: list[Any], initial: list[Any], perturbation: Any
    ) -> tuple[list[Any], list[Any]]:
        """The states after every step, and the tape."""
        hidden = initial[0].shape[-1]
        input_at, is_real, perturbation_at = (
            _reader(values) for values in (input_side, self.mask, perturbation)
        )

        def step(t: Any, states: Sequence[Any]) -> tuple[list[Any], list[Any]]:
            (h, *others), tape = self.cell.forward(input_at(t), weights, states)
            new = [h if perturbation is None else h + perturbation_at(t), *others]
            if self.mask is not None:
                new = [tf.where(is_real(t), n, s) for n, s in zip(new, states, strict=True)]
            return new, [*new, *tape]

        widths = [hidden] * len(initial) + [hidden * width for width in self.cell.tape_widths]
        _, arrays = _while_loop(range(input_side.shape[0]), step, initial, widths)
        return arrays[: len(initial)], arrays[len(initial) :]

    def backward(
        self,
        factors: list[Any],
        weights: list[Any],
        d_above: Any,
        d_final: Sequence[Any],
    ) -> tuple[Any, Any, list[Any]]:
        """The derivatives of the state side `(time, batch, G·H)`, of h at every step, and of
        the initial states.

        `d_above` is dL/dh_t from above, or None where only the final states were returned.
        """
        readers = [_reader(factor) for factor in factors]
        d_above_at, is_real = _reader(d_above), _reader(self.mask)
        transposed = [tf.transpose(w) for w in weights]

        def step(t: Any, d_states: Sequence[Any]) -> tuple[list[Any], list[Any]]:
            d_hidden, *others = d_states
            d_hidden = d_hidden if d_above is None else d_hidden + d_above_at(t)
            d_after = [d_hidden, *others]
            d_real = d_after
            if self.mask is not None:
                d_real = [tf.where(is_real(t), d, 0 * d) for d in d_after]
            factors_now = [read(t) for read in readers]
            d_state_side, d_before = self.cell.backward(factors_now, transposed, d_real)
            if self.mask is not None:  # a held state passes its derivative to the state before it
                d_before = [
                    before + (after - real)
                    for before, after, real in zip(d_before, d_after, d_real, strict=True)
                ]
            return d_before, [d_state_side, d_hidden]

        times, hidden = range(factors[0].shape[0])[::-1], d_final[0].shape[-1]
        widths = [self.cell.gate_count * hidden, hidden]
        d_initial, (d_state_side, d_hidden) = _while_loop(times, step, d_final, widths)
        return d_state_side, d_hidden, d_initial


def _while_loop(
    times: range, step: Callable[..., Any], initial: Sequence[Any], widths: Sequence[int]
) -> tuple[list[Any], list[Any]]:
    """The states after the last of these times, and the arrays `(time, batch, width)` of what
    `step(t, states)` returns beside the new states."""
    batch, dtype, count = initial[0].shape[0], initial[0].dtype, len(initial)
    arrays = [tf.TensorArray(dtype, len(times), element_shape=(batch, width)) for width in widths]

    def body(t: Any, *variables: Any) -> tuple[Any, ...]:
        states, values = step(t, variables[:count])
        written = [
            array.write(t, value) for array, value in zip(variables[count:], values, strict=True)
        ]
        return t + times.step, *states, *written

    _, *end = tf.while_loop(
        lambda t, *_: tf.logical_and(t >= 0, t < len(times)),
        body,
        (tf.constant(times[0]), *initial, *arrays),
        maximum_iterations=len(times),
    )
    return end[:count], [array.stack() for array in end[count:]]


def _reader(values: Any) -> Callable[[Any], Any]:
    """A function that returns the values of one step, from those of all steps `(time, …)`."""
    if values is None:
        return lambda t: None
    return (
        tf.TensorArray(values.dtype, values.shape[0], clear_after_read=False).unstack(values).read
    )
