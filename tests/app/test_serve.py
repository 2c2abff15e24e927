"""`emofuse serve` on a real run, in a process of its own: asked by programs, by a browser, and told to stop."""

import io
import json
import os
import pickle
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from emofuse import EmotionPipeline
from emofuse.data.manifest import Manifest
from emofuse.data.media_writer import write_wav
from emofuse.runs.run_folder import RunFolder
from tests.app.browser import page_of_browser, upload
from tests.app.serving import Serving
from tests.small_corpus import tone_of

MOST = 4_000_000  # bytes of an upload; a camera makes a megabyte in a few seconds


@pytest.fixture(scope="module")
def serving(media_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    limits = ["--max-mb", str(MOST / 1e6), "--max-minutes", "0.25", "--live", "1"]
    server = Serving(tmp_path_factory.mktemp("server"), str(media_run.path), *limits)
    yield server
    server.stop()


@pytest.fixture
def client(serving: Serving) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=serving.address, timeout=60, trust_env=False) as made:
        yield made


@pytest.fixture(scope="module")
def clip(media_corpus: Manifest) -> Path:
    found = next(iter(media_corpus.rows())).video
    assert found is not None
    return found


def file_of(path: Path, name: str | None = None) -> dict[str, tuple[str, bytes]]:
    return {"file": (name or path.name, path.read_bytes())}


def test_a_clip_is_answered_as_the_pipeline_answers_it(
    client: httpx.Client, clip: Path, media_run: RunFolder
) -> None:
    asked = {"text": "what a day", "by_modality": "true", "explain": "true"}
    answer = client.post("/predict", files=file_of(clip, "../Zoë.mp4"), data=asked)
    assert answer.status_code == 200, answer.text
    [expected] = EmotionPipeline.from_pretrained(media_run.path, device="cpu")(
        clip, text="what a day", by_modality=True
    )
    [segment] = answer.json()["segments"]
    assert segment["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
    assert segment["by_modality"]["audio"] == pytest.approx(expected.by_modality["audio"], abs=1e-5)
    assert (segment["label"], segment["id"], segment["end"]) == (expected.label, "Zoë.mp4", expected.end)
    assert answer.json()["recording"] == "Zoë.mp4"
    shares = segment["explanation"]["shapley"]
    assert set(shares) == {"text", "audio", "video"}
    assert client.get("/run").json()["labels"] == ["anger", "joy", "sadness"]
    cut = client.post("/predict", files=file_of(clip), data={"every": "0.3"}).json()
    assert [round(s["start"], 1) for s in cut["segments"]] == [0.0, 0.3]
    words = client.post("/predict", data={"text": "what a day"}).json()
    assert words["segments"][0]["used"] == ["text"]
    assert words["segments"][0]["end"] is None


def test_a_job_is_asked_for_later_has_a_page_and_is_forgotten(
    client: httpx.Client, clip: Path, serving: Serving
) -> None:
    begun = client.post("/jobs", files=file_of(clip), data={"page": "true"})
    assert begun.status_code == 202
    place = f"/jobs/{begun.json()['id']}"
    until = time.monotonic() + 60
    while (status := client.get(place).json())["state"] in ("waiting", "running"):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert (status["state"], status["has_page"]) == ("done", True)
    assert len(status["result"]["segments"]) == 1
    page = client.get(f"{place}/page")
    assert "sandbox" in page.headers["content-security-policy"]
    assert "data:video/mp4;base64," in page.text
    assert str(serving.temporary) not in page.text
    assert not list(serving.temporary.rglob("recording*"))
    assert client.delete(place).status_code == 200
    assert client.get(place).status_code == 404
    assert client.get(f"{place}/page").status_code == 404
    assert client.get("/jobs/../../etc/passwd").status_code == 404


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({"every": "0"}, "every"),
        ({"every": "nan"}, "every"),
        ({"every": "many"}, "every"),
        ({"start": "-1"}, "start"),
        ({"start": "3", "end": "2"}, "must end after it starts"),
        ({"coverage": "1.5"}, "coverage"),
        ({"coverage": "0.9"}, "emofuse evaluate"),
        ({"text": "x" * 20_000}, "text"),
        (
            {"by-modality": "true"},
            "there is no field 'by-modality'; perhaps 'by_modality'; there are file, text, ",
        ),
        ({"x" * 200: "1"}, "there is no field"),
        ({"page": "true"}, "there is no field 'page'; there are file, text, "),
    ],
)
def test_options_that_cannot_be_are_one_line(
    client: httpx.Client, clip: Path, media_run: RunFolder, data: dict[str, str], what: str
) -> None:
    answer = client.post("/predict", files=file_of(clip), data=data)
    assert answer.status_code == 422
    assert what in answer.json()["detail"]
    assert str(media_run.path) not in answer.text
    assert len(answer.text) < 500


def hostile_files(folder: Path, clip: Path) -> dict[str, bytes]:
    whole = clip.read_bytes()
    secret = folder / "secret.wav"
    write_wav(secret, np.zeros(1600, np.float32))
    return {
        "empty.mp4": b"",
        "head.mp4": whole[:300],
        "garbage.mp4": b"\x00garbage" * 1000,
        "list.m3u8": f"#EXTM3U\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n".encode(),
        "list.mp4": f"ffconcat version 1.0\nfile '{secret}'\n".encode(),
        "far.m3u8": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/x.ts\n#EXT-X-ENDLIST\n",
        "run.pkl": pickle.dumps({"a": np.zeros(3)}),
        "bomb.png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
        + b"\x7f\xff\xff\xff" * 2
        + b"\x08\x02\x00\x00\x00abcd",
        "page.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    }


def test_hostile_files_are_refused_in_one_line_without_a_path(
    client: httpx.Client, clip: Path, serving: Serving, tmp_path: Path
) -> None:
    for name, content in hostile_files(tmp_path, clip).items():
        answer = client.post("/predict", files={"file": (name, content)})
        told = answer.json()
        if (
            answer.status_code == 200
        ):  # there are streams in the head of a file, and nothing to be had of them
            assert name == "head.mp4", f"{name}: {answer.text[:300]}"
            assert [s["used"] for s in told["segments"]] == [[]]
        else:
            assert (answer.status_code, name in told["detail"]) == (422, True), f"{name}: {answer.text[:300]}"
        for hidden in ("Traceback", str(serving.temporary), str(tmp_path), "/tmp"):
            assert hidden not in answer.text, f"{name}: {answer.text[:300]}"
    assert client.get("/health").json() == {"status": "ok", "workers": 1}


def test_shared_hostile_files_are_answered_or_refused(
    client: httpx.Client, shared_cases: Path, serving: Serving
) -> None:
    small = [path for path in sorted(shared_cases.iterdir()) if path.stat().st_size < MOST - 2000]
    assert small
    for path in small:
        answer = client.post("/predict", files=file_of(path))
        assert answer.status_code in (200, 413, 422), f"{path.name}: {answer.text}"
        assert str(serving.temporary) not in answer.text
    assert "Traceback" not in serving.log.read_text("utf-8")


def test_what_is_too_large_or_too_long_is_refused(client: httpx.Client, tmp_path: Path) -> None:
    large = client.post("/predict", files={"file": ("large.mp4", bytes(MOST))})
    assert (large.status_code, "larger than 4 MB" in large.json()["detail"]) == (413, True)
    streamed = client.post(
        "/predict",
        content=(bytes(MOST // 4) for _ in range(8)),
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert streamed.status_code in (400, 413)
    by_page = client.post("/gradio_api/upload", files={"files": ("large.mp4", bytes(MOST))})
    assert by_page.status_code == 413
    write_wav(tmp_path / "long.wav", np.zeros(16000 * 16, np.float32))
    long = client.post("/predict", files=file_of(tmp_path / "long.wav"))
    assert (long.status_code, long.json()["detail"][:19]) == (413, "long.wav lasts 16 s")


def test_others_pages_and_files_are_kept_out(
    client: httpx.Client, media_run: RunFolder, serving: Serving, clip: Path
) -> None:
    assert client.get("/", headers={"host": "rebound.example"}).status_code == 403
    assert (
        client.post("/predict", data={"text": "x"}, headers={"origin": "http://a.example"}).status_code == 403
    )
    beside = (
        serving.temporary / "secret.mp4"
    )  # Gradio takes what lies in the system's folder for temporary files
    beside.write_bytes(clip.read_bytes())
    for place in ("/etc/passwd", str(media_run.path / "run.json"), "http://127.0.0.1:1/", str(beside)):
        assert client.get(f"/gradio_api/file={place}").status_code == 403
        said = page_event(client, place)
        assert said["success"] is False, said
        assert "Traceback" not in json.dumps(said)
    assert not [p for p in serving.temporary.rglob("secret.mp4") if p != beside]
    assert str(media_run.path) not in client.get("/config").text


def page_event(client: httpx.Client, place: str) -> dict:
    """What the page says where a client names a place in a file's stead."""
    config = client.get("/config").json()
    [event] = [d for d in config["dependencies"] if len(d["inputs"]) > 5]
    given = {"path": place, "meta": {"_type": "gradio.FileData"}}
    data = ["upload", given, None, None, "", "", "", False, False]
    call = {"data": data, "fn_index": event["id"], "session_hash": f"s{abs(hash(place))}"}
    assert client.post("/gradio_api/queue/join", json=call).status_code == 200
    with client.stream(
        "GET", "/gradio_api/queue/data", params={"session_hash": call["session_hash"]}
    ) as told:
        for line in told.iter_lines():
            if line.startswith("data:") and '"process_completed"' in line:
                return json.loads(line[5:])
    raise AssertionError("the page said nothing")


def test_the_interface_is_described_and_counted(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()
    assert {"/predict", "/jobs", "/jobs/{job_id}", "/health", "/metrics"} <= set(described["paths"])
    for path in ("/predict", "/jobs"):
        told = set(described["paths"][path]["post"]["responses"])
        assert {"400", "401", "403", "408", "413", "422", "503"} <= told
        assert ("500" in told) == (path == "/predict"), "a job tells it as its error"
    page = client.get("/docs")
    assert "Retry" not in page.text
    assert not re.search(r"<script|src=|https?://", page.text), "it needs nothing of another server"
    for word in ("/jobs/{job_id}", "by_modality", "JobStatus", "Bearer"):
        assert word in page.text
    counted = client.get("/metrics").text
    assert re.search(r'^emofuse_jobs_total\{outcome="done"\} [1-9]', counted, flags=re.M)
    assert re.search(r"^emofuse_workers 1\.0$", counted, flags=re.M)


def test_a_live_stream_tells_each_utterance_and_its_latency(serving: Serving) -> None:
    """Of two utterances the first is seen as well."""
    rng = np.random.default_rng(1)
    still = np.zeros(16000, np.float32)
    sound = np.concatenate([still, tone_of("joy", rng), still, tone_of("anger", rng), still])
    pcm = (sound * 32767).astype("<i2").tobytes()
    made = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(made, "JPEG")
    address = serving.address.replace("http", "ws") + "/live?gate=energy"
    with connect(f"{address}&pictures=true", proxy=None) as live:
        with connect(address, proxy=None) as second, pytest.raises(Exception, match="1013"):
            second.recv()
        for i, begin in enumerate(range(0, len(pcm), 3200)):
            live.send(b"\x00" + pcm[begin : begin + 3200])
            if begin < len(pcm) // 2:
                live.send(b"\x01" + (b"no picture" if i == 0 else made.getvalue()))
        live.send('{"event": "end"}')
        events = [json.loads(message) for message in live]
    assert [e["event"] for e in events if e["event"] in ("ready", "utterance", "end")] == [
        "ready",
        "utterance",
        "utterance",
        "end",
    ]
    assert [e["detail"] for e in events if e["event"] == "refused"] == [
        "a picture is no JPEG, or its header is damaged",
        "pictures come faster than 8 for each second of sound; those between are left out",
    ]
    first, second_one = (e for e in events if e["event"] == "utterance")
    assert (first["start"], first["end"]) == pytest.approx((1.0, 1.6), abs=0.08)
    assert (second_one["start"], second_one["end"]) == pytest.approx((2.6, 3.2), abs=0.08)
    assert (first["used"], second_one["used"]) == (["audio", "video"], ["audio"])
    assert "video" in second_one["missing"]
    assert sum(first["probabilities"].values()) == pytest.approx(1)
    assert first["latency"]["pause"] == pytest.approx(0.5, abs=0.05)
    assert events[-1]["utterances"] == 2
    for wrong, what in (("not what was agreed", address), (b"\x07" + pcm[:3200], f"{address}&pictures=true")):
        assert "1007" in close_of(what, wrong)


def close_of(address: str, frame: str | bytes) -> str:
    """How the server closes a stream that begins with a frame; the place of the stream before it may not be free yet."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with connect(address, proxy=None) as live, suppress(ConnectionClosed):
            live.send(frame)
            live.recv(timeout=30)
        if live.close_code != 1013:
            return str(live.close_code)
        time.sleep(0.2)
    raise AssertionError("the place did not become free")


def test_a_killed_worker_fails_its_job_alone_while_ten_ask_at_once(
    serving: Serving, client: httpx.Client, clip: Path
) -> None:
    def ask(number: int) -> httpx.Response:
        return client.post("/predict", files=file_of(clip, f"{number}.mp4"), data={"every": "0.3"})

    with ThreadPoolExecutor(10) as people:
        answers = [people.submit(ask, number) for number in range(10)]
        worker = serving.workers()[-1]  # one that an earlier test has ended may still be listed
        os.kill(worker, signal.SIGKILL)
        told = [answer.result() for answer in answers]
    failed = [answer for answer in told if answer.status_code != 200]
    assert len(failed) <= 1
    assert all("killed by signal 9" in answer.json()["detail"] for answer in failed)
    assert all(a.json()["recording"] == f"{i}.mp4" for i, a in enumerate(told) if a.status_code == 200)
    assert worker not in serving.workers()


# So that a test can wait until the browser's recorder, which is slow on a busy machine, has written something.
COUNT_RECORDED = """
const Recorder = window.MediaRecorder;
window.recorded = 0;
window.MediaRecorder = class extends Recorder {
  constructor(...given) {
    super(...given);
    this.addEventListener("dataavailable", (event) => { window.recorded += event.data.size; });
  }
};
"""


@pytest.mark.timeout(300)
def test_the_page_in_a_browser(serving: Serving, clip: Path) -> None:
    foreign: list[str] = []
    with page_of_browser() as page:
        page.on(
            "request",
            lambda r: (
                None if r.url.startswith((serving.address, "data:", "blob:")) else foreign.append(r.url)
            ),
        )
        page.set_default_timeout(120_000)  # one of two busy cores
        page.add_init_script(COUNT_RECORDED)
        page.goto(f"{serving.address}/")
        upload(page, clip)
        page.locator("#upload").get_by_text(clip.stem).first.wait_for()  # its suffix stands apart
        page.locator("#every input, #every textarea").fill("0.3")
        page.locator("#explain input").check()
        page.locator("#find").click()
        frame = page.frame_locator("#timeline iframe")
        frame.get_by_text("2 utterances").first.wait_for()
        assert frame.locator("video").count() == 1
        assert page.locator("#why tbody tr").count() == 2

        page.get_by_role("tab", name="Camera").click()
        page.locator("#camera button").first.click()
        live = "document.querySelector('#camera video[data-testid=webcam-video]').currentTime > {}"
        page.wait_for_function(live.format(0.3))
        page.locator("#camera [title='start recording']").click()
        page.locator("#camera [title='stop recording']").wait_for()
        page.wait_for_function("window.recorded > 0")  # a busy machine's recorder keeps nothing for long
        began = page.evaluate("document.querySelector('#camera video[data-testid=webcam-video]').currentTime")
        page.wait_for_function(
            live.format(began + 3)
        )  # of the camera's own time: a busy machine shows few pictures
        page.locator("#camera [title='stop recording']").click()
        page.locator("#camera video[src]").first.wait_for()
        page.locator("#every input, #every textarea").fill("")
        page.locator("#find").click()
        page.locator("#timeline iframe, .emofuse-error").first.wait_for()
        assert page.locator(".emofuse-error").all_inner_texts() == []
        frame.get_by_text("1 utterance:").first.wait_for()
        assert "audio, video" in frame.locator("body").inner_text()

        page.get_by_role("tab", name="Words alone").click()
        page.locator("#find").click()
        page.get_by_role("alert").filter(has_text="nothing to predict").wait_for()
    assert foreign == []


def test_a_form_that_cannot_be_read_says_what_to_mend(client: httpx.Client) -> None:
    long = client.post("/predict", files={"text": (None, "x" * 1_100_000)})
    assert (long.status_code, long.json()["detail"][:22]) == (413, "text, speaker, context")
    form = {"content-type": "multipart/form-data; boundary=x"}
    broken = client.post("/predict", content=b"no part", headers=form)
    assert broken.status_code == 400
    assert broken.json()["detail"].startswith("the form cannot be taken apart (")


def test_it_stops_in_one_line_and_leaves_nothing(serving: Serving, client: httpx.Client, clip: Path) -> None:
    client.post("/gradio_api/upload", files={"files": ("left.mp4", clip.read_bytes())})
    assert list(serving.temporary.rglob("left.mp4"))
    workers = serving.workers()
    serving.process.send_signal(signal.SIGTERM)
    assert serving.process.wait(20) == 0
    last = serving.log.read_text("utf-8").splitlines()[-1]
    assert last == "emofuse: the server has stopped; recordings and answers are deleted"
    assert not list(serving.temporary.glob(".emofuse*"))
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
