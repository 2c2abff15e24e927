"""Faces that are seen, scored by a network that was trained to tell who speaks, with weights that the user names."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from emofuse.errors import EmofuseError
from emofuse.recordings.active_speaker_network import FACE, FACE_RATE, SOUND_STEPS, ActiveSpeakerNetwork
from emofuse.recordings.mfcc import STEP, WINDOW, mfcc

SUFFIXES = (".safetensors", ".model", ".pt", ".pth")
_MOST_BYTES = 64 << 20  # more than ten times what either network has
_SMOOTHED = 13  # pictures over which the median of a face's place is taken
_GREY = 110  # of what lies beyond the picture
_AROUND = 0.7  # half a crop's side, in halves of the face's longer side
_LOWER = 0.4  # by so many of these the crop's middle lies below the face's
Kind = Literal["Light-ASD", "LR-ASD"]
_TELLING_WEIGHTS: Mapping[Kind, str] = {
    "LR-ASD": "fusion.attention.weight",
    "Light-ASD": "GRU.gru_forward.weight_ih_l0",
}


class ActiveSpeaker:
    """Light-ASD or LR-ASD; which, is told by the weights.

    Args:
        weights: a file of the authors' (``.model``), its like as ``.safetensors``, ``.pt`` or ``.pth``, or a folder with one.
        device: where it computes.

    Attributes:
        kind: ``"Light-ASD"`` or ``"LR-ASD"``.
        rate: pictures per second that it wants.

    Raises:
        EmofuseError: the file is not there, is damaged, or is neither.
    """

    rate = float(FACE_RATE)

    def __init__(self, weights: Path | str, device: torch.device | str = "cpu") -> None:
        file = _file_of(Path(weights))
        state = _state_of(file)
        self.kind = _kind_of(file, state)
        network = ActiveSpeakerNetwork(self.kind)
        network.load_state_dict(_fitting(file, state, network.state_dict(), self.kind), strict=False)
        self._network, self._device = network.to(device).eval(), device

    @torch.inference_mode()
    def score(
        self, pictures: NDArray[np.uint8], boxes: NDArray[np.float64], samples: NDArray[np.float32]
    ) -> float:
        """How probably a face says what is heard: the mean over its pictures, 0 to 1.

        Args:
            pictures: (T, H, W, 3), 25 for each second.
            boxes: (T, 4) of the face in each.
            samples: the sound at 16 kHz from the first picture on; what is missing is silent.
        """
        count = len(pictures)
        needed = WINDOW + STEP * (SOUND_STEPS * count - 1)
        heard = np.pad(samples[:needed], (0, max(0, needed - len(samples))))
        faces = torch.from_numpy(mouth_crops(pictures, boxes)).to(self._device, torch.float32)
        sound = torch.from_numpy(mfcc(heard)).to(self._device)
        return float(self._network(sound[None], faces[None]).mean())


def mouth_crops(pictures: NDArray[np.uint8], boxes: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The lower part of a face with what is around it, grey: (T, 112, 112).

    As the authors cut it out of films: a square of 1.4 times half the face's longer side on each side of its middle, a
    fifth of the face below it; places are smoothed over half a second.
    """
    half = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) / 2
    across, down = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    half, across, down = (_smoothed(values) for values in (half, across, down))
    crops = np.empty((len(pictures), FACE, FACE), np.uint8)
    for i, picture in enumerate(pictures):
        side, middle = _AROUND * half[i], down[i] + _LOWER * half[i]
        place = [round(v) for v in (across[i] - side, middle - side, across[i] + side, middle + side)]
        crops[i] = _cut(
            picture, (place[0], place[1], max(place[2], place[0] + 1), max(place[3], place[1] + 1))
        )
    return crops


def _smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.ndimage import median_filter

    return np.asarray(median_filter(values, min(_SMOOTHED, len(values)), mode="nearest"), np.float64)


def _cut(picture: NDArray[np.uint8], place: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """A part of a picture, grey where it reaches beyond, at the size that the network takes."""
    left, top, right, bottom = place
    height, width = picture.shape[:2]
    inside = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    canvas = Image.new("L", (right - left, bottom - top), _GREY)
    if inside[0] < inside[2] and inside[1] < inside[3]:
        part = picture[inside[1] : inside[3], inside[0] : inside[2]]
        canvas.paste(
            Image.fromarray(np.ascontiguousarray(part)).convert("L"), (inside[0] - left, inside[1] - top)
        )
    return np.asarray(canvas.resize((FACE, FACE), Image.Resampling.BILINEAR))


def _file_of(place: Path) -> Path:
    if not place.is_dir():
        return place
    files = sorted(file for file in place.iterdir() if file.suffix in SUFFIXES)
    if len(files) != 1:
        found = ", ".join(file.name for file in files[:5]) or "none"
        raise EmofuseError(
            f"{place}: holds not one file of weights ({', '.join(SUFFIXES)}) but {found}; name the file"
        )
    return files[0]


def _state_of(file: Path) -> Mapping[str, Tensor]:
    """What the file holds; nothing in it is executed, and none of its sizes is believed before the file's own is known."""
    try:
        size = file.stat().st_size
    except OSError as error:
        raise EmofuseError(f"{file}: cannot be read ({error.strerror})") from None
    if size > _MOST_BYTES:
        raise EmofuseError(f"{file}: is larger than the weights of Light-ASD or LR-ASD can be")
    try:
        state = _safetensors(file) if file.suffix == ".safetensors" else _checkpoint(file)
    except EmofuseError:
        raise
    except Exception as error:  # bytes that are no weights make the readers raise nearly anything
        reason = (str(error).splitlines() or [type(error).__name__])[0][:150]
        raise EmofuseError(f"{file}: cannot be read as weights ({reason})") from None
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise EmofuseError(f"{file}: holds no state_dict; save `model.state_dict()` and nothing around it")
    return {name.removeprefix("module."): value for name, value in state.items()}


def _safetensors(file: Path) -> Mapping[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(file)


def _checkpoint(file: Path) -> Mapping[str, Tensor]:
    if not zipfile.is_zipfile(file):
        raise EmofuseError(f"{file}: is no file of torch.save (of torch 1.6 or later)")
    with zipfile.ZipFile(file) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
            raise EmofuseError(f"{file}: unpacks to more than the weights of Light-ASD or LR-ASD can be")
    found: Mapping[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return found


def _kind_of(file: Path, state: Mapping[str, Tensor]) -> Kind:
    for kind, name in _TELLING_WEIGHTS.items():
        if f"model.{name}" in state:
            return kind
    raise EmofuseError(f"{file}: holds the weights of neither Light-ASD nor LR-ASD")


def _fitting(
    file: Path, state: Mapping[str, Tensor], expected: Mapping[str, Tensor], kind: str
) -> dict[str, Tensor]:
    """The weights that the network has, each of its shape; what else the file holds (the head of the loss) is left."""
    fitting = {}
    for name, own in expected.items():
        if name.endswith("num_batches_tracked"):
            continue  # of use to training alone
        given = state.get(name)
        if given is None or given.shape != own.shape or not given.is_floating_point():
            what = "is missing" if given is None else f"is {tuple(given.shape)}, not {tuple(own.shape)}"
            raise EmofuseError(f"{file}: is not {kind}: {name} {what}")
        if not given.isfinite().all():
            raise EmofuseError(f"{file}: {name} holds numbers that are not finite")
        fitting[name] = given
    return fitting
