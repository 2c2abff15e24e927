"""A trained network of faces as a module of its own: crops of faces in, emotions out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from emofuse.encoders.face_network import resized
from emofuse.encoders.image_preprocessing import ImagePreprocessing, read_preprocessing
from emofuse.encoders.pretrained import load_model, locate
from emofuse.errors import EmofuseError


class JudgedFaces(NamedTuple):
    """What a classifier says of B faces.

    Attributes:
        logits: (B, C) in the order of the classifier's labels.
        features: (B, d), the mean over places of its last state.
    """

    logits: Tensor
    features: Tensor


class FaceClassifier(nn.Module):
    """An image classifier of faces, with its preprocessing.

    Args:
        network: one of the library's image classifiers.
        preprocessing: of its pictures.
        labels: emotions in the order of its logits.

    Attributes:
        labels: the same.
        size: (height, width) in pixels that faces are brought to; crops of this size lose nothing.
        dim: d of the features.
    """

    mean: Tensor
    std: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, preprocessing: ImagePreprocessing, labels: Mapping[int, str]):
        super().__init__()
        self.network = network
        self.size = preprocessing.size
        self.labels = tuple(labels[number] for number in sorted(labels))
        self.register_buffer("mean", preprocessing.mean, persistent=False)
        self.register_buffer("std", preprocessing.std, persistent=False)
        self.register_buffer("scale", 255 * preprocessing.scale, persistent=False)
        with torch.inference_mode():
            self.dim = self(torch.zeros(1, 1, *self.size)).features.shape[1]

    def forward(self, faces: Tensor) -> JudgedFaces:
        """Judge (B, 3, H, W) or (B, 1, H, W) faces with values from 0 to 1."""
        pixels = resized(faces, self.size).expand(-1, 3, -1, -1)
        pixels = (pixels * self.scale - self.mean) / self.std
        output = self.network(pixel_values=pixels, output_hidden_states=True)
        state = output.hidden_states[-1]  # (B, C, H, W) of convolutions, (B, N, C) of transformers
        return JudgedFaces(output.logits, state.mean(dim=(2, 3)) if state.ndim == 4 else state.mean(dim=1))


def load_face_classifier(folder: Path | str, device: torch.device | str = "cpu") -> FaceClassifier:
    """The classifier of a folder that ``emofuse finetune video`` made, in evaluation mode and float32.

    Raises:
        EmofuseError: the folder holds no image classifier.
    """
    from transformers import AutoModelForImageClassification

    from emofuse.encoders import face_cnn  # noqa: F401 - makes its class known to the library

    source = locate(str(folder))
    network = load_model(source, device, torch.float32, AutoModelForImageClassification)
    if network.main_input_name != "pixel_values":
        raise EmofuseError(
            f"encoder {folder}: a {network.config.model_type} model does not classify pictures"
        )
    preprocessing = read_preprocessing(source, network.config)
    return FaceClassifier(network, preprocessing.to(device), network.config.id2label).to(device).eval()
