"""Where the arrays of a session live: on one device, or spread over several."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

SEQUENCES = "sequences"
"""The axis of devices over which the sequences of a batch are split."""
FIRST, SECOND = PartitionSpec(SEQUENCES), PartitionSpec(None, SEQUENCES)
"""The sequences of a batch along the first or the second axis of an array."""
WHOLE = PartitionSpec()
"""The whole array on every device."""


class Placement(Protocol):
    """What `jax.device_put` takes for each kind of array: a device, or a sharding over devices."""

    @property
    def weights(self) -> Any:
        """For the weights and the state of the optimiser."""

    @property
    def workspace(self) -> Any:
        """For the buffers of `Stack.workspace`, `(time, batch, ·)`."""

    def of_batch(self, shape: Sequence[int]) -> Any:
        """For an array of this shape, which begins with the sequences of a batch."""


@dataclass(frozen=True)
class OneDevice:
    """Everything on one device."""

    device: jax.Device

    @property
    def weights(self) -> Any:
        return self.device

    workspace = weights

    def of_batch(self, shape: Sequence[int]) -> Any:
        return self.device


@dataclass(frozen=True)
class OverDevices:
    """The weights on every device of a mesh with the axis `SEQUENCES`, and on each device its share
    of the sequences."""

    mesh: Mesh

    @property
    def weights(self) -> Any:
        return NamedSharding(self.mesh, WHOLE)

    @property
    def workspace(self) -> Any:
        return NamedSharding(self.mesh, SECOND)

    def of_batch(self, shape: Sequence[int]) -> Any:
        """JAX cannot spread a number of sequences that the devices do not divide: each device then
        gets all of them, and takes its share of them in the compiled function."""
        divides = len(shape) > 0 and shape[0] % self.mesh.size == 0
        return NamedSharding(self.mesh, FIRST) if divides else self.weights
