"""The library's Swin modules that `VSCSwin` is built of: with new weights, or with those of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from emofuse.data.git_lfs import refuse_lfs_pointer
from emofuse.errors import EmofuseError
from emofuse.nn.swin_versions import SWINS, SwinNumber, version_of

if TYPE_CHECKING:
    from transformers import SwinConfig, Swinv2Config


def new_swin(config: Swinv2Config | SwinConfig) -> Any:
    """A Swin with weights as its own training starts with.

    Raises:
        EmofuseError: if the configuration contradicts itself.
    """
    version = version_of(config)
    try:
        swin = version.model(config)
    except (ValueError, IndexError) as error:
        raise EmofuseError(f"the {version.name} configuration is not consistent: {error}") from error
    for module in swin.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
        elif type(module).__name__ == "Swinv2Layer":
            # Swin V2's own training starts with every residual branch shut; the library leaves them open.
            nn.init.zeros_(module.layernorm_before.weight)
            nn.init.zeros_(module.layernorm_after.weight)
    return swin


def load_swin(name_or_folder: str | Path, image_size: int | None, version: SwinNumber) -> Any:
    """A Swin with the weights of a checkpoint, in float32; see `VSCSwin.from_pretrained`.

    Raises:
        EmofuseError: if there is no such checkpoint, or it is not one of that version.
    """
    swins = SWINS[version]
    for file in ("config.json", "model.safetensors"):
        refuse_lfs_pointer(Path(name_or_folder) / file)
    size = {} if image_size is None else {"image_size": image_size}
    try:
        config = swins.config.from_pretrained(name_or_folder, **size)
        swin, info = swins.model.from_pretrained(
            name_or_folder,
            config=config,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise EmofuseError(
            f"{name_or_folder} holds no {swins.name} weights in safetensors that can be read: {reason}"
        ) from error
    if info["missing_keys"] or info["mismatched_keys"]:
        lacking = sorted(info["missing_keys"])[:3] or sorted(str(key) for key in info["mismatched_keys"])[:3]
        raise EmofuseError(
            f"{name_or_folder} is not a {swins.name} checkpoint: it lacks {', '.join(lacking)}"
        )
    return swin
