"""A voice as a vector: the network of Resemblyzer, which was trained to tell speakers apart (Wan et al. 2018, GE2E).

The package ``resemblyzer`` (Apache-2.0) brings the weights, 1.4 million numbers. Its code, and the libraries that its code asks
for, are not used: the three layers of LSTM are torch's own, and the weights are loaded without unpickling anything else.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from emofuse.data.sampling_rate import RATE
from emofuse.errors import EmofuseError

BANDS, WIDTH, LAYERS = 40, 256, 3
_FFT, _HOP = 400, 160  # samples: 25 and 10 ms
PARTIAL = 160  # frames that the network was trained on: 1.6 s
STEP = 80  # frames from one partial to the next
LOUDNESS = -30.0  # dB; quieter sound is raised to it, as in training
_PACKAGE, _FILE = "resemblyzer", "pretrained.pt"
_SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
INSTALL = "pip install --no-deps resemblyzer==0.1.4"


def is_installed() -> bool:
    """Whether the package with the weights is there."""
    return find_spec(_PACKAGE) is not None


class VoiceEmbedding(nn.Module):
    """Speech to vectors (256,) of length 1, near each other where the speaker is the same.

    Args:
        file: of the weights; by default the package's.

    Raises:
        EmofuseError: the package is not installed, or its file is not the one that is known.
    """

    def __init__(self, file: Path | None = None) -> None:
        super().__init__()
        self.lstm = nn.LSTM(BANDS, WIDTH, LAYERS, batch_first=True)
        self.linear = nn.Linear(WIDTH, WIDTH)
        self.load_state_dict(_weights(file or _packaged_file()))
        self.eval()

    def forward(self, mels: Tensor) -> Tensor:
        """(B, frames, 40) mel power to (B, 256), none of it below 0, of length 1."""
        _, (hidden, _) = self.lstm(mels)
        return F.normalize(torch.relu(self.linear(hidden[-1])), dim=1)

    @torch.inference_mode()
    def embed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean over pieces of 1.6 s of speech (samples,) at 16 kHz, 0.8 s apart: (256,), of length 1.

        Shorter speech is said over and over until it fills a piece; silence would count as its voice.
        """
        sound = _raised(np.asarray(samples, np.float32))
        least = PARTIAL * _HOP
        if len(sound) < least:
            sound = np.resize(sound, least)
        mels = torch.from_numpy(mel_power(sound))
        starts = range(0, max(1, len(mels) - PARTIAL + 1), STEP)
        partials = torch.stack([mels[start : start + PARTIAL] for start in starts])
        mean = self(partials).mean(dim=0)
        return np.asarray(F.normalize(mean, dim=0).numpy(), np.float32)


def mel_power(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """(frames, 40) power in mel bands of 25 ms of sound, every 10 ms: Slaney's scale and norm, as librosa has them."""
    window = torch.hann_window(_FFT)
    spectrum = torch.stft(
        torch.from_numpy(samples),
        _FFT,
        _HOP,
        window=window,
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    return np.ascontiguousarray((_filters() @ spectrum.abs().square()).T.numpy(), np.float32)


@lru_cache(maxsize=1)
def _filters() -> Tensor:
    from transformers.audio_utils import mel_filter_bank

    bank = mel_filter_bank(
        num_frequency_bins=_FFT // 2 + 1,
        num_mel_filters=BANDS,
        min_frequency=0.0,
        max_frequency=RATE / 2,
        sampling_rate=RATE,
        norm="slaney",
        mel_scale="slaney",
    )
    return torch.from_numpy(np.asarray(bank.T, np.float32))


def _raised(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    loudness = 20 * np.log10(max(float(np.sqrt(np.mean(samples**2))), 1e-8)) if len(samples) else 0.0
    return (
        samples if loudness >= LOUDNESS else (samples * 10 ** ((LOUDNESS - loudness) / 20)).astype(np.float32)
    )


def _packaged_file() -> Path:
    found = find_spec(_PACKAGE)
    places = list(found.submodule_search_locations or []) if found is not None else []
    if not places:
        raise EmofuseError(
            f"speakers: telling voices apart needs the extra speakers; `{INSTALL}`, or ask for speakers none"
        )
    return Path(places[0]) / _FILE


def _weights(file: Path) -> dict[str, Tensor]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise EmofuseError(f"{file}: cannot be read ({error.strerror}); `{INSTALL}`") from None
    if hashlib.sha256(data).hexdigest() != _SHA256:
        raise EmofuseError(f"{file}: is not the voice encoder that emofuse knows; `{INSTALL}`")
    state = torch.load(file, map_location="cpu", weights_only=True)["model_state"]
    return {name: value for name, value in state.items() if not name.startswith("similarity_")}
