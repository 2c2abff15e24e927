"""How pictures become the numbers that an image model was trained with, by its ``preprocessor_config.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emofuse.data.json_text import parse_json
from emofuse.encoders.pretrained import Source, guarded
from emofuse.errors import EmofuseError

PREPROCESSOR = "preprocessor_config.json"
# ImageNet's, which models of the ResNet class are trained with; for folders that do not say theirs.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SIZE = 224


@dataclass(frozen=True)
class ImagePreprocessing:
    """Size and normalisation of an image model's pictures; nothing is cut off at their sides.

    Attributes:
        size: (height, width) that pictures are stretched to.
        mean: (3, 1, 1), taken from the scaled values.
        std: (3, 1, 1), which they are divided by.
        scale: what values from 0 to 255 are multiplied with first.
        content: of the file that says so.
    """

    size: tuple[int, int]
    mean: Tensor
    std: Tensor
    scale: Tensor
    content: Mapping[str, Any]

    def to(self, device: torch.device | str) -> ImagePreprocessing:
        """The same on ``device``."""
        mean, std, scale = (tensor.to(device) for tensor in (self.mean, self.std, self.scale))
        return ImagePreprocessing(self.size, mean, std, scale, self.content)

    def __call__(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W), values from 0 to 255 → what the model takes."""
        return (pixels * self.scale - self.mean) / self.std

    def save_pretrained(self, folder: Path | str) -> None:
        """Write the file into a model's folder, as the library's own processors do."""
        text = json.dumps(dict(self.content), indent=1)
        (Path(folder) / PREPROCESSOR).write_text(text + "\n", encoding="utf-8")


def read_preprocessing(source: Source, config: Any) -> ImagePreprocessing:
    """That of a pretrained model; ImageNet's where its folder does not say.

    Args:
        source: where the model comes from.
        config: its configuration, which may name the size.

    Raises:
        EmofuseError: the file is damaged, or asks for what cannot be.
    """
    path = _preprocessor(source)
    content: Any = {}
    if path is not None:
        try:
            content = parse_json(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            content = None
    if not isinstance(content, dict):
        raise EmofuseError(f"encoder {source.name}: its {PREPROCESSOR} is damaged; copy it again")
    return preprocessing_of(source.name, content, config)


def _preprocessor(source: Source) -> str | None:
    """Where the file is; fetched where it is the hub's."""
    if source.folder is not None:
        file = source.folder / PREPROCESSOR
        return str(file) if file.is_file() else None
    from transformers.utils import cached_file

    def find(name: str, trust_remote_code: bool, **options: Any) -> str | None:
        return cached_file(
            name,
            PREPROCESSOR,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
            **options,
        )

    found: str | None = guarded(source, find)
    return found


def preprocessing_of(name: str, content: dict[str, Any], config: Any) -> ImagePreprocessing:
    """What the content of a file means.

    Raises:
        EmofuseError: it asks for what cannot be; the message calls the model ``name``.
    """
    size = _input_size(name, content, config)
    plain = content.get("do_normalize", True) is False
    mean = (0.0,) * 3 if plain else content.get("image_mean") or _MEAN
    std = (1.0,) * 3 if plain else content.get("image_std") or _STD
    scale = content.get("rescale_factor", 1 / 255) if content.get("do_rescale", True) else 1.0
    try:
        tensors = [torch.tensor(values, dtype=torch.float32).reshape(3, 1, 1) for values in (mean, std)]
        factor = torch.tensor(float(scale))
    except (TypeError, ValueError, RuntimeError):
        raise EmofuseError(f"encoder {name}: its {PREPROCESSOR} is damaged; copy it again") from None
    if not bool((tensors[1] > 0).all()):
        raise EmofuseError(f"encoder {name}: its {PREPROCESSOR} has a standard deviation of 0")
    # What is saved beside the weights says the size, which otherwise might follow from the configuration alone.
    settings = content or {"image_mean": list(mean), "image_std": list(std)}
    saved = {**settings, "size": {"height": size[0], "width": size[1]}, "do_center_crop": False}
    return ImagePreprocessing(size, tensors[0], tensors[1], factor, saved)


def _input_size(name: str, content: dict[str, Any], config: Any) -> tuple[int, int]:
    size = content.get("crop_size") if content.get("do_center_crop") else None
    size = size or content.get("size") or getattr(config, "image_size", None) or _SIZE
    if isinstance(size, dict):
        side = size.get("shortest_edge", _SIZE)
        size = (size.get("height", side), size.get("width", side))
    height, width = size if isinstance(size, list | tuple) else (size, size)
    if not all(isinstance(side, int) and 8 <= side <= 4096 for side in (height, width)):
        raise EmofuseError(f"encoder {name}: its {PREPROCESSOR} asks for pictures of {height}×{width} pixels")
    return height, width
