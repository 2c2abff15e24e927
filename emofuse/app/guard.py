"""Who may ask: hosts, origins and tokens are looked at before anything else, and bodies are counted as they come.

A page on another site can make a browser ask servers on this machine. It cannot set the Host and Origin headers: a name
that was made to point here (DNS rebinding) shows in the one, a page of another site in the other.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emofuse.app.body import BODY, Body, too_large_line
from emofuse.app.limits import ServeLimits
from emofuse.app.metrics import ServerMetrics
from emofuse.app.storage import Storage

_COOKIE = "emofuse"
PAGE_UPLOAD = "/gradio_api/upload"
_OPEN = frozenset({"/health"})
# Only what comes from this server is shown or run; a page of another site cannot frame it.
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Attributes:
        token: that every request but /health must bring; None for none.
        hosts: names by which the server may be called, besides addresses and localhost.
        session: what a browser's cookie holds once it has shown the token; new with every start.
    """

    token: str | None = None
    hosts: Collection[str] = ()
    session: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def knows_host(self, header: str) -> bool:
        """Whether a Host header names this server; an address cannot be rebound, so that any is right."""
        name = _host_name(header)
        if name in {"localhost", *(host.lower() for host in self.hosts)}:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def is_known(self, headers: Headers, query: Mapping[str, list[str]]) -> bool:
        """Whether a request brings the token, or the cookie that was given for it."""
        if self.token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(given.strip()):
            return True
        if any(self.is_token(given) for given in query.get("token", [])):
            return True
        return hmac.compare_digest(_cookie(headers).encode(), self.session.encode())

    def is_token(self, given: str) -> bool:
        """Compare in a time that says nothing of where the two differ."""
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())


class Guard:
    """The outermost layer of the server.

    Args:
        app: what is guarded.
        access: who may ask.
        limits: size and time of a request.
        storage: has the room for what comes.
        metrics: counted into.
    """

    def __init__(
        self, app: ASGIApp, access: Access, limits: ServeLimits, storage: Storage, metrics: ServerMetrics
    ) -> None:
        self.app, self.access, self.limits = app, access, limits
        self.storage, self.metrics = storage, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if scope["type"] == "websocket":
            if refusal is None:
                await self.app(scope, receive, send)
            else:
                self.metrics.refused(refusal.status_code)
                await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
            return
        answer = refusal or self._greeting(scope)
        sender = _with_headers(send)
        if answer is not None:
            if answer.status_code >= 400:
                self.metrics.refused(answer.status_code)
            await answer(scope, receive, sender)
            return
        body = Body(receive, self.limits, self.storage, self.metrics)
        scope[BODY] = body
        try:
            await self.app(scope, body, sender)
        finally:
            body.release(is_kept=scope["path"].endswith(PAGE_UPLOAD))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if not self.access.knows_host(host):
            return _line(
                403, "this server is not called by that name: use its address, or start it with --allow-host"
            )
        origin = headers.get("origin")
        if origin is not None and _place_of(origin) != host.lower():
            return _line(403, "requests from pages of other sites are refused")
        if headers.get("sec-fetch-site") == "cross-site" and scope.get("method") not in ("GET", "HEAD"):
            return _line(403, "requests from pages of other sites are refused")
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        if scope["path"] not in _OPEN and not self.access.is_known(headers, query):
            return _line(401, "this server wants a token: Authorization: Bearer TOKEN")
        if _length(headers) > self.limits.upload_bytes:
            return _too_large(self.limits)
        return None

    def _greeting(self, scope: Scope) -> Response | None:
        """A browser that shows the token gets a cookie for it, and an address without it."""
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        if scope["path"] != "/" or not any(self.access.is_token(given) for given in query.get("token", [])):
            return None
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(
            _COOKIE, self.access.session, httponly=True, samesite="strict", secure=scope["scheme"] == "https"
        )
        return answer


def is_loopback(host: str) -> bool:
    """Whether a server that listens there can be reached from this machine alone."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names_of_this_machine(host: str) -> frozenset[str]:
    """Names under which a server is called by others.

    Args:
        host: that it listens at; on the loopback nobody else calls it.
    """
    if is_loopback(host):
        return frozenset()
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return frozenset({host})
    return frozenset({socket.gethostname().lower()})


def _line(status: int, line: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse({"detail": line}, status, headers={**headers, "Connection": "close"})


def _too_large(limits: ServeLimits) -> Response:
    return _line(413, too_large_line(limits))


def _length(headers: Headers) -> int:
    given = headers.get("content-length", "")
    return int(given[:20]) if given.isascii() and given.isdigit() else 0


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _host_name(header: str) -> str:
    """The name in a Host header: without port, and an IPv6 address without brackets."""
    try:
        return (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _place_of(origin: str) -> str | None:
    """Host and port of an Origin header; None where it is no address."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _with_headers(send: Send) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("Content-Security-Policy", POLICY)
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
            headers["X-Frame-Options"] = "SAMEORIGIN"
            for name in [n for n in headers if n.lower().startswith("access-control-")]:
                del headers[
                    name
                ]  # nobody else's page may read an answer, whatever the parts of the server think
        await send(message)

    return sender
