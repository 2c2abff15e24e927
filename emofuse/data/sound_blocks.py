"""The sound of a long recording, block by block, in memory that does not grow with its length."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emofuse.data.audio import SegmentCutter, SoundRequest, check_finite
from emofuse.data.channels import Mixer
from emofuse.data.container import audio_stream, open_media
from emofuse.data.resampling import Resampler
from emofuse.data.sampling_rate import RATE
from emofuse.data.sound_parts import sound_parts

BLOCK_SECONDS = 10.0
"""All channels of a block are held at once, since only all of it tells which of them are used."""

_Held = list[tuple[int, int, NDArray[np.float64], NDArray[np.float64]]]  # silence, rate, channels, weights


def sound_blocks(
    path: Path | str, *, rate: int = RATE, seconds: float = BLOCK_SECONDS
) -> Iterator[NDArray[np.float32]]:
    """Read a recording's sound from its zero to its end, as :func:`emofuse.data.audio.read_audio` reads a part of it.

    The blocks follow each other without a gap. Channels are mixed as there, but what is silent and what cancels is
    found out for each block by itself.

    Args:
        path: the file.
        rate: samples per second of the result.
        seconds: of sound that go into a block, about.

    Yields:
        Mono sound (samples,), float32; the last block may be short, and none is empty.

    Raises:
        MediaError: the file is missing, holds no sound or sound that is not finite, or cannot be decoded.
    """
    request = SoundRequest(Path(path), 0.0, math.inf, rate)
    with open_media(path) as container:
        stream = audio_stream(container, path)
        cutter, resampler, held, length = SegmentCutter(request), Resampler(rate), _Held(), 0.0
        for part in sound_parts(container, stream, 0.0, False):
            silence, channels = cutter.cut(part)
            check_finite(request.path, part.time, channels)
            held.append((silence, part.rate, channels, part.weights))
            length += silence / part.rate + channels.shape[1] / part.rate
            if length >= seconds:
                yield from _joined(_mixed(held, resampler))
                held, length = [], 0.0
        yield from _joined([*_mixed(held, resampler), *resampler.flush()])


def sounds_of_spans(
    blocks: Iterable[NDArray[np.float32]], spans: Iterable[tuple[float, float]], rate: int = RATE
) -> Iterator[NDArray[np.float32]]:
    """The sound of each span, out of blocks that are read once.

    Args:
        blocks: as :func:`sound_blocks` yields them.
        spans: (start, end) in seconds, in order of their starts; they may overlap.
        rate: samples per second of the blocks.

    Yields:
        (samples,) float32 for each span; shorter, or empty, where the recording ends before it.
    """
    following, held, first = iter(blocks), np.zeros(0, np.float32), 0
    for start, end in spans:
        begin, finish = max(0, round(start * rate)), max(0, round(end * rate))
        while first + len(held) < finish:
            block = next(following, None)
            if block is None:
                break
            unneeded = min(max(0, begin - first), len(held))
            held, first = np.concatenate([held[unneeded:], block]), first + unneeded
        yield held[max(0, begin - first) : max(0, finish - first)].copy()


def _mixed(held: _Held, resampler: Resampler) -> list[NDArray[np.float32]]:
    """A block's parts as one channel at the wanted rate."""
    mixer = Mixer()
    mixes = [mixer.mix(channels, weights, rate) for _, rate, channels, weights in held]
    verdict = mixer.verdict()
    if verdict.only is not None:
        only = Mixer(only=verdict.only)
        mixes = [only.mix(channels, weights, rate) for _, rate, channels, weights in held]
    ready: list[NDArray[np.float32]] = []
    for (silence, rate, _, _), mix in zip(held, mixes, strict=True):
        ready += resampler.push_silence(silence, rate)
        ready += resampler.push((mix * verdict.gain).astype(np.float32), rate)
    return ready


def _joined(chunks: list[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    block = np.concatenate([np.zeros(0, np.float32), *chunks])
    if len(block):
        yield block
