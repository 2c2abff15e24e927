"""Bodies of requests: counted and timed as they come, whatever their headers say."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from emofuse.app.limits import MEGABYTE, ServeLimits
from emofuse.app.metrics import ServerMetrics
from emofuse.app.refusals import RefusedError
from emofuse.app.storage import Storage

BODY = "emofuse.body"  # where a request's scope has its Body


class Body:
    """The body of a request, counted and timed as it comes.

    Args:
        receive: what the request comes by.
        limits: size and time of a request.
        storage: has the room for what comes.
        metrics: counted into.
    """

    def __init__(
        self, receive: Receive, limits: ServeLimits, storage: Storage, metrics: ServerMetrics
    ) -> None:
        self._receive, self._limits, self._storage, self._metrics = receive, limits, storage, metrics
        self._left = limits.upload_seconds
        self._complete = False
        self.count = 0

    def hand_over(self) -> int:
        """Bytes that somebody else will release."""
        count, self.count = self.count, 0
        return count

    def release(self, *, is_kept: bool) -> None:
        """The request is over.

        Args:
            is_kept: what it brought lies in the page's folder, and is counted there from here on.
        """
        count = self.hand_over()
        if is_kept:
            self._storage.keep_for_page(count)
        else:
            self._storage.release(count)

    async def __call__(self) -> Message:
        """The next piece."""
        if self._complete:  # nothing comes after it but the word that the client has gone
            return await self._receive()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            message = await asyncio.wait_for(self._receive(), max(self._left, 0.001))
        except TimeoutError:
            raise HTTPException(408, "the upload took too long") from None
        self._left -= loop.time() - begun
        self._complete = not message.get("more_body", False)
        self._add(len(message.get("body", b"")))
        return message

    def _add(self, count: int) -> None:
        if self.count + count > self._limits.upload_bytes:
            self._metrics.refused(413)
            raise HTTPException(413, too_large_line(self._limits))
        try:
            self._storage.take(count)
        except RefusedError as error:
            raise HTTPException(error.status, error.line, {"Retry-After": "10"}) from None
        self.count += count
        self._metrics.received(count)


def too_large_line(limits: ServeLimits) -> str:
    """Why a body is refused."""
    return f"the upload is larger than {limits.upload_bytes / MEGABYTE:g} MB, which is what this server takes"
