"""How much memory a piece of work takes beyond what is there before it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import torch


class PeakMemory:
    """Measures what stands in its ``with`` block; afterwards `mib` says the most, None where that is not known.

    On CUDA that is torch's own count. On Linux it is the growth of the resident memory of this process, whose
    high-water mark the system can reset; what an earlier piece of work has freed and the allocator has kept is taken
    again without growth, so a process should measure one thing.

    Args:
        device: ``"cpu"`` or ``"cuda"``.
    """

    COUNTS: ClassVar[dict[str, str]] = {"cuda": "torch's count on the GPU", "cpu": "growth of the peak RSS"}

    def __init__(self, device: str) -> None:
        self.device = device
        self.mib: float | None = None
        self._before: int | None = None

    def __enter__(self) -> Self:
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
            self._before = torch.cuda.memory_allocated()
        elif sys.platform.startswith("linux") and _reset_high_water():
            self._before = _status("VmRSS")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is None:
            return
        if self.device == "cuda":
            self.mib = (torch.cuda.max_memory_allocated() - self._before) / 2**20
        else:
            self.mib = max(0, _status("VmHWM") - self._before) / 1024


def _reset_high_water() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _status(name: str) -> int:
    """A figure of /proc/self/status, in KiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])
