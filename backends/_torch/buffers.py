"""Memory that passes use again."""

from typing import Any

from torch import Tensor


class BufferPool:
    """Buffers on the CPU, by dtype and shape: fresh memory costs a page fault for every 4 KiB. On a
    GPU PyTorch itself keeps what is freed, and the pool holds nothing."""

    SHAPES = 8
    """How many shapes are kept, those given back last. A pass over sequences of one length has up
    to four."""

    def __init__(self) -> None:
        self._free: dict[tuple[Any, ...], list[Tensor]] = {}

    def take(self, like: Tensor, *shape: int) -> Tensor:
        """A buffer that no pass uses, with the dtype and device of `like`; its values are
        arbitrary."""
        free = self._free.get((like.dtype, *shape))
        return free.pop() if free and not like.is_cuda else like.new_empty(shape)

    def give_back(self, *buffers: Tensor) -> None:
        """Return buffers that no pass uses any more."""
        for buffer in buffers:
            if not buffer.is_cuda:
                key = (buffer.dtype, *buffer.shape)
                self._free[key] = [*self._free.pop(key, []), buffer]
        while len(self._free) > self.SHAPES:
            del self._free[next(iter(self._free))]
