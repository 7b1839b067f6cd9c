"""One direction of one layer with its hand-written backward pass: the loops over time.

See `backends/_bptt.py` for the three steps and the words. Arrays are time first: the layer's input
x `(T, B, D)`, the initial state a tuple of `(B, H)`, `mask (T, B, 1)` and `perturbation (T, B, H)`
or None. The *operands* `(T, B, H + D + 1)` are [h before the step, x, 1] of every step: what the
weights U, W and b multiply. In `bfloat16` the products take rounded weights, inputs and h and are
summed in float32, in which the gates and the lstm's c stay.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from backends._jax.bptt_arrays import (
    at_step,
    flatten_steps,
    hidden_after,
    matmul,
    write_step,
    write_tape,
)
from backends._jax.bptt_cells import CellSteps
from backends._jax.bptt_weights import LoopWeights, backward_weights, forward_weights
from backends._jax.layers import add_perturbation, hold_state, input_products


class Saved(NamedTuple):
    """What the forward pass keeps for the backward pass."""

    weights: Any
    operands: Any
    final_hidden: Any
    tape: tuple[Any, ...]
    mask: Any
    perturbation: Any
    workspace: tuple[()] | None
    """None if operands and tape are not in a workspace of the caller."""


@cache
def differentiable(cell: CellSteps, dtype: str, reverse: bool) -> Callable[..., Any]:
    """Return the function of weights, x, initial state, mask, perturbation and workspace that JAX
    differentiates by `Direction.backward`; it returns the final state and h of every step.

    The workspace is None or the memory of operands and tape, whatever it holds. Its derivative is
    what the backward pass leaves there, so that a caller who donates it gets the same memory back.
    """
    direction = Direction(cell, dtype, reverse)
    function = jax.custom_vjp(direction.states)
    function.defvjp(direction.forward, direction.backward)
    return function


@dataclass(frozen=True)
class Direction:
    """The passes of one cell over one direction of one layer (`backends._bptt.CellPasses`)."""

    cell: CellSteps
    dtype: str
    reverse: bool

    def states(
        self, weights: Any, x: Any, initial: Any, mask: Any, perturbation: Any, workspace: Any
    ) -> Any:
        """Run all steps without a tape: return the final state and h of every step."""
        matrices = forward_weights(weights, self.cell.blocks, self.dtype)

        def step(state: Any, inputs: Any) -> Any:
            x_or_wx, mask, perturbation = inputs
            after, _ = self.cell.forward(self._wx(x_or_wx, matrices), state, matrices)
            after = hold_state(add_perturbation(after, perturbation), state, mask)
            return after, after[0]

        inputs = (self._inputs_of_loop(weights, x), mask, perturbation)
        return lax.scan(step, initial, inputs, reverse=self.reverse)

    def forward(
        self, weights: Any, x: Any, initial: Any, mask: Any, perturbation: Any, workspace: Any
    ) -> Any:
        """Run all steps: return what `states` returns, and what the backward pass needs."""
        matrices = forward_weights(weights, self.cell.blocks, self.dtype)
        inputs, steps = self._inputs_of_loop(weights, x), len(x)

        def step(k: Any, carry: Any) -> Any:
            state, operands, tape = carry
            t = steps - 1 - k if self.reverse else k
            after, factors = self.cell.forward(self._wx(inputs[t], matrices), state, matrices)
            operands = lax.dynamic_update_slice(operands, state[0][None], (t, 0, 0))
            after = add_perturbation(after, at_step(perturbation, t))
            after = hold_state(after, state, at_step(mask, t))
            return after, operands, write_tape(tape, factors, t)

        size = initial[0].shape[1]
        operands, *tape = workspace or self.workspace(steps, x.shape[1], x.shape[2], size, x.dtype)
        operands = self._write_inputs(operands, x)
        tape = tuple(tape) or (inputs,)
        carry, unroll = (initial, operands, tape), self._unroll(operands)
        final, operands, tape = lax.fori_loop(0, steps, step, carry, unroll=unroll)
        hidden = self._hidden_of_steps(operands, final[0])
        given = None if workspace is None else ()
        saved = Saved(weights, operands, final[0], tape, mask, perturbation, given)
        return (final, hidden), saved

    def backward(self, saved: Saved, cotangents: Any) -> Any:
        """Run all steps in reverse, then make each weight gradient in one product over all steps:
        return the derivatives of the arguments of `forward`."""
        d_initial, tape, d_perturbation = self._loop_back(saved, *cotangents)
        d_input_side, d_weights = self.cell.weight_gradients(
            [flatten_steps(array) for array in tape],
            flatten_steps(saved.operands),
            saved.final_hidden.shape[1],
            self.dtype,
        )
        w = saved.weights["w"].astype(self.dtype)
        dx = matmul(d_input_side, w).reshape(*saved.operands.shape[:2], -1)
        own_tape = tape if self.cell.tape_widths else ()
        d_workspace = None if saved.workspace is None else (saved.operands, *own_tape)
        return d_weights, dx, d_initial, None, d_perturbation, d_workspace

    def _loop_back(self, saved: Saved, d_final: Any, d_hidden: Any) -> Any:
        """Overwrite the tape with the derivatives of the preactivations; `d_final` and `d_hidden`
        are the derivatives of what `forward` returns. Return the derivative of the initial state,
        the tape, and the derivative of the perturbation."""
        weights, operands, final_hidden, tape, mask, perturbation, _ = saved
        matrices = backward_weights(weights, self.cell.blocks, self.dtype)
        steps = len(operands)

        def step(k: Any, carry: Any) -> Any:
            d_state, tape, d_perturbation = carry
            t = k if self.reverse else steps - 1 - k
            d_after = (d_state[0] + d_hidden[t], *d_state[1:])
            hidden = hidden_after(operands, final_hidden, t, self.reverse)
            hidden = hidden if perturbation is None else hidden - perturbation[t]
            # Read the tape only at the index that is written: otherwise XLA copies the whole
            # buffer at every step.
            entries = tuple(at_step(buffer, t) for buffer in tape)
            derivatives, d_before = self.cell.backward(d_after, hidden, entries, matrices)
            d_added = d_after[0]
            if (real := at_step(mask, t)) is not None:
                d_added, *derivatives = (jnp.where(real, d, 0) for d in (d_added, *derivatives))
                d_before = hold_state(d_before, d_after, real)
            tape = write_tape(tape, derivatives, t)
            if perturbation is not None:
                d_perturbation = write_step(d_perturbation, d_added, t)
            return d_before, tape, d_perturbation

        zeros = None if perturbation is None else jnp.zeros_like(perturbation)
        return lax.fori_loop(0, steps, step, (d_final, tape, zeros), unroll=self._unroll(operands))

    def workspace(
        self, steps: int, batch: int, inputs: int, size: int, dtype: Any
    ) -> tuple[Any, ...]:
        """The memory of the operands and, for a cell with factors, of the tape."""
        # The backward loop overwrites the tape instead of filling a second one: the operating
        # system maps a large buffer anew, page by page, at every call.
        widths = [size + inputs + 1, *(width * size for width in self.cell.tape_widths)]
        return tuple(jnp.zeros((steps, batch, width), dtype) for width in widths)

    def _unroll(self, operands: Any) -> int:
        """The steps that XLA gets at once: four for one sequence and a cell with factors."""
        # XLA starts each operation of a step by itself. With one sequence that takes longer than
        # the arithmetic; in four steps at once it finds fewer operations.
        return 4 if operands.shape[1] == 1 and self.cell.tape_widths else 1

    def _write_inputs(self, operands: Any, x: Any) -> Any:
        """The operands with [x, 1] in place, before h is written into them."""
        ones = jnp.full((*x.shape[:2], 1), 1, x.dtype)
        columns = jnp.concatenate([x, ones], axis=2)
        start = operands.shape[2] - columns.shape[2]
        return lax.dynamic_update_slice(operands, columns, (0, 0, start))

    def _hidden_of_steps(self, operands: Any, final_hidden: Any) -> Any:
        """h after every step `(T, B, H)`: the operands hold it at the next step, except the final
        h."""
        before, last = operands[:, :, : final_hidden.shape[1]], final_hidden[None]
        return jnp.concatenate([last, before[:-1]] if self.reverse else [before[1:], last])

    def _inputs_of_loop(self, weights: Any, x: Any) -> Any:
        """W x of all steps in one product for a cell without factors, whose backward pass
        overwrites it; x for the other cells, which make W x inside the loop."""
        # XLA does not vectorise, on the CPU, a kernel that reads one step of a sequence. Gates
        # computed directly from a step of W x would be such a kernel.
        return x if self.cell.tape_widths else input_products(x, weights, self.dtype)

    def _wx(self, x_or_wx: Any, weights: LoopWeights) -> Any:
        """W x of one step."""
        return matmul(x_or_wx, weights.w) if self.cell.tape_widths else x_or_wx
