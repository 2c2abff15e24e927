"""The exception that means "the user can mend this", the warning beside it, and what is said of any failure."""

from __future__ import annotations

import errno
import os
import re

# torch has no error of its own for it.
LOST_WORKER = re.compile(
    r"DataLoader worker \(pid.*\) (?:is killed by signal: (?P<signal>\w+)|exited unexpectedly)"
)


class EmofuseError(Exception):
    """A mistake in what the user gave: its message is one clear line that says how to mend it.

    The command line prints the message without a traceback and exits with code 2.
    """


class EmofuseWarning(UserWarning):
    """Something that the user should know and that stops nothing; the command line prints it as one line."""


def is_interruption(error: BaseException) -> bool:
    """Whether a signal that asks this program to end is behind an error.

    Libraries make errors of their own of it: while they are imported, while they tidy up, or where a process that reads data
    has had the same signal first.
    """
    cause: BaseException | None = error
    while cause is not None:
        lost = LOST_WORKER.match(str(cause)) if isinstance(cause, RuntimeError) else None
        if isinstance(cause, KeyboardInterrupt) or (lost is not None and lost["signal"] == "Terminated"):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def reason_of(error: BaseException) -> str:
    """Why something failed, in one line: the message of an `EmofuseError`, another's with its name before it."""
    if isinstance(error, OSError) and error.errno is not None:
        return explain_os_error(error)
    reason = str(error) if isinstance(error, EmofuseError) else f"{type(error).__name__}: {error}"
    return " ".join(reason.split()).removesuffix(":") or type(error).__name__


def explain_os_error(error: OSError) -> str:
    """What the system refused, in one line that says what to do."""
    advice = {
        errno.ENOSPC: "make room on the disk, or write elsewhere",
        errno.EDQUOT: "make room in your quota, or write elsewhere",
        errno.EROFS: "write elsewhere",
        errno.EACCES: "change the rights, or write elsewhere",
        errno.EPERM: "change the rights, or write elsewhere",
        errno.ENAMETOOLONG: "choose a shorter name",
        errno.ENOTDIR: "a file stands where a folder should; choose another name",
        errno.EEXIST: "a file stands where a folder should; choose another name",
        errno.EISDIR: "a folder stands where a file should; choose another name",
        errno.ENOENT: "check the name",
        errno.ENOTEMPTY: "something else has been written there meanwhile; choose another name",
        errno.EFBIG: "the file is larger than may be written here; write elsewhere",
    }
    words = error.strerror or str(error) or type(error).__name__
    if error.errno in advice:  # libraries wrap the system's words in their own
        words = os.strerror(error.errno)
    what = words.splitlines()[0]
    where = f"{error.filename}: " if error.filename else ""
    hint = advice.get(error.errno or 0)
    return f"{where}{what}{f'; {hint}' if hint else ''}"
