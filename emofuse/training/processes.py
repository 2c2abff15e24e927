"""Processes that train one model together: how many, which one this is, and who goes first."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from emofuse.errors import EmofuseError

# The first process may fine-tune and encode for hours while the others wait; torchrun ends them should it die.
_PATIENCE = timedelta(days=7)


@dataclass(frozen=True)
class Processes:
    """A process for each device of each machine.

    Attributes:
        devices: of each machine.
        nodes: machines.
    """

    devices: int = 1
    nodes: int = 1

    @property
    def count(self) -> int:
        """How many there are in all."""
        return self.devices * self.nodes

    def check(self, device: str) -> None:
        """See that this machine, and what started this process, can provide them.

        Args:
            device: ``"cpu"`` or ``"cuda"``.

        Raises:
            EmofuseError: there are fewer CUDA devices, or the processes were started otherwise.
        """
        if device == "cuda" and self.devices > torch.cuda.device_count():
            raise EmofuseError(
                f"setting devices: {self.devices} CUDA devices were asked for, and this machine has "
                f"{torch.cuda.device_count()}"
            )
        if self.count > 1 and not dist.is_available():
            raise EmofuseError("setting devices: this torch was built without torch.distributed; use 1")
        if not is_torchrun():
            if self.nodes > 1:
                raise EmofuseError(
                    f"setting nodes: several machines are started with torchrun, on each: torchrun --nnodes {self.nodes} "
                    f"--nproc-per-node {self.devices} --rdzv-backend c10d --rdzv-endpoint HOST:PORT --no-python emofuse ..."
                )
            return
        local_size, world_size = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
        if (local_size, world_size) != (self.devices, self.count):
            raise EmofuseError(
                f"settings devices and nodes: {self.devices} and {self.nodes} do not fit torchrun, which started "
                f"{world_size} processes, {local_size} of them here; repeat its --nproc-per-node and --nnodes"
            )


def is_torchrun() -> bool:
    """Whether torchrun started this process."""
    return dist.is_available() and dist.is_torchelastic_launched()


def is_first() -> bool:
    """Whether this process writes files: the only one, or the first of those that torchrun started."""
    return not is_torchrun() or int(os.environ["RANK"]) == 0


@contextmanager
def main_process_first() -> Iterator[None]:
    """The first of torchrun's processes does what is inside while the others wait; then they do it too.

    They find done what it has done: features in the store, a fine-tuned encoder in its folder.
    """
    if not is_first():
        wait_for_all()
    yield
    if is_first():
        wait_for_all()


def wait_for_all() -> None:
    """Go on when all of torchrun's processes have come here.

    Raises:
        EmofuseError: one of them has ended.
    """
    if not is_torchrun() or int(os.environ["WORLD_SIZE"]) == 1:
        return
    if not dist.is_initialized():
        cuda = torch.cuda.is_available() and dist.is_nccl_available()
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=_PATIENCE)
        # Threads of the group that outlive the interpreter abort the process, and torchrun then ends the others.
        atexit.register(_leave)
    try:
        dist.all_reduce(torch.zeros(1))
    except RuntimeError:
        raise EmofuseError(
            "another of torchrun's processes has ended; the reason is in its own output"
        ) from None


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
