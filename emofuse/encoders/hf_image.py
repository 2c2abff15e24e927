"""Pictures through a pretrained image model of the ResNet class (MFCRE §3.1.3, CM-MSF §3.2.3)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoModel, AutoModelForImageClassification
from transformers.utils import cached_file

from emofuse.encoders.pretrained import Source, guarded, load_model, locate, revision_of
from emofuse.encoders.spec import EncoderSpec
from emofuse.encoders.video import VideoEncoder
from emofuse.errors import EmofuseError

KIND = "hf-image"
_PREPROCESSOR = "preprocessor_config.json"
# ImageNet's, which models of the ResNet class are trained with; for folders that do not say theirs.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SIZE = 224


class HFImageEncoder(VideoEncoder):
    """A pretrained image model over the pictures of an utterance.

    ``output="pooled"`` is the mean over places (or tokens) of the last hidden state: 2048 for ResNet-101;
    ``"logits"`` what the checkpoint's classifier says, 1000 for ImageNet's. Pictures, or the faces in them,
    are stretched to the model's input size and normalised as its ``preprocessor_config.json`` says; nothing is
    cut off at the sides.

    Args:
        spec: name, revision, output, batch_size (pictures), pooling, frames or rate, faces, min_face.
        device: where the model, and the face detector, runs.
        dtype: precision of the model's weights; features are float32 either way.

    Raises:
        EmofuseError: the model cannot be had, is no image model, or has no classifier where one is asked for.
    """

    def __init__(
        self, spec: EncoderSpec, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        if spec.pooling == "cls":
            raise EmofuseError(f"encoder {spec.name}: video has no CLS token; use pooling mean or tokens")
        super().__init__(_Pictures(spec, device, dtype), spec, device)
        self._made_of = (spec, device, dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._made_of


class _Pictures:
    """The model with its preprocessing, picture by picture."""

    kind = KIND

    def __init__(self, spec: EncoderSpec, device: torch.device | str, dtype: torch.dtype) -> None:
        source = locate(spec.name, spec.revision)
        self._logits = spec.output == "logits"
        auto = AutoModelForImageClassification if self._logits else AutoModel
        self._model = load_model(source, device, dtype, auto)
        config = self._model.config
        if self._model.main_input_name != "pixel_values" or hasattr(config, "text_config"):
            raise EmofuseError(
                f"encoder {spec.name}: a {config.model_type} model is not an image encoder; name one of the "
                "ResNet class"
            )
        preprocessing = _preprocessing(source)
        self.size = _input_size(spec.name, preprocessing, config)
        self._mean, self._std, self._scale = (
            tensor.to(device) for tensor in _normalisation(spec.name, preprocessing)
        )
        self._batch_size = spec.batch_size
        self.name = config.model_type if source.folder else spec.name
        self.revision = revision_of(source, config)
        self.dim = self._probe(spec.name)
        self.settings: dict[str, str | int | float] = {
            "output": spec.output,
            "dtype": str(dtype).removeprefix("torch."),
        }

    def _probe(self, name: str) -> int:
        try:
            return self(np.zeros((1, *self.size, 3), np.uint8)).shape[1]
        except Exception as error:  # models of other classes raise whatever they like
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise EmofuseError(f"encoder {name}: does not read single pictures ({reason})") from None

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        batches = range(0, len(pictures), self._batch_size)
        rows = [self._forward(pictures[begin : begin + self._batch_size]) for begin in batches]
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), np.float32)

    @torch.inference_mode()
    def _forward(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = torch.from_numpy(pictures).to(self._model.device).permute(0, 3, 1, 2).float()
        output = self._model(
            pixel_values=((pixels * self._scale - self._mean) / self._std).to(self._model.dtype)
        )
        return self._features(output).float().cpu().numpy()

    def _features(self, output: Any) -> Tensor:
        if self._logits:
            logits: Tensor = output.logits
            return logits
        states: Tensor = output.last_hidden_state  # (B, C, H, W) of convolutions, (B, N, C) of transformers
        return states.mean(dim=(2, 3)) if states.ndim == 4 else states.mean(dim=1)


def _preprocessing(source: Source) -> dict[str, Any]:
    """The content of preprocessor_config.json, empty where there is none."""

    def find(name: str, trust_remote_code: bool, **options: Any) -> str | None:
        return cached_file(
            name,
            _PREPROCESSOR,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
            **options,
        )

    path = guarded(source, find)
    if path is None:
        return {}
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a path of the hub's cache, as text
            content = json.load(file)
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise EmofuseError(f"encoder {source.name}: its {_PREPROCESSOR} is damaged; copy it again")
    return content


def _input_size(name: str, preprocessing: dict[str, Any], config: Any) -> tuple[int, int]:
    size = preprocessing.get("crop_size") if preprocessing.get("do_center_crop") else None
    size = size or preprocessing.get("size") or getattr(config, "image_size", None) or _SIZE
    if isinstance(size, dict):
        side = size.get("shortest_edge", _SIZE)
        size = (size.get("height", side), size.get("width", side))
    height, width = size if isinstance(size, list | tuple) else (size, size)
    if not all(isinstance(side, int) and 8 <= side <= 4096 for side in (height, width)):
        raise EmofuseError(
            f"encoder {name}: its {_PREPROCESSOR} asks for pictures of {height}×{width} pixels"
        )
    return height, width


def _normalisation(name: str, preprocessing: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and standard deviation (3, 1, 1), and the factor that pixels are multiplied with before."""
    plain = preprocessing.get("do_normalize", True) is False
    mean = (0.0,) * 3 if plain else preprocessing.get("image_mean") or _MEAN
    std = (1.0,) * 3 if plain else preprocessing.get("image_std") or _STD
    scale = preprocessing.get("rescale_factor", 1 / 255) if preprocessing.get("do_rescale", True) else 1.0
    try:
        tensors = [torch.tensor(values, dtype=torch.float32).reshape(3, 1, 1) for values in (mean, std)]
        factor = torch.tensor(float(scale))
    except (TypeError, ValueError, RuntimeError):
        raise EmofuseError(f"encoder {name}: its {_PREPROCESSOR} is damaged; copy it again") from None
    if not bool((tensors[1] > 0).all()):
        raise EmofuseError(f"encoder {name}: its {_PREPROCESSOR} has a standard deviation of 0")
    return tensors[0], tensors[1], factor
