"""Backpropagation through time written by hand: the words and the steps that backends share.

A framework that differentiates a loop by itself adds up the gradient of the recurrent weights at
every step. The backends `numpy`, `torch-scan`, `tensorflow-loop` and `jax` do it by hand instead,
in the same three steps for each direction of each layer (Werbos 1990, Backpropagation through
time: what it does and how to do it):

1. **Forward.** One product makes the input side of the preactivations, W x + b, for all steps.
   The loop over time adds U h, applies the nonlinearities and writes the states. What the backward
   pass needs is saved on the *tape*.
2. **Backward.** The loop over time runs from the last step to the first and leaves the derivative
   of every preactivation. Only what depends on later steps stays inside the loop; the *factors*
   that do not depend on them are computed for many steps at once.
3. **Weight gradients.** dL/dW, dL/dU, dL/db and dL/dx are one product each over all steps.

The words, the same in every backend (shapes in the canonical order; each file states its own
layout):

- `preactivations (T, B, G·H)`: W x + U h + b of each step, before σ and tanh. The *input side* is
  W x + b (`jax` adds b in the loop: `wx` is W x); the *state side* is U h, in the gru of the form
  reset_after with b_hn;
- `gates (T, B, G·H)`: the same after σ and tanh;
- `hidden (T + 1, B, H)`: h, from the initial state to the last step; `cell_states`: c likewise;
- `tape`: what the forward pass saves for the backward pass;
- `mask (T, B, 1)`: 1 where a step is real; beyond the end of a sequence the state is held;
- `padding`: the inverse of the mask, 1 beyond the end of a sequence. `numpy` hands it to its
  cells in place of the mask, because its operations name the elements that they overwrite;
- `perturbation (T, B, H)`: the zero that is added to h_t so that its gradient is dL/dh_t;
- `d_hidden`: dL/dh_t from above at first, the total derivative once the loop has passed t;
- `d_cell_state`: dL/dc_t; `d_preactivations (T, B, G·H)`: the derivative of the preactivations,
  which is that of both sides. Only the candidate of the gru reset_after differs, by the factor r
  between them: there `d_input_side` and `d_state_side` are told apart;
- `factors`: derivatives of one step that do not depend on later steps.

In a cell's code the words are short where its equation stands beside them: `a` is W x + b, to which
the loop adds U h and which it turns into the gates, in place where it can; `a_t` is `a` at step t;
`inner` is U_n h + b_hn and `rh` is r∘h, which the two forms of the gru read; `da`, `dh`, `dc` and
`d_rh` are the derivatives of a, h, c and r∘h; h' and c', dh' and dc' belong to the state after the
step.
"""

from typing import Any, Protocol


class CellPasses(Protocol):
    """The two passes of one cell over one direction of one layer, written side by side."""

    def forward(self, *arguments: Any) -> Any:
        """Run all steps from the initial state; return the states and the tape."""

    def backward(self, *arguments: Any) -> Any:
        """Run all steps in reverse from the tape and dL/dh of every step; return the derivatives
        of the preactivations and of the initial state."""
