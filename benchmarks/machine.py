"""On what a benchmark was made: processor and threads."""

from __future__ import annotations

import platform
from pathlib import Path


def processor() -> str:
    """The processor's model as the system names it; its architecture where it has no name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    # On macOS and Windows the standard library knows it.
    return next(filter(None, names), "") or platform.processor() or platform.machine()


def machine_line(threads: int) -> str:
    """Such as ``Intel(R) Xeon(R) Processor (x86_64), 1 thread``."""
    return f"{processor()} ({platform.machine()}), {threads} {'thread' if threads == 1 else 'threads'}"
