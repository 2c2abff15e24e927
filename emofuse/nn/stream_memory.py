"""What a causal network remembers of a conversation between two calls."""

from __future__ import annotations

from collections.abc import Hashable

from torch import Tensor


class StreamMemory:
    """Tensors that causal blocks carry from one piece of a conversation to the next.

    Each block reads what it wrote at the previous call and overwrites it, so the memory holds a fixed number
    of tensors of fixed size (attention and convolution keep what their window reaches, an mLSTM its matrix
    memory, SimAM its running mean and variance). What is written is detached: no graph grows with the past.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[Hashable, ...], tuple[Tensor, ...]] = {}
        self._scope: tuple[Hashable, ...] = ()

    def scope(self, name: Hashable) -> StreamMemory:
        """The same memory seen under a name, for a block that runs several times in one pass."""
        view = StreamMemory()
        view._held = self._held
        view._scope = (*self._scope, name)
        return view

    def read(self, block: Hashable) -> tuple[Tensor, ...] | None:
        """What `block` wrote last, or None at the start of a conversation."""
        return self._held.get((*self._scope, block))

    def write(self, block: Hashable, *tensors: Tensor) -> None:
        """Replace what `block` remembers."""
        self._held[(*self._scope, block)] = tuple(tensor.detach() for tensor in tensors)

    def numel(self) -> int:
        """Number of values held, over all blocks."""
        return sum(tensor.numel() for tensors in self._held.values() for tensor in tensors)
