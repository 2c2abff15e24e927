"""Pictures through a pretrained image model of the ResNet class (MFCRE §3.1.3, CM-MSF §3.2.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emofuse.encoders.face_network import is_face_network, read_face_network
from emofuse.encoders.image_preprocessing import read_preprocessing
from emofuse.encoders.pretrained import Source, load_model, locate, revision_of
from emofuse.encoders.spec import EncoderSpec
from emofuse.encoders.video import VideoEncoder
from emofuse.errors import EmofuseError

KIND = "hf-image"


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
        source = locate(spec.name, spec.revision)
        describer = PictureModel(spec, source, _network(spec, source, device, dtype))
        super().__init__(describer, spec, device)
        self._made_of = (spec, device, dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._made_of


def _network(spec: EncoderSpec, source: Source, device: torch.device | str, dtype: torch.dtype) -> Any:
    """The model in evaluation mode, without transformers where it is a network of faces in a folder."""
    if source.folder is not None and spec.output != "logits" and is_face_network(source.folder):
        return read_face_network(source.folder).to(device, dtype)
    from transformers import AutoModel, AutoModelForImageClassification

    from emofuse.encoders import face_cnn  # noqa: F401 - makes its class known to the library

    auto = AutoModelForImageClassification if spec.output == "logits" else AutoModel
    return load_model(source, device, dtype, auto)


class PictureModel:
    """A pretrained model with its preprocessing, picture by picture.

    Args:
        spec: name, batch_size, output.
        source: of the preprocessing.
        model: that reads pictures.
    """

    kind = KIND

    def __init__(self, spec: EncoderSpec, source: Source, model: Any) -> None:
        self._logits = spec.output == "logits"
        self._model = model
        config = self._model.config
        if self._model.main_input_name != "pixel_values" or hasattr(config, "text_config"):
            raise EmofuseError(
                f"encoder {spec.name}: a {config.model_type} model is not an image encoder; name one of the "
                "ResNet class"
            )
        self._preprocessing = read_preprocessing(source, config).to(model.device)
        self.size = self._preprocessing.size
        self._batch_size = spec.batch_size
        self.name = config.model_type if source.folder else spec.name
        self.revision = revision_of(source, config)
        self.dim = self._probe(spec.name)
        self.settings: dict[str, str | int | float] = {
            "output": spec.output,
            "dtype": str(model.dtype).removeprefix("torch."),
        }

    def _probe(self, name: str) -> int:
        try:
            return self(np.zeros((1, *self.size, 3), np.uint8)).shape[1]
        except Exception as error:  # models of other classes raise whatever they like
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise EmofuseError(f"encoder {name}: does not read single pictures ({reason})") from None

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, H, W, 3) RGB to (n, d)."""
        batches = range(0, len(pictures), self._batch_size)
        rows = [self._forward(pictures[begin : begin + self._batch_size]) for begin in batches]
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), np.float32)

    @torch.inference_mode()
    def _forward(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = torch.from_numpy(pictures).to(self._model.device).permute(0, 3, 1, 2).float()
        output = self._model(pixel_values=self._preprocessing(pixels).to(self._model.dtype))
        return self._features(output).float().cpu().numpy()

    def _features(self, output: Any) -> Tensor:
        if self._logits:
            logits: Tensor = output.logits
            return logits
        states: Tensor = output.last_hidden_state  # (B, C, H, W) of convolutions, (B, N, C) of transformers
        return states.mean(dim=(2, 3)) if states.ndim == 4 else states.mean(dim=1)
