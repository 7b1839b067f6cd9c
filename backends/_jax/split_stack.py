"""`jax-split`: the layers of `jax`, with the sequences of a batch split over devices of the CPU.

XLA on the CPU runs the operations of a loop one after the other, and one step of a recurrent layer
is too small to be cut for several threads. Two loops in one compiled function run one after the
other as well; on two devices they run side by side.

Each device runs all steps of its share of the sequences, forward and backward, and makes its share
of each weight gradient. `jax.shard_map` adds the shares up by an all-reduce, which XLA on the CPU
does element by element in the order of the devices, so that a result does not depend on which
device is done first. Every device then makes the same update.

Where the devices do not divide the number of sequences, it is filled up with sequences of zeros,
whose gradients are zeros too. The loops take no longer than with shares of different sizes: all
devices wait for the largest share. Each device then computes readout and loss of the whole batch.
"""

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding

from backends._jax import bptt_stack
from backends._jax.layers import by_layer
from backends._jax.placement import FIRST, SECOND, WHOLE
from backends._jax.stack import Stack
from bench.spec import ModelSpec


@lru_cache
def split_stack(mesh: Mesh) -> Stack:
    """The stack of `jax` over the devices of a mesh with the axis `placement.SEQUENCES`."""
    return Stack(
        by_layer,
        bptt_stack.to_canonical,
        partial(run, mesh),
        time_major=True,
        workspace=partial(workspace_of, mesh),
    )


def run(
    mesh: Mesh,
    spec: ModelSpec,
    weights: Any,
    x: Any,
    lengths: Any = None,
    initial_state: Any = None,
    perturbation: Any = None,
    workspace: Any = None,
) -> Any:
    """See `RunStack` and `workspace_of`."""
    batch, missing = len(x), _missing(len(x), mesh)
    fill = partial(_fill, mesh, missing)
    arguments = {
        "weights": (weights, WHOLE),
        "x": (fill(x, 0), FIRST),
        "lengths": (fill(lengths, 0), FIRST),
        "initial_state": (fill(initial_state, 1), SECOND),
        "perturbation": (fill(perturbation, 1), SECOND),
        "workspace": (workspace, SECOND),
    }
    values, specs = zip(*arguments.values(), strict=True)
    # The check of what varies over the devices does not know the derivatives of a custom VJP.
    run_share = jax.shard_map(
        partial(bptt_stack.run, spec), mesh=mesh, in_specs=specs, out_specs=SECOND, check_vma=False
    )
    states = run_share(*values)
    return jax.tree.map(partial(_first, mesh, batch), states) if missing else states


def workspace_of(mesh: Mesh, spec: ModelSpec, batch: int, time: int) -> Any:
    """The memory of `bptt_stack.workspace_of` for the batch that is filled up."""
    return bptt_stack.workspace_of(spec, batch + _missing(batch, mesh), time)


def _missing(batch: int, mesh: Mesh) -> int:
    """The sequences that have to be added so that all devices get equally many."""
    return -batch % mesh.size


def _fill(mesh: Mesh, missing: int, arrays: Any, axis: int) -> Any:
    """Arrays with so many zeros added at the end of an axis; None of None."""

    def fill(array: Any) -> Any:
        widths = [(0, missing if index == axis else 0) for index in range(array.ndim)]
        return _whole(mesh, jnp.pad(_whole(mesh, array), widths))

    return jax.tree.map(fill, arrays) if missing else arrays


def _first(mesh: Mesh, batch: int, states: Any) -> Any:
    """The states of the first sequences `(·, batch, ·)`."""
    return _whole(mesh, _whole(mesh, states)[:, :batch])


def _whole(mesh: Mesh, array: Any) -> Any:
    """The array, with the whole of it on every device."""
    # XLA's partitioner must not spread a number that the devices do not divide: it then crashes on
    # the gradient of a cross-entropy with 64 bits on (jaxlib 0.10.1, a failed check in PadToShape).
    return jax.lax.with_sharding_constraint(array, NamedSharding(mesh, WHOLE))
