"""How fast each encoder works, from the file to its features, on one thread.

    python -m benchmarks.encoders CLIP...

Pretrained models are made in their true size with random weights, which takes as long as trained ones.
Writes benchmarks/results/encoders.md.
"""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from transformers import (
    ResNetConfig,
    ResNetForImageClassification,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)
from transformers.utils import logging

from benchmarks.script import argument_parser
from emofuse.data.media import probe
from emofuse.data.utterance import Utterance
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.errors import EmofuseError
from emofuse.features import UtteranceEncoder, encode_utterances

RESULTS = Path(__file__).parent / "results" / "encoders.md"


def made_up_models(folder: Path) -> tuple[Path, Path]:
    """ResNet-101 and wav2vec 2.0 base, untrained."""
    logging.disable_progress_bar()
    torch.manual_seed(0)
    resnet, wav2vec = folder / "resnet-101", folder / "wav2vec2-base"
    config = ResNetConfig(depths=[3, 4, 23, 3], layer_type="bottleneck", num_labels=1000)
    ResNetForImageClassification(config).save_pretrained(resnet)
    Wav2Vec2Model(Wav2Vec2Config()).save_pretrained(wav2vec)
    Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(wav2vec)
    return resnet, wav2vec


def specifications(folder: Path) -> Iterator[tuple[str, EncoderSpec]]:
    resnet, wav2vec = (str(path) for path in made_up_models(folder))
    audio, video = {"modality": "audio"}, {"modality": "video"}
    yield "logmel-functionals", EncoderSpec(**audio, name="logmel-functionals")
    yield "logmel-sequence", EncoderSpec(**audio, name="logmel-sequence")
    yield "opensmile-compare2016", EncoderSpec(**audio, name="opensmile-compare2016")
    yield "wav2vec 2.0 base", EncoderSpec(**audio, name=wav2vec)
    yield "frame-statistics, 20 pictures", EncoderSpec(**video, name="frame-statistics")
    yield "frame-statistics, 15 Hz", EncoderSpec(**video, name="frame-statistics", pooling="tokens")
    yield "frame-statistics, faces, 20 pictures", EncoderSpec(**video, name="frame-statistics", faces=True)
    yield "ResNet-101, 20 pictures", EncoderSpec(**video, name=resnet)
    yield (
        "VisExtNet: ResNet-101, faces, 20 pictures",
        EncoderSpec(**video, name=resnet, faces=True, output="logits"),
    )


def measure(encoder: UtteranceEncoder, clips: Sequence[Path]) -> list[float]:
    """CPU seconds per clip: of the first time where that is long, else of the quickest of three."""
    seconds = []
    for clip in clips:
        row = Utterance(clip.name, "d", 0, None, None, clip, None, None, None, None, None, None, None)
        taken: list[float] = []
        while len(taken) < 3 and sum(taken) < 1.5:
            begin = time.process_time()
            ((_, features),) = encode_utterances([row], encoder)
            taken.append(time.process_time() - begin)
            if features is None or isinstance(features, EmofuseError):
                raise SystemExit(f"{clip}: {features}")
        seconds.append(min(taken))
    return seconds


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    clips: list[Path] = parser.parse_args().clips
    torch.set_num_threads(1)
    lengths = [probe(clip).duration or 0.0 for clip in clips]
    described = ", ".join(
        f"{info.width}×{info.height} of {length:.1f} s"
        for info, length in zip(map(probe, clips), lengths, strict=True)
    )
    lines = [
        "# Encoders: from the file to the features",
        "",
        f"CPU time on one thread, decoding included; {platform.machine()}, torch "
        f"{torch.__version__}. Clips: {described}. Pretrained models in their true size with random weights. "
        "Made by `python -m benchmarks.encoders CLIP...`.",
        "",
        "| encoder | features | s per clip | clips per minute | s of media per s |",
        "|---|---:|---|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for name, spec in specifications(Path(folder)):
            encoder = create_encoder(spec)
            seconds = measure(encoder, clips)
            each = " / ".join(f"{taken:.2f}" for taken in seconds)
            lines.append(
                f"| {name} | {encoder.dim} | {each} | {60 * len(clips) / sum(seconds):.0f} | "
                f"{sum(lengths) / sum(seconds):.1f} |"
            )
            print(lines[-1], flush=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
