"""Whether a process of this machine has ended."""

from __future__ import annotations

import os
from pathlib import Path


def has_ended(process: int) -> bool:
    """Whether a process has ended, also where its parent has not asked yet how; False where nobody can say.

    Args:
        process: its number, on this machine.
    """
    if os.name != "posix":  # elsewhere there is no signal that only asks
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return _is_left_over(process)


def _is_left_over(process: int) -> bool:
    """Whether only its entry is left. In a container whose first process asks for nobody's end it stays for ever."""
    try:
        return Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZX"
    except (OSError, IndexError):
        return False
