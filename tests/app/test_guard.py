"""Hosts, origins, tokens and sizes, before anything else is looked at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from emofuse.app.guard import Access, Guard, names_of_this_machine
from emofuse.app.limits import ServeLimits
from emofuse.app.metrics import ServerMetrics
from emofuse.app.storage import Storage

LIMITS = ServeLimits(upload_bytes=1000)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    made = Storage(1500, tmp_path)
    yield made
    made.close()


def client(storage: Storage, access: Access, base: str = "http://127.0.0.1:7860") -> TestClient:
    app = FastAPI()

    @app.get("/")
    async def page() -> str:
        return "page"

    @app.get("/health")
    async def health() -> str:
        return "ok"

    @app.post("/count")
    async def count(request: Request) -> int:
        return len(await request.body())

    @app.websocket("/live")
    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        await websocket.close()

    return TestClient(Guard(app, access, LIMITS, storage, ServerMetrics()), base_url=base)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7860", 200),
        ("localhost:7860", 200),
        ("LOCALHOST.", 200),
        ("[::1]:7860", 200),
        ("192.168.7.9", 200),
        ("emotions.example:443", 200),
        ("rebound.attacker.example", 403),
        ("127.0.0.1.attacker.example", 403),
        ("localhost.attacker.example", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
def test_a_name_that_is_not_the_server_s_is_refused(storage: Storage, host: str, status: int) -> None:
    asked = client(storage, Access(hosts=["Emotions.Example"])).get("/", headers={"host": host})
    assert asked.status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:7860"}, 200),
        ({"origin": "https://attacker.example"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_a_page_of_another_site_cannot_ask(storage: Storage, headers: dict[str, str], status: int) -> None:
    asked = client(storage, Access()).post("/count", content=b"12", headers=headers)
    assert asked.status_code == status
    assert "access-control-allow-origin" not in asked.headers
    if status == 200:
        with client(storage, Access()).websocket_connect("ws://127.0.0.1:7860/live", headers=headers) as live:
            assert live.receive_text() == "hello"
    elif "origin" in headers:
        with (
            pytest.raises(WebSocketDisconnect),
            client(storage, Access()).websocket_connect("ws://127.0.0.1:7860/live", headers=headers),
        ):
            pass


def test_a_token_is_asked_for_everywhere_but_for_health(storage: Storage) -> None:
    asking = client(storage, Access("Geheimnis ü"))
    assert asking.get("/health").status_code == 200
    refused = asking.get("/")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert "Geheimnis" not in refused.text
    assert asking.get("/", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert asking.get("/", headers={"cookie": "emofuse=wrong"}).status_code == 401
    assert asking.get("/", headers={"authorization": "Bearer Geheimnis ü".encode()}).status_code == 401
    plain = client(storage, Access("secret"))
    assert plain.get("/", headers={"authorization": "bearer secret"}).status_code == 200
    with plain.websocket_connect("ws://127.0.0.1:7860/live?token=secret") as live:
        assert live.receive_text() == "hello"
    with pytest.raises(WebSocketDisconnect), plain.websocket_connect("ws://127.0.0.1:7860/live"):
        pass


def test_a_browser_gets_a_cookie_for_the_token_and_an_address_without_it(storage: Storage) -> None:
    asking = client(storage, Access("secret"))
    answer = asking.get("/?token=secret", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secret" not in cookie
    assert asking.get("/").json() == "page"
    assert asking.get("/?token=wrong", headers={"cookie": ""}, follow_redirects=False).status_code == 401


def test_bodies_are_counted_as_they_come_and_their_room_is_given_back(storage: Storage) -> None:
    asking = client(storage, Access())
    assert asking.post("/count", content=bytes(1000)).json() == 1000
    assert asking.post("/count", content=bytes(1001)).status_code == 413
    # Nobody says how long it is.
    streamed = asking.post("/count", content=(bytes(300) for _ in range(4)))
    assert streamed.status_code == 413
    assert "1e-03 MB" in streamed.text or "0.001 MB" in streamed.text
    assert asking.post("/count", headers={"content-length": "9" * 5000}).status_code in (400, 413)
    assert storage.held == 0
    storage.take(1000)
    full = asking.post("/count", content=bytes(600))
    assert (full.status_code, full.headers["retry-after"]) == (503, "10")


def test_answers_carry_the_headers_that_keep_others_out(storage: Storage) -> None:
    headers = client(storage, Access()).get("/").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'self'" in headers["content-security-policy"]


def test_names_of_a_machine_are_known_where_others_can_reach_it() -> None:
    assert names_of_this_machine("127.0.0.1") == names_of_this_machine("localhost") == frozenset()
    assert names_of_this_machine("0.0.0.0")
    assert names_of_this_machine("emotions.example") == {"emotions.example"}
