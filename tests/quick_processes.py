"""Processes that are spawned, as forks of this one: a fresh one imports everything anew, which takes seconds.

They get what they are given by pickle, as spawned ones do.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import context, popen_spawn_posix
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest
import torch


class _Child:
    """What is pickled for a process asks this for the numbers of open files: a fork keeps them."""

    DupFd = popen_spawn_posix._DupFd

    def duplicate_for_child(self, file: int) -> int:
        return file


def _call(pickled: memoryview) -> None:
    target, args, kwargs = ForkingPickler.loads(pickled)
    target(*args, **kwargs)


class _Process(context.ForkProcess):
    def __init__(
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        context.set_spawning_popen(_Child())
        try:
            pickled = ForkingPickler.dumps((target, args, kwargs or {}))
        finally:
            context.set_spawning_popen(None)
        super().__init__(group, _call, name, (pickled,), daemon=daemon)


class _Context(context.SpawnContext):
    Process = _Process


@contextmanager
def quick_processes() -> Iterator[None]:
    """Within it, who asks `multiprocessing` for spawned processes gets such."""
    if torch.cuda.is_available():  # a fork cannot use a device that this process has used
        yield
        return
    usual, quick = multiprocessing.get_context, _Context()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            multiprocessing,
            "get_context",
            lambda method=None: quick if method == "spawn" else usual(method),
        )
        yield
