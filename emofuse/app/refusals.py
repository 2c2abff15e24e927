"""Why the server does not do what it is asked: a status of HTTP and one line without a path of this machine."""

from __future__ import annotations

from emofuse.errors import EmofuseError


class RefusedError(EmofuseError):
    """A request that is not fulfilled.

    Attributes:
        status: of HTTP; 4xx where the request can be mended, 5xx where the server could not do it.
        line: what to tell, one line.
    """

    def __init__(self, status: int, line: str) -> None:
        super().__init__(status, line)  # both, so that it survives the way out of a worker
        self.status = status
        self.line = " ".join(line.split())

    def __str__(self) -> str:
        return self.line


class JobCancelledError(EmofuseError):
    """A job was cancelled while it was worked on."""
