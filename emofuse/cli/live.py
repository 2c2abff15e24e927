"""``emofuse live``: the emotion of each utterance of a stream, as soon as it ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from emofuse.data.sampling_rate import RATE
from emofuse.starter import STARTER

if TYPE_CHECKING:
    from emofuse.app.live.events import SpokenUtterance

Gate = Literal["auto", "voice", "energy"]
EXAMPLE = """Say the emotion of each utterance of a live stream as soon as it ends.
The stream is a microphone, a camera, a file or an address. Utterances are cut by voice activity. A causal run of MFCRE
remembers the conversation; any other run hears each alone.

Example: `emofuse live runs/first`

Example: `emofuse live starter --input conversation.wav --at-once`

Example: `emofuse live starter --input camera`

Example: `emofuse live starter --source rtsp://camera.local/stream`
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(name="live", help=EXAMPLE)(live)


def live(
    run: Annotated[
        Path | None,
        typer.Argument(help="run folder made by `emofuse train`; the starter where none is named"),
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            "--input",
            "--source",
            help="mic, camera (with the microphone) or camera:DEVICE, a sound or video file, an address (rtsp://, http://, "
            "udp://), or - for raw PCM (16 bit, one channel) from standard input; pictures are seen where the run uses them",
        ),
    ] = "mic",
    rate: Annotated[int, typer.Option(help="Hz of raw PCM from standard input", min=8000, max=48000)] = RATE,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="read a file as fast as it is answered, not as fast as it plays")
    ] = False,
    pause: Annotated[
        float, typer.Option(help="seconds of silence that end an utterance", min=0.1, max=5)
    ] = 0.5,
    longest: Annotated[
        float, typer.Option(help="seconds after which one is cut without a pause", min=1, max=60)
    ] = 15,
    gate: Annotated[
        Gate, typer.Option(help="what ends an utterance: the voice (Silero VAD), its energy, or auto")
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object in a line for each event")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="no notes")] = False,
) -> None:
    """Listen until the stream ends, or Ctrl-C."""
    from emofuse.app.live.cutter import CutSettings
    from emofuse.app.live.detectors import make_detector
    from emofuse.app.live.listening import listen
    from emofuse.app.live.sources import open_source
    from emofuse.app.live.summary import latency_line
    from emofuse.pipeline import EmotionPipeline

    chosen = STARTER if run is None else str(run)
    detector = make_detector(gate)
    stream = open_source(source, rate=rate, at_once=at_once)
    pipe = EmotionPipeline.from_pretrained(chosen, device=device)
    for note in () if quiet else pipe.notes:
        typer.echo(f"note: {note}", err=True)
    utterances: list[SpokenUtterance] = []
    try:
        for event in listen(pipe, stream, CutSettings(pause=pause, longest=longest), detector):
            if event.event == "utterance":
                utterances.append(event)
            if as_json:
                typer.echo(event.model_dump_json())
            elif (line := _line(event)) is not None:
                typer.echo(line)
    except KeyboardInterrupt:
        pass  # the usual way to end a stream
    if not quiet:
        typer.echo(latency_line([u.latency for u in utterances]), err=True)


def _line(event: object) -> str | None:
    from emofuse.app.live.events import Failed, Lost, Ready, SpokenUtterance

    if isinstance(event, Ready):
        return "listening"
    if isinstance(event, SpokenUtterance):
        best = sorted(event.probabilities.items(), key=lambda pair: -pair[1])[:3]
        labels = ", ".join(f"{label} {100 * share:.0f} %" for label, share in best)
        value = "" if event.value is None else f"{event.value:+.2f}"
        what = labels or (f"{event.label} {value}" if event.label else "no prediction")
        return f"{event.start:8.2f}–{event.end:.2f} s  {what}  ({event.latency.total:.2f} s after its end)"
    if isinstance(event, Lost):
        return f"{event.seconds:.1f} s of sound were lost: the answers do not keep up"
    if isinstance(event, Failed):
        return f"utterance {event.number}: {event.detail}"
    return None
